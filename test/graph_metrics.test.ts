/** Graph metrics of a real failure of the demo model. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { Engine, LoadedModel } from "../gpu/engine.ts";
import { sharedEngine } from "./shared_device.ts";
import { measureGraph } from "../server/graphs/graph_metrics.ts";
import { relativeError } from "./compare.ts";

const FOLDER = join(import.meta.dirname as string, "..", "models", "demo-1m");
const { cases } = JSON.parse(readFileSync(join(FOLDER, "golden.json"), "utf8")) as {
  readonly cases: readonly {
    readonly inputIds: readonly number[];
    readonly target: number;
    readonly contrast: number;
    readonly nodeRelevance: Readonly<Record<"attnlrp" | "cplrp", readonly (readonly number[])[]>>;
  }[];
};
let engine: Engine;
let model: LoadedModel;
beforeAll(async () => {
  engine = await sharedEngine();
  model = await engine.loadModel(FOLDER);
});

test.each(["attnlrp", "cplrp"] as const)(
  "what the last block hands to the last token is the relevance before it, as LXT gives it, %s",
  async (rule) => {
    const { inputIds, target, contrast, nodeRelevance } = cases[0]!;
    const graph = await model.graph({ inputIds, target, contrast, rule, mass: 1, minRelevance: 0, reach: "all" });
    const { transfer: { cumulative }, layers } = measureGraph(graph);
    const [before, after] = cumulative.slice(-2) as [Float64Array, Float64Array];
    const others = after.length - 1;
    // Only the last token of the last layer has a gradient, so its edges are all there are.
    const handed = after.map((value, token) => value - before[token]!).subarray(0, others);
    const golden = nodeRelevance[rule].at(-2)!;
    expect(relativeError(handed, golden.slice(0, others))).toBeLessThan(1e-4);
    layers.forEach(({ layer, sinkShare }) => {
      const sizes = nodeRelevance[rule][layer]!.map(Math.abs);
      expect(sinkShare).toBeCloseTo(sizes[0]! / sizes.reduce((sum, size) => sum + size, 0), 4);
    });
  },
);

test("the strongest paths of a pruned graph end at the last token, and their edges are the graph's", async () => {
  const { inputIds, target, contrast } = cases[0]!;
  const graph = await model.graph({ inputIds, target, contrast, rule: "attnlrp" });
  const { reduced: { paths, tokens }, transitions } = measureGraph(graph);
  expect(paths).toHaveLength(5);
  expect(tokens.length).toBeGreaterThan(0);
  for (const { nodes, weights } of paths) {
    expect(nodes.at(-1)).toEqual({ layer: 4, token: inputIds.length - 1 });
    weights.forEach((weight, at) => {
      const { sources, targets, weights: all } = graph.transitions[at]!.edges;
      const edge = all.findIndex((_, index) =>
        sources[index] === nodes[at]!.token && targets[index] === nodes[at + 1]!.token
      );
      expect(all[edge]).toBe(weight);
    });
  }
  transitions.forEach(({ edges, verticality }, index) => {
    expect(edges).toBe(graph.transitions[index]!.edges.weights.length);
    expect(verticality).toBeGreaterThan(0);
  });
});
