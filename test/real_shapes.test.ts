/**
 * Models at real shapes with random weights, against transformers in float32 with brute-force differentiation
 * (test/reference/real_shapes.py): logits, node relevance and a layer's edges; and the memory that Qwen3-0.6B takes.
 * Here on a short prompt; all blocks on the long one take minutes, and run in the soak (`npm run soak -- shapes`).
 */
import { expect, test } from "vitest";
import { allOf, beyond, runRealShape, shapeErrors } from "./real_shape_errors.ts";
import { LONG, SHORT } from "./real_shapes.ts";

const BLOCKS = [
  "qwen2.5-7b-block",
  "gemma3-4b-block",
  "phi4-mini-block",
  "pythia-1b-block",
  "qwen3-30b-a3b-block",
] as const;

test.each(BLOCKS)("%s equals transformers", async (name) => {
  expect(beyond(shapeErrors(name, await runRealShape(name, allOf(SHORT))), 1e-3)).toEqual([]);
}, 900_000);

test("Qwen3-0.6B equals transformers, within 4 GiB of host memory beyond its weights", async () => {
  // The rule whose relevance is conserved has the long prompt, which is what memory is promised for.
  const run = await runRealShape("qwen3-0.6b", { ...allOf(SHORT), cplrp: LONG });
  const { output, weightBytes, layers } = run;
  expect(weightBytes).toBeGreaterThan(1.19e9);
  expect(beyond(shapeErrors("qwen3-0.6b", run), 1e-3)).toEqual([]);
  // CP-LRP conserves delta at every node layer.
  const { nodeRelevance, logitDifference } = output.results[1]!;
  const largest = Math.max(...nodeRelevance.map(Math.abs));
  for (let layer = 0; layer <= layers; layer++) {
    const sum = nodeRelevance.slice(layer * LONG, (layer + 1) * LONG).reduce((total, value) => total + value, 0);
    expect(Math.abs(sum - logitDifference) / largest, `node layer ${layer}`).toBeLessThan(1e-3);
  }
  // On a software adapter the weights themselves lie in host memory.
  expect(output.peakBytes - weightBytes).toBeLessThan(4 * 2 ** 30);
}, 900_000);
