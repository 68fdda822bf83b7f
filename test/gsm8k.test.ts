/** GSM8K: the benchmark's own solutions, and the forms in which models end theirs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkItemOf, readItems } from "../server/benchmarks/items.ts";
import { questionOf } from "../server/benchmarks/prompt_templates.ts";
import { checkGsm8k, goldNumber } from "../server/checkers/gsm8k.ts";
import { culprit } from "./command_line.ts";

const FILE = new URL("data/gsm8k/test_head.jsonl", import.meta.url).pathname;
const rows = readFileSync(FILE, "utf8").trim().split("\n")
  .map((line) => JSON.parse(line) as { readonly question: string; readonly answer: string });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-gsm8k-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("each solution passes its own problem, and fails another one with another number", () => {
  expect(rows).toHaveLength(60);
  for (const [at, { answer }] of rows.entries()) {
    const gold = goldNumber(answer)!;
    expect(checkGsm8k({ kind: "gsm8k", answer: gold }, answer)).toMatchObject({
      passed: true,
      detail: { found: "####" },
    });
    const other = goldNumber(rows[(at + 1) % rows.length]!.answer)!;
    expect(checkGsm8k({ kind: "gsm8k", answer: other }, answer).passed).toBe(Number(other) === Number(gold));
  }
});

test.each([
  ["#### 1,234", "1234", true, "####"],
  ["So 12 and 5.\n#### $18.00", "18", true, "####"],
  ["It is \\boxed{18}.", "18", true, "boxed"],
  ["The answer is 18 dollars.", "18", true, "answer is"],
  ["2 + 3 = 5, and 5 + 13 = 18", "18", true, "last number"],
  ["#### 17\nno, 18", "18", false, "####"],
  ["<think>18</think>It is 17.", "18", false, "last number"],
  ["#### -5", "-5", true, "####"],
])("%j for %s: %s", (response, answer, passed, found) => {
  expect(checkGsm8k({ kind: "gsm8k", answer }, response)).toMatchObject({ passed, detail: { found } });
});

test("a response without a number fails", () => {
  expect(checkGsm8k({ kind: "gsm8k", answer: "1" }, "I don't know.")).toEqual({
    passed: false,
    reason: "the response holds no number",
    detail: { gold: "1", prediction: null },
  });
});

test("collect asks for the mark, and knows the item", async () => {
  const items = await readItems(FILE, "gsm8k");
  const row = items.at(0)!;
  expect(checkItemOf(row)).toEqual({ kind: "gsm8k", answer: "18" });
  expect(items.find(rows[0]!.question)).toBe(row);
  const { template, messages } = questionOf(row, undefined);
  expect(template).toBe("gsm8k-last-line");
  expect(messages[0]!.content).toMatch(
    /every day at the farmers' market\?\n\nReason step by step\. Write the final number/,
  );
  // An example's number would be a small model's answer.
  expect(messages[0]!.content.slice(rows[0]!.question.length)).not.toMatch(/\d/);
  expect(questionOf(row, "plain").messages[0]!.content).toBe(rows[0]!.question);
});

test("check judges lines of questions and responses", async () => {
  const responses = join(folder, "responses.jsonl");
  const lines = [
    { question: rows[0]!.question, response: "#### 18" },
    { question: "Which?", response: "" },
    { question: rows[0]!.question, response: "#### 19" },
  ];
  writeFileSync(responses, lines.map((line) => JSON.stringify(line)).join("\n"));
  const { code, out } = await culprit([
    ...["check", "--benchmark", "gsm8k", "--items", FILE, "--responses", responses],
    "--json",
  ]);
  expect(out.trimEnd().split("\n").map((line) => JSON.parse(line))).toEqual([
    { passed: true, reason: "passed", gold: "18", prediction: "18", found: "####" },
    { error: expect.stringMatching(/:2: its question is in no item of /) },
    { passed: false, reason: "the answer is 19, not 18", gold: "18", prediction: "19", found: "####" },
  ]);
  expect(code).toBe(1);
});
