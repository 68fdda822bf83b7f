import { expect, test } from "vitest";
import type { AttributionResult } from "../../gpu/mod.ts";
import { describeAttribution } from "./attribution_table.ts";

const RESULT: AttributionResult = {
  rule: "attnlrp",
  inputIds: [7, 8, 9],
  target: { id: 1, logit: 3 },
  contrast: { id: 2, logit: 1.5 },
  logitDifference: 1.5,
  layers: 1,
  // Row 0 is that of the embeddings; row 1 must not be shown.
  nodeRelevance: Float32Array.from([-0.5, 2, 0, 9, 9, 9]),
  adapter: "Test adapter",
  seconds: 0.25,
};
const TOKENIZER = { token: (id: number) => `t${id}\n`, isSpecial: (id: number) => id === 7 };

test("tokens of each sign, largest first, with bars relative to the largest", () => {
  expect(describeAttribution(RESULT, TOKENIZER, false)).toBe(
    `delta 1.5000 = 3.0000 (target 1 "t1\\n") - 1.5000 (contrast 2 "t2\\n")
attnlrp, 3 tokens, 0.25 s on Test adapter

For the target (position, relevance, token):
     1     +2.0000  ####################  8 "t8\\n"

For the contrast:
     0     -0.5000  #####                 7 "t7\\n"  (special)
`,
  );
});

test("ids where there is no tokenizer, and the signs coloured on a terminal", () => {
  const text = describeAttribution(RESULT, null, true);
  expect(text).toContain("(target 1) - ");
  expect(text).toContain("\x1b[31m    +2.0000  ####################\x1b[0m  8\n");
  expect(text).toContain("\x1b[34m    -0.5000");
});

test("what is not listed is counted", () => {
  const many = { ...RESULT, inputIds: new Array(13).fill(5), nodeRelevance: new Float32Array(26).fill(0.1) };
  const text = describeAttribution(many, null, false);
  expect(text).toContain("       and 3 more\n\nFor the contrast:\n  none\n");
});
