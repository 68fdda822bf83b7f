import { expect, test } from "vitest";
import type { GraphResult, Transition } from "../../gpu/mod.ts";
import { describeDifference } from "./attribution_table.ts";
import { describeGraph } from "./graph_table.ts";

const TRANSITION: Transition = {
  source: 27,
  target: 28,
  edges: {
    sources: Uint32Array.from([0, 1, 2]),
    targets: Uint32Array.from([2, 2, 2]),
    weights: Float32Array.from([-0.5, 2, 9]),
  },
  threshold: 0.5,
  rows: 2,
  candidates: 40,
  totalMass: 13,
  keptMass: 11.5 / 13,
  droppedByReach: 4,
  droppedByBudget: 3,
  columnError: 0.1234,
};
const RESULT: GraphResult = {
  rule: "attnlrp",
  inputIds: [7, 8, 9],
  target: { id: 1, logit: 3 },
  contrast: { id: 2, logit: 1.5 },
  logitDifference: 1.5,
  layers: 28,
  nodeRelevance: new Float32Array(29 * 3),
  nodeLayers: [27, 28],
  transitions: [TRANSITION],
  adapter: "Test adapter",
  seconds: 0.25,
};
const TOKENIZER = { token: (id: number) => `t${id}\n`, isSpecial: (id: number) => id === 7 };

test("what each transition keeps and drops, and the edges from other tokens into the last", () => {
  expect(describeGraph(describeDifference(RESULT, TOKENIZER), RESULT, TOKENIZER, false)).toBe(
    `delta 1.5000 = 3.0000 (target 1 "t1\\n") - 1.5000 (contrast 2 "t2\\n")
attnlrp, 3 tokens, 0.25 s on Test adapter
4 nodes, 3 edges

                   edges         of    mass   column     dropped      no      by
 layers  targets    kept candidates    kept    error     by mass    path  budget
 27 > 28       2       3         40   88.5%     0.12          30       4       3

targets       tokens of the upper layer that are relevant enough to get edges
mass kept     share of the absolute weights of all edges into them
column error  how far the kept edges from a token miss its relevance, at most;
              relative to the largest relevance of the layer
no path       dropped because they do not lead to the last token

Last token (position 2): 9 "t9\\n"
Strongest edges from other tokens into it, of all transitions:

For the target (layers, source position, weight, source token):
 27 > 28      1     +2.0000  ##########  8 "t8\\n"

For the contrast:
 27 > 28      0     -0.5000  ###         7 "t7\\n"  (special)
`,
  );
});

test("no line is longer than 80 columns, whatever the tokens and counts", () => {
  const names = { token: (id: number) => `${id} is a token as long as few`, isSpecial: () => true };
  const big = { ...TRANSITION, rows: 131072, candidates: 8589934592, droppedByReach: 150000, columnError: 1.234e-7 };
  const result = {
    ...RESULT,
    inputIds: [151643, 151644, 151645],
    target: { id: 151643, logit: -12.5 },
    logitDifference: -14,
    transitions: [big],
  };
  const lines = describeGraph(describeDifference(result, names), result, names, false).split("\n");
  expect(lines.filter((line) => [...line].length > 80)).toEqual([]);
  expect(lines.slice(0, 2)).toEqual([
    'delta -14.0000 = -12.5000 (target 151643 "151643 is a token as long as few")',
    '               - 1.5000 (contrast 2 "2 is a token as long as few")',
  ]);
  expect(lines.join("\n")).toContain(' 151644 "151644 is a token…"  (special)\n');
});

test("ids where there is no tokenizer, the signs coloured on a terminal, and no edges at all", () => {
  const text = describeGraph(describeDifference(RESULT, null), RESULT, null, true);
  expect(text).toContain("\x1b[31m    +2.0000  ##########\x1b[0m  8\n");
  expect(text).toContain("\x1b[34m    -0.5000");
  const none = { sources: new Uint32Array(), targets: new Uint32Array(), weights: new Float32Array() };
  const empty = describeGraph("", { ...RESULT, transitions: [{ ...TRANSITION, edges: none }] }, null, false);
  expect(empty).toContain("1 nodes, 0 edges\n");
  expect(empty).toMatch(/source token\):\n {2}none\n\nFor the contrast:\n {2}none\n$/);
});
