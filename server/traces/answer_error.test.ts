/** Where a wrong final answer parts from the right one, by the tokens of a real tokenizer. */
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { loadTokenizer, type Tokenizer } from "../../gpu/mod.ts";
import { ROOT } from "../base/settings.ts";
import { answerError } from "./answer_error.ts";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(join(ROOT, "models", "demo-1m"));
});

const END = "<|im_end|>";

/** The texts before the error, of the wrong token and of the right one. */
function errorIn(response: string, answer: string, kind: "gsm8k" | "math" = "gsm8k") {
  const ids = tokenizer.encode(response, { continues: true });
  const found = answerError(tokenizer, { kind, answer }, ids);
  if (found === undefined) return undefined;
  expect(ids[found.at]).toBe(found.target);
  return [
    tokenizer.decode(ids.slice(0, found.at), { continues: true }),
    ...[found.target, found.contrast].map(tokenizer.token),
  ];
}

test.each([
  ["2 and 3, so\n#### 51\nIt is 7.", "42", ["2 and 3, so\n#### ", "5", "4"]],
  ["#### 51", "52", ["#### 5", "1", "2"]],
  ["#### 5\n", "52", ["#### 5", "\n", "2"]],
  ["#### 52\n", "5", ["#### 5", "2", "\n"]],
  ["He pays $1,500 now", "1300", ["He pays $1,", "5", "3"]],
  ["The answer is 17.", "18", ["The answer is 1", "7", "8"]],
  ["First 42, then 41 in all", "42", ["First 42, then 4", "1", "2"]],
  ["It is \\boxed{17}, not 4.", "18", ["It is \\boxed{1", "7", "8"]],
  ["<think>So 18.</think>\nIt is 17.", "18", ["<think>So 18.</think>\nIt is 1", "7", "8"]],
])("GSM8K: %j for %s", (response, answer, parts) => {
  expect(errorIn(response, answer)).toEqual(parts);
});

test("MATH: what is boxed", () => {
  expect(errorIn("Of \\boxed{3} and \\boxed{12}, 7.", "15", "math")).toEqual(["Of \\boxed{3} and \\boxed{1", "2", "5"]);
  expect(errorIn("It is 12.", "15", "math")).toBe(undefined);
});

test("an answer that ends too early parts from the right one at its end", () => {
  expect(errorIn(`#### 5${END}`, "52")).toEqual(["#### 5", END, "2"]);
  // Without an end nobody says which token was wrong.
  expect(errorIn("#### 5", "52")).toBe(undefined);
});

test("a right answer, and one that holds no number, have no error", () => {
  expect(errorIn("#### 42", "42")).toBe(undefined);
  expect(errorIn("I do not know.", "42")).toBe(undefined);
});
