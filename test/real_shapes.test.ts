/**
 * Models at real shapes with random weights, against transformers in float32 with brute-force differentiation
 * (test/reference/real_shapes.py): logits, node relevance and a layer's edges; and the memory that Qwen3-0.6B takes.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { GraphResult } from "../gpu/engine.ts";
import { openSafetensors } from "../gpu/model/safetensors.ts";
import { relativeError } from "./compare.ts";
import { REAL_SHAPES, type RealShape, requestFor, TOKENS, writeRealShape } from "./real_shapes.ts";

const folder = mkdtempSync(join(tmpdir(), "culprit-real-shapes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Result extends Pick<GraphResult, "logitDifference" | "target" | "contrast" | "seconds"> {
  readonly nodeRelevance: readonly number[];
  readonly transitions: readonly { readonly source: number; readonly edges: readonly [number, number, number][] }[];
}
interface Output {
  readonly adapter: string;
  readonly results: readonly Result[];
  readonly peakBytes: number;
}

const RULES = ["attnlrp", "cplrp", "gradient"] as const;

async function run(name: RealShape): Promise<{ output: Output; weightBytes: number; layers: number }> {
  const directory = join(folder, name);
  const weightBytes = writeRealShape(directory, name);
  const { config } = REAL_SHAPES[name];
  const layers = config["num_hidden_layers"] as number;
  const middle = Math.floor(layers / 2);
  const everything = { mass: 1, reach: "all", transitions: [middle, middle + 1] } as const;
  // Plain gradients have no closed form: a product for each token of edges would take minutes, and nodes say enough.
  const minRelevance = (rule: string) => rule === "gradient" ? 1e9 : 0;
  const request = requestFor(config["vocab_size"] as number);
  const path = join(directory, "request.json");
  writeFileSync(
    path,
    JSON.stringify(RULES.map((rule) => ({ ...request, ...everything, rule, minRelevance: minRelevance(rule) }))),
  );
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(import.meta.dirname as string, "attribute_once.ts"), directory, path],
    cwd: join(import.meta.dirname as string, ".."),
  }).output();
  rmSync(directory, { recursive: true });
  expect(code, new TextDecoder().decode(stderr)).toBe(0);
  return { output: JSON.parse(new TextDecoder().decode(stdout)), weightBytes, layers };
}

function checkAgainstTransformers(name: RealShape, { results }: Output, layers: number): void {
  const golden = openSafetensors(join(import.meta.dirname as string, "data", "real_shapes", `${name}.safetensors`));
  const expected = (tensor: string) => {
    const bytes = new Uint8Array(golden.tensors.get(tensor)?.bytes ?? 0);
    golden.readInto(tensor, 0, bytes);
    return new Float32Array(bytes.buffer);
  };
  RULES.forEach((rule, index) => {
    const { nodeRelevance, target, contrast, transitions } = results[index] as Result;
    const middle = Math.floor(layers / 2);
    expect(relativeError(nodeRelevance, expected(`${rule}.node_relevance`)), `${rule} node relevance`).toBeLessThan(
      1e-3,
    );
    expect(relativeError([target.logit, contrast.logit], expected("logits_pair")), `${rule} logits`).toBeLessThan(1e-3);
    if (rule === "gradient") return;
    const dense = new Float32Array(TOKENS * TOKENS);
    for (const [source, token, weight] of transitions[0]?.edges ?? []) dense[token * TOKENS + source] = weight;
    expect(relativeError(dense, expected(`${rule}.edges.${middle}`)), `${rule} edges`).toBeLessThan(1e-3);
  });
  golden.close();
}

const BLOCKS = [
  "qwen3-4b-block",
  "olmo3-7b-block",
  "llama3.1-8b-block",
  "qwen2.5-7b-block",
  "gemma3-4b-block",
  "phi4-mini-block",
  "pythia-1b-block",
  "qwen3-30b-a3b-block",
] as const;

test.each(BLOCKS)("%s equals transformers", async (name) => {
  const { output, layers } = await run(name);
  checkAgainstTransformers(name, output, layers);
}, 900_000);

test("Qwen3-0.6B equals transformers, within 4 GiB of host memory beyond its weights", async () => {
  const { output, weightBytes, layers } = await run("qwen3-0.6b");
  expect(weightBytes).toBeGreaterThan(1.19e9);
  checkAgainstTransformers("qwen3-0.6b", output, layers);
  // CP-LRP conserves delta at every node layer.
  const { nodeRelevance, logitDifference } = output.results[1] as Result;
  const largest = Math.max(...nodeRelevance.map(Math.abs));
  for (let layer = 0; layer <= layers; layer++) {
    const sum = nodeRelevance.slice(layer * TOKENS, (layer + 1) * TOKENS).reduce((total, value) => total + value, 0);
    expect(Math.abs(sum - logitDifference) / largest, `node layer ${layer}`).toBeLessThan(1e-3);
  }
  // On a software adapter the weights themselves lie in host memory.
  expect(output.peakBytes - weightBytes).toBeLessThan(4 * 2 ** 30);
}, 900_000);
