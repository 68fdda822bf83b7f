/** Values of final answers, against math-verify 0.9.0, an independent grader. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { checkMath, equivalent } from "../server/checkers/math.ts";
import { sameValue } from "../server/checkers/math/value.ts";

const DATA = new URL("data/math/", import.meta.url).pathname;
interface Pair {
  readonly gold: string;
  readonly prediction: string;
}
const lines = <T>(name: string) =>
  readFileSync(`${DATA}${name}`, "utf8").trim().split("\n").map((line) => JSON.parse(line) as T);

test("pairs of every kind have math-verify's verdict, but for two that are told in the docs", () => {
  const pairs = lines<Pair & { readonly math_verify: boolean }>("value_pairs.jsonl");
  expect(pairs).toHaveLength(50);
  const other = pairs.filter(({ gold, prediction, math_verify }) =>
    (equivalent(gold, prediction) || sameValue(gold, prediction)) !== math_verify
  );
  expect(other.map(({ gold, prediction }) => [gold, prediction])).toEqual([
    // It rounds to six digits.
    ["\\frac13", "0.333333"],
    // It reads no spaces between thousands.
    ["1 000 000", "1000000"],
  ]);
});

test("of 500 real pairs 498 have math-verify's verdict", () => {
  const pairs = lines<Pair>("equiv_real_pairs.jsonl");
  const verdicts = JSON.parse(readFileSync(`${DATA}real_pairs_math_verify.json`, "utf8")) as readonly boolean[];
  const other = pairs.filter(({ gold, prediction }, at) =>
    (equivalent(gold, prediction) || sameValue(gold, prediction)) !== verdicts[at]
  );
  expect(other.map(({ gold, prediction }) => [gold, prediction])).toEqual([
    ["12", "12^{\\mathrm{th}} grade"],
    ["(0,9) \\cup (9,36)", "(0, 36) \\setminus \\{9\\}"],
  ]);
});

test.each([
  ["1", "I"],
  ["0", ""],
  ["\\frac{0}{0}", "\\frac{0}{0}x"],
  ["x", "y"],
  ["(1,2)", "[1,2]"],
  ["\\{1,1\\}", "\\{1\\}"],
  ["5\\text{ cm}", "5\\text{ m}"],
  ["10\\%", "0.01"],
  ["12_8", "12_9"],
  [`${"(".repeat(500)}1${")".repeat(500)}`, "2"],
])("%j is not %j", (gold, prediction) => expect(sameValue(gold, prediction)).toBe(false));

test("the verdict names how two answers are the same", () => {
  expect(checkMath({ kind: "math", answer: "1000" }, "\\boxed{1,000}")).toEqual({
    passed: true,
    detail: { gold: "1000", prediction: "1,000", equivalence: "value" },
  });
});

test.each([
  ["sentence", "So it is.\nFinal Answer: The final answer is $x^2$. I hope it is correct.", "x^2"],
  ["sentence", "The final answer is \\boxed{3}.", "3"],
  ["dollars", "With $a$ it is $42$", "a$ it is $42"],
  ["dollars", " 5 ", "5"],
  ["any", "The answer is **12**.", "12"],
  ["any", "work\n#### 7", "7"],
  ["any", "no mark 7", null],
])("the answer by %s in %j is %j", (convention, response, prediction) => {
  const verdict = checkMath({ kind: "math", answer: "?", convention: convention as "any" }, response);
  expect(verdict.detail?.["prediction"]).toBe(prediction);
  expect(verdict.passed).toBe(prediction === null ? null : false);
});
