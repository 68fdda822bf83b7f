/** MATH answers, against the verdicts of the benchmark's own grader. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkMath, equivalent, finalAnswer } from "../server/checkers/math.ts";
import { culprit, refused } from "./command_line.ts";

const DATA = new URL("data/math/", import.meta.url).pathname;
const MODELS = new URL("../models/", import.meta.url).pathname;

function rows<T>(path: string): readonly T[] {
  return readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line) as T);
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-math-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("equivalence", () => {
  interface Case {
    readonly test: string;
    readonly a: string;
    readonly b: string;
    readonly equivalent: boolean;
  }
  const cases = rows<Case>(join(DATA, "equiv_cases.jsonl"));

  test("all 16 unit cases of the grader are there", () => expect(cases).toHaveLength(16));

  test.each(cases)("$test", ({ a, b, equivalent: same }) => {
    expect(equivalent(a, b)).toBe(same);
    expect(equivalent(b, a)).toBe(same);
  });

  test("every one of 500 real pairs has the grader's verdict", () => {
    interface Pair {
      readonly gold: string;
      readonly prediction: string;
      readonly hendrycks_is_equiv: boolean;
    }
    const pairs = rows<Pair>(join(DATA, "equiv_real_pairs.jsonl"));
    expect(pairs).toHaveLength(500);
    const wrong = pairs.filter(({ gold, prediction, hendrycks_is_equiv: same }) =>
      equivalent(gold, prediction) !== same
    );
    expect(wrong).toEqual([]);
    expect(pairs.filter((pair) => pair.hendrycks_is_equiv)).toHaveLength(277);
  });

  // What the grader's text says, where no case of its own shows it.
  test.each([
    ["0.5", "\\frac12", true],
    ["0.25", "\\frac14", false],
    ["1,000", "1000", false],
    ["x=5", "5", true],
    ["x = 5", "5", true],
    ["xyz=5", "5", false],
    ["-1/2", "\\frac{-1}{2}", true],
    ["01/2", "\\frac{1}{2}", false],
    ["-0/2", "\\frac{-0}{2}", false],
    ["90^\\circ", "90", true],
    ["\\sqrt", "\\sqrt", true],
    ["\\sqrt", "\\sqrt ", false],
    ["\\frac", "\\frac\\!", false],
    ["5\\text{ cm}\\text{ or so}", "5", false],
    ["", " ", true],
  ])("%j and %j: %s", (a, b, same) => expect(equivalent(a, b)).toBe(same));
});

describe("the final answer of a response", () => {
  test.each([
    ["so $\\boxed{1}$, no: $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}"],
    ["\\boxed{\\text{a}{b}{{c}}} and }", "\\text{a}{b}{{c}}"],
    ["it is \\fbox{7}", "7"],
    ["\\fbox{7} and \\boxed{8}", "8"],
    ["the answer is $\\boxed 5$ units", "5"],
    ["\\boxed{never {closed}", undefined],
    ["\\boxed{1} and \\boxed{2", undefined],
    ["the answer is 5", undefined],
    ["", undefined],
  ])("%j: %j", (response, answer) => expect(finalAnswer(response)).toBe(answer));

  test("verdicts say gold and prediction", () => {
    expect(checkMath({ kind: "math", answer: "\\frac12" }, "thus \\boxed{1/2}")).toEqual({
      passed: true,
      detail: { gold: "\\frac12", prediction: "1/2", equivalence: "strings" },
    });
    expect(checkMath({ kind: "math", answer: "2" }, "thus \\boxed{3}")).toEqual({
      passed: false,
      reason: "the final answer is 3, not 2",
      detail: { gold: "2", prediction: "3" },
    });
    expect(checkMath({ kind: "math", answer: "2" }, "thus 2")).toEqual({
      passed: false,
      reason: "the response has no final answer in \\boxed{...}",
      detail: { gold: "2", prediction: null },
    });
  });
});

test("all rollouts of the demo's failure cases have the verdict of the recipe's own checker, in Python", () => {
  interface Case {
    readonly benchmark: string;
    readonly task: string;
    readonly completion: string;
    readonly candidates: readonly { readonly completion: string; readonly passed: boolean }[];
  }
  interface Item {
    readonly unique_id: string;
    readonly answer: string;
  }
  const answers = new Map(
    rows<Item>(join(MODELS, "benchmarks/demo-math.jsonl")).map((item) => [item.unique_id, item.answer]),
  );
  const counts = { passed: 0, failed: 0 };
  for (const file of ["failure-cases.jsonl", "failure-cases-divergence.jsonl"]) {
    for (const { benchmark, task, completion, candidates } of rows<Case>(join(MODELS, "demo-1m", file))) {
      if (benchmark !== "demo-math") continue;
      const item = { kind: "math", answer: answers.get(`demo-math/${task}`)! } as const;
      expect(checkMath(item, completion).passed).toBe(false);
      for (const candidate of candidates) {
        expect({ task, passed: checkMath(item, candidate.completion).passed, text: candidate.completion })
          .toEqual({ task, passed: candidate.passed, text: candidate.completion });
        counts[candidate.passed ? "passed" : "failed"]++;
      }
    }
  }
  expect(counts.passed).toBeGreaterThan(100);
  expect(counts.failed).toBeGreaterThan(1000);
});

describe("culprit check --benchmark math", () => {
  const check = (path: string) => ["check", "--benchmark", "math", "--pairs", path];
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  test("--json prints a line a pair", async () => {
    const { code, out, err } = await culprit([...check(join(DATA, "equiv_real_pairs.jsonl")), "--json"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const expected = rows<{ hendrycks_is_equiv: boolean }>(join(DATA, "equiv_real_pairs.jsonl"));
    expect(out).toBe(expected.map((row) => `{"equivalent":${row.hendrycks_is_equiv}}\n`).join(""));
  });

  test("no answer equals no answer only, and people get a share", async () => {
    const none = '{"gold":null,"prediction":null}\n{"gold":"1","prediction":null}\n';
    const { out } = await culprit(check(file("none.jsonl", none)));
    expect(out).toBe("different  1  |  none\n1 of 2 equivalent (50.00 %)\n");
  });

  test("bad lines are named", async () => {
    await refused(["check", "--benchmark", "math"], /^--pairs: is missing/);
    await refused(check(join(folder, "nowhere.jsonl")), /nowhere\.jsonl: there is no such file; /);
    await refused(check(file("empty.jsonl", "\n")), /empty\.jsonl: has no pairs; /);
    const good = '{"gold":"1","prediction":"1"}\n';
    // A line that cannot be judged is answered in its place.
    const lines = `${good}{"gold":\n\n{"prediction":"1"}\n{"gold":"1","prediction":1}\n[1]\n${good}`;
    const { code, out, err } = await culprit([...check(file("bad.jsonl", lines)), "--json"]);
    const error = (text: RegExp) => ({ error: expect.stringMatching(text) });
    expect(out.trimEnd().split("\n").map((line) => JSON.parse(line))).toEqual([
      { equivalent: true },
      error(/bad\.jsonl:2: is not valid JSON: /),
      error(/bad\.jsonl:4: has no "gold"; give \{/),
      error(/bad\.jsonl:5: has no "prediction"; /),
      error(/bad\.jsonl:6: is not a JSON object; /),
      { equivalent: true },
    ]);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/4 of 6 lines could not be judged/) });
  });
});
