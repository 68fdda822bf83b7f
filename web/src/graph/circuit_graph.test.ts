import { expect, test } from "vitest";
import { circuitJson } from "../../../server/graphs/circuit_json.ts";
import { readCircuitGraph } from "./circuit_graph.ts";
import { makeScene } from "./graph_scene.ts";

const ALL = { minWeight: 0, mass: 1, sink: true, term: "all", head: null, focus: null } as const;

/** As circuit-tracer writes one: two features at one place, an error, an edge over layers, the logit at the top. */
const node = (node_id: string, layer: string, ctx_idx: number, feature_type: string) => ({
  node_id,
  layer,
  ctx_idx,
  feature_type,
  feature: 1,
  jsNodeId: node_id,
  clerp: "",
  influence: 0.5,
});
const FOREIGN = {
  metadata: { slug: "austin", scan: "gemma-2-2b", prompt_tokens: ["<bos>", "Dallas", "⏎"], prompt: "" },
  qParams: {},
  nodes: [
    node("E_5_1", "E", 1, "embedding"),
    node("0_7_1", "0", 1, "cross layer transcoder"),
    node("0_8_1", "0", 1, "cross layer transcoder"),
    node("0_e_2", "0", 2, "mlp reconstruction error"),
    node("3_9_2", "3", 2, "logit"),
  ],
  links: [
    { source: "E_5_1", target: "0_7_1", weight: 2 },
    { source: "E_5_1", target: "0_8_1", weight: -0.5 },
    { source: "E_5_1", target: "3_9_2", weight: 0.25 },
    { source: "0_7_1", target: "3_9_2", weight: 1 },
    { source: "0_e_2", target: "3_9_2", weight: -3 },
    { source: "0_7_1", target: "0_8_1", weight: 9 },
  ],
};
const read = (changes: object = {}) => readCircuitGraph(JSON.stringify({ ...FOREIGN, ...changes }));
const edgesOf = ({ data }: ReturnType<typeof read>) => {
  const { edges, nodeLayers } = makeScene(data, ALL);
  return Array.from(edges.weights, (weight, at) => [
    `${nodeLayers[edges.rows[at]!]}:${edges.sources[at]}`,
    `${nodeLayers[edges.targetRows[at]!]}:${edges.targets[at]}`,
    weight,
  ]);
};

test("features of one token and layer are one node, with the sum of their edges; edges may lead over layers", () => {
  const graph = read();
  expect(edgesOf(graph)).toEqual([["1:2", "4:2", -3], ["0:1", "1:1", 1.5], ["1:1", "4:2", 1], ["0:1", "4:2", 0.25]]);
  expect(graph.data.nodeLayers).toEqual([0, 1, 4]);
  expect(graph.texts).toEqual(["<bos>", "Dallas", "\n"]);
  const { nodes } = makeScene(graph.data, ALL);
  expect(nodes.map(({ row, token, relevance }) => [row, token, relevance])).toEqual([
    [0, 1, 1.75],
    [1, 1, 1],
    [1, 2, -3],
    [2, 2, -1.75],
  ]);
  expect(graph.lacks).toEqual([
    "5 nodes stand at 4 places: features of one token and layer are one here.",
    "1 node is what a transcoder misses: no feature.",
    "Its nodes have no relevance: a node's colour is the sum of the edges that leave it.",
    "1 edge between nodes of one layer, or downward, are left out.",
    "It explains its own outputs, not one token against another, in its own units: red is above zero, blue below.",
    "Edges are not split by head.",
  ]);
});

test("paths through a node are followed over the layers that edges skip", () => {
  const { data } = read();
  const through = (row: number, token: number) =>
    makeScene(data, { ...ALL, focus: { row, token } }).edges.weights.toSorted();
  expect(through(1, 1)).toEqual(Float32Array.from([1, 1.5]));
  expect(through(1, 2)).toEqual(Float32Array.from([-3]));
  expect(through(2, 2)).toEqual(Float32Array.from([-3, 0.25, 1, 1.5]));
});

test("what we write is read as it was, with its relevance", () => {
  const edges = (...rows: readonly (readonly [number, number, number])[]) => ({
    sources: Uint32Array.from(rows, ([source]) => source),
    targets: Uint32Array.from(rows, ([, target]) => target),
    weights: Float32Array.from(rows, ([, , weight]) => weight),
  });
  const own = circuitJson({
    slug: "own",
    model: "demo",
    rule: "attnlrp",
    layers: 3,
    prompt: "ab\n",
    tokens: ["a", "b", "\n"],
    target: { id: 7, text: " no" },
    contrast: { id: 8, text: "yes" },
    delta: 4,
    mass: 0.85,
  }, {
    inputIds: [11, 12, 13],
    nodeLayers: [0, 1, 3],
    nodeRelevance: Float32Array.from([0.5, -1, 0.25, 2, 0, -0.5, 0, 0, 0, 0, 0, 4]),
    transitions: [
      { source: 0, target: 1, edges: edges([0, 0, 0.5], [1, 2, -1]) },
      { source: 1, target: 3, edges: edges([0, 2, 3], [2, 2, -0.5]) },
    ],
  });
  const graph = readCircuitGraph(JSON.stringify(own));
  // The last is the logit's, above the last block.
  expect(edgesOf(graph)).toEqual([
    ["3:2", "5:2", 4],
    ["1:0", "3:2", 3],
    ["0:1", "1:2", -1],
    ["0:0", "1:0", 0.5],
    ["1:2", "3:2", -0.5],
  ]);
  expect(makeScene(graph.data, ALL).nodes.map(({ relevance }) => relevance)).toEqual([0.5, -1, 2, -0.5, 4, 4]);
  expect(graph.lacks).toEqual(["Edges are not split by head."]);
});

test.each([
  ["no JSON", "{", "The file is no JSON"],
  ["another JSON", "[1]", "The file has no metadata"],
  ["no tokens", JSON.stringify({ ...FOREIGN, metadata: {} }), "metadata.prompt_tokens is no list of tokens"],
  ["no nodes", JSON.stringify({ ...FOREIGN, nodes: [] }), 'The list "nodes" is empty'],
  [
    "a position past the end",
    JSON.stringify({ ...FOREIGN, nodes: [node("a", "0", 3, "")], links: [] }),
    "nodes[0].ctx_idx is 3",
  ],
  [
    "a layer that is none",
    JSON.stringify({ ...FOREIGN, nodes: [node("a", "x", 1, "")], links: [] }),
    'nodes[0].layer is "x"',
  ],
  [
    "an edge to nobody",
    JSON.stringify({ ...FOREIGN, links: [{ source: "E_5_1", target: "b", weight: 1 }] }),
    'the node "b"',
  ],
  [
    "a weight that is none",
    JSON.stringify({ ...FOREIGN, links: [{ source: "E_5_1", target: "3_9_2", weight: null }] }),
    "links[0].weight is no number",
  ],
])("a file that is none is told in one line: %s", (_what, text, line) => {
  expect(() => readCircuitGraph(text)).toThrow(line);
  expect(() => readCircuitGraph(text)).toThrow(/take the JSON that circuit-tracer or Neuronpedia writes$/);
});
