import { expect, test } from "vitest";
import type { GraphResult } from "../../gpu/mod.ts";
import { graphJson } from "./graph_json.ts";

test("more rows than a piece holds are one list, and no edges an empty one", () => {
  const count = 25_000;
  const tokens = count + 1;
  const numbers = {
    threshold: 0.5,
    rows: 1,
    candidates: tokens,
    totalMass: 1,
    keptMass: 1,
    droppedByReach: 0,
    droppedByBudget: 0,
    columnError: 0,
  };
  const none = { sources: new Uint32Array(), targets: new Uint32Array(), weights: new Float32Array() };
  const edges = {
    sources: Uint32Array.from({ length: count }, (_, index) => index),
    targets: new Uint32Array(count).fill(count),
    weights: new Float32Array(count).fill(0.5),
  };
  const headEdges = { heads: 2, terms: Float32Array.from({ length: count * 4 }, (_, index) => index % 4) };
  const result: GraphResult = {
    rule: "attnlrp",
    inputIds: new Array(tokens).fill(1),
    target: { id: 1, logit: 3 },
    contrast: { id: 2, logit: 1.5 },
    logitDifference: 1.5,
    layers: 2,
    nodeRelevance: new Float32Array(3 * tokens),
    nodeLayers: [0, 1, 2],
    transitions: [
      { source: 0, target: 1, edges: none, ...numbers, headEdges: { heads: 2, terms: new Float32Array() } },
      { source: 1, target: 2, edges, ...numbers, headEdges },
    ],
    adapter: "Test adapter",
    seconds: 0.25,
  };
  const { nodes, transitions } = JSON.parse([...graphJson(result, {})].join(""));
  expect(nodes).toHaveLength(count + 1);
  expect(transitions[0]).toEqual({ source: 0, target: 1, ...numbers, edges: [], headEdges: [] });
  expect(transitions[1].edges).toEqual([...edges.sources].map((source) => [source, count, 0.5]));
  expect(transitions[1].headEdges).toHaveLength(2 * count);
  expect(transitions[1].headEdges.slice(-2)).toEqual([[count - 1, count, 0, 0, 1], [count - 1, count, 1, 2, 3]]);
});
