import { expect, test } from "vitest";
import type { GraphData, Transition } from "./graph_data.ts";
import { type GraphView, makeScene, sceneJson, sceneTable } from "./graph_scene.ts";

const FIRST_VIEW: GraphView = { minWeight: 0, mass: 1, sink: true, term: "all", head: null, focus: null };

type Edge = readonly [source: number, target: number, weight: number];

function transition(source: number, edges: readonly Edge[], terms?: readonly number[]): Transition {
  return {
    source,
    target: source + 1,
    edges: edges.length,
    keptMass: 1,
    columnError: 0,
    droppedByReach: 0,
    droppedByBudget: 0,
    sources: Uint32Array.from(edges, ([from]) => from),
    targets: Uint32Array.from(edges, ([, to]) => to),
    weights: Float32Array.from(edges, ([, , weight]) => weight),
    terms: terms === undefined ? undefined : Float32Array.from(terms),
  };
}

/** 4 tokens, 3 node layers; token 0 is the sink. */
const DATA: GraphData = {
  rule: "attnlrp",
  tokens: 4,
  layers: 2,
  nodeLayers: [0, 1, 2],
  heads: 0,
  relevance: Float32Array.from([5, 1, -2, 0.5, 4, 0, -1, 1, 0, 0, 0, 6]),
  transitions: [
    transition(0, [[0, 0, 4], [1, 1, 0.5], [1, 2, 1], [2, 2, -2], [3, 3, 0.25]]),
    transition(1, [[0, 3, 4], [1, 3, 0.5], [2, 3, -1], [3, 3, 1]]),
  ],
};

function edgesOf(view: Partial<GraphView>, data = DATA): string[] {
  const { edges } = makeScene(data, { ...FIRST_VIEW, ...view });
  return Array.from(edges.rows, (row, edge) => `${row}:${edges.sources[edge]}>${edges.targets[edge]}`).sort();
}

test("everything is shown when nothing is filtered, strongest first", () => {
  const scene = makeScene(DATA, { ...FIRST_VIEW });
  expect([...scene.edges.weights].map(Math.abs)).toEqual([4, 4, 2, 1, 1, 1, 0.5, 0.5, 0.25]);
  expect([...scene.columns]).toEqual([0, 1, 2, 3]);
  expect(scene.stored).toBe(9);
  expect(scene.nodes.find(({ row, token }) => row === 2 && token === 3)?.relevance).toBe(6);
});

test("the threshold hides weaker edges", () => {
  expect(edgesOf({ minWeight: 1 })).toEqual(["0:0>0", "0:1>2", "0:2>2", "1:0>3", "1:2>3", "1:3>3"]);
});

test("the mass keeps the strongest edges of each transition, ties included", () => {
  // 0.5 of 7.75 is 3.875: the first edge; 0.7 of 6.5 is 4.55: the first and both of weight 1.
  expect(edgesOf({ mass: 0.5 })).toEqual(["0:0>0", "1:0>3"]);
  expect(edgesOf({ mass: 0.7 })).toEqual(["0:0>0", "0:2>2", "1:0>3", "1:2>3", "1:3>3"]);
});

test("without the sink its edges neither show nor count in the mass", () => {
  expect(edgesOf({ sink: false })).toEqual(["0:1>1", "0:1>2", "0:2>2", "0:3>3", "1:1>3", "1:2>3", "1:3>3"]);
  expect(edgesOf({ sink: false, mass: 0.5 })).toEqual(["0:2>2", "1:2>3", "1:3>3"]);
});

test("a node in focus leaves the paths to and from it", () => {
  expect(edgesOf({ focus: { row: 1, token: 2 } })).toEqual(["0:1>2", "0:2>2", "1:2>3"]);
  expect(edgesOf({ focus: { row: 0, token: 1 } })).toEqual(["0:1>1", "0:1>2", "1:1>3", "1:2>3"]);
});

test("heads and terms take their part of the weight", () => {
  const split: GraphData = {
    ...DATA,
    heads: 2,
    transitions: [
      transition(0, [[1, 1, 10], [2, 2, 10]], [1, 2, 3, 4, -5, 0, 0, 0]),
      transition(1, [[1, 3, 1], [2, 3, 1]], [1, 0, 0, 0, 1, 0, 0, 0]),
    ],
  };
  const weights = (view: Partial<GraphView>) => {
    const { edges } = makeScene(split, { ...FIRST_VIEW, ...view });
    return Array.from(edges.rows, (row, edge) => row === 0 ? [edges.sources[edge], edges.weights[edge]] : [])
      .filter((pair) => pair.length > 0);
  };
  expect(weights({ head: 1 })).toEqual([[1, 7]]);
  expect(weights({ head: 0, term: "ov" })).toEqual([[2, -5], [1, 1]]);
  expect(weights({ term: "qk" })).toEqual([[1, 6]]);
});

test("the JSON holds what the scene shows", () => {
  const scene = makeScene(DATA, { ...FIRST_VIEW, minWeight: 2 });
  expect(sceneTable(scene, ["a", "b", "c", "d"]).rows).toEqual(
    JSON.parse(sceneJson(DATA, scene, ["a", "b", "c", "d"])).edges.map((
      { source, target, weight }: Record<"source" | "target", { layer: number; token: number }> & { weight: number },
    ) => [source.layer, source.token, "abcd"[source.token], target.layer, target.token, "abcd"[target.token], weight]),
  );
  const json = JSON.parse(sceneJson(DATA, scene, ["a", "b", "c", "d"]));
  expect(json.edges).toEqual([
    { source: { layer: 0, token: 0 }, target: { layer: 1, token: 0 }, weight: 4 },
    { source: { layer: 1, token: 0 }, target: { layer: 2, token: 3 }, weight: 4 },
    { source: { layer: 0, token: 2 }, target: { layer: 1, token: 2 }, weight: -2 },
  ]);
  expect(json.nodes).toContainEqual({ layer: 2, token: 3, text: "d", relevance: 6 });
});
