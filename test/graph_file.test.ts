/** The graph file that the server writes is the one that the page reads. */
import { expect, test } from "vitest";
import type { GraphResult } from "../gpu/engine.ts";
import { graphFile } from "../server/graphs/graph_file.ts";
import { parseGraphFile } from "../web/src/graph/graph_data.ts";

const numbers = {
  threshold: 0.5,
  rows: 1,
  candidates: 3,
  totalMass: 4,
  keptMass: 0.9,
  droppedByReach: 1,
  droppedByBudget: 0,
};

function graph(heads: boolean): GraphResult {
  return {
    rule: "cplrp",
    inputIds: [3, 1, 2],
    target: { id: 5, logit: 2.5 },
    contrast: { id: 6, logit: 1 },
    logitDifference: 1.5,
    layers: 1,
    nodeLayers: [0, 1],
    nodeRelevance: Float32Array.from([0.5, -1, 2, 0, 0, 1.5]),
    adapter: "an adapter \u00fc",
    seconds: 0.1,
    transitions: [{
      ...numbers,
      source: 0,
      target: 1,
      columnError: 0.01,
      edges: {
        sources: Uint32Array.of(0, 2),
        targets: Uint32Array.of(2, 2),
        weights: Float32Array.of(0.25, -1.25),
      },
      ...(heads ? { headEdges: { heads: 2, terms: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) } } : {}),
    }],
  };
}

test.each([false, true])("a graph comes back as it was, heads split: %s", (heads) => {
  const made = graph(heads);
  const read = parseGraphFile(graphFile(made).buffer);
  expect(read).toMatchObject({ rule: "cplrp", tokens: 3, layers: 1, nodeLayers: [0, 1], heads: heads ? 2 : 0 });
  expect(read.relevance).toEqual(made.nodeRelevance);
  const [transition] = read.transitions;
  expect(transition).toMatchObject({ ...numbers, source: 0, target: 1, edges: 2, columnError: 0.01 });
  expect(transition?.sources).toEqual(made.transitions[0]?.edges.sources);
  expect(transition?.targets).toEqual(made.transitions[0]?.edges.targets);
  expect(transition?.weights).toEqual(made.transitions[0]?.edges.weights);
  expect(transition?.terms).toEqual(made.transitions[0]?.headEdges?.terms);
});

test("a file of another kind, or cut short, is refused", () => {
  const file = graphFile(graph(true));
  expect(() => parseGraphFile(file.slice(0, file.length - 4).buffer)).toThrow(RangeError);
  expect(() => parseGraphFile(new TextEncoder().encode("GIF89a..").buffer)).toThrow(/no graph file/);
  expect(() => parseGraphFile(new ArrayBuffer(2))).toThrow(/no graph file/);
});
