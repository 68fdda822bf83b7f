/** Thinking within a budget: what is asked of the engine where an answer goes on. */
import { expect, test } from "vitest";
import { answerAfter, checkThinking, growingThought, openThinking, splitCompletion } from "./thinking.ts";

/** A token a character. */
const letters = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));
const tokenizer = {
  thinking: () => ({ switchable: true, after: "\n" }),
  encode: letters,
  decode: (ids: readonly number[]) => String.fromCharCode(...ids),
};
const thinking = openThinking(tokenizer, { model: "m", architecture: "smollm3", budget: 20, where: "--thinking" });
const ENDING = letters("\n</think>\n");
const after = (before: string, room = 1000, prompt = "Hi\n") =>
  answerAfter(thinking, { promptIds: letters(prompt), before: letters(before), answerTokens: 5, room });

test("a model without a thinking mode is refused in one line", () => {
  expect(() => checkThinking({ thinking: () => null }, "tiny", "--thinking")).toThrow(
    /^--thinking: tiny has no thinking mode: its chat template knows no <think>; leave it out, or take a model that thinks/,
  );
});

test("an answer begins with a whole budget, and what is thought already counts", () => {
  expect(after("")).toMatchObject({ maxTokens: 5, thought: { budget: 20, ending: ENDING } });
  expect(after("<think>So")).toMatchObject({ maxTokens: 5, thought: { budget: 11, ending: ENDING } });
  const { thought } = after("<think>So");
  expect([thought!.endOf(letters(" 4.")), thought!.endOf(letters(" 4.</think>"))]).toEqual([undefined, 11]);
});

test("behind a thought, or without one, the rest of the answer is asked for", () => {
  expect(after("<think>So</think>4")).toEqual({ maxTokens: 4 });
  expect(after("4 or")).toEqual({ maxTokens: 1 });
  expect(after("So</think>", 1000, "Hi<think>\n")).toEqual({ maxTokens: 5 });
});

test("in a short context the answer keeps its tokens, and the thought gets what is left", () => {
  expect(after("", 5 + ENDING.length + 3)).toMatchObject({ maxTokens: 5, thought: { budget: 3 } });
  expect(after("", ENDING.length + 3)).toMatchObject({ maxTokens: 2, thought: { budget: 1 } });
  expect(after("", ENDING.length)).toEqual({ maxTokens: 5 });
});

test("the thought of a growing answer is told as far as it is there", () => {
  const grown = (text: string, before = "") =>
    growingThought(thinking, { promptIds: letters("Hi\n"), before: letters(before) }, letters(text));
  expect(grown("<think>So")).toEqual({ budget: 20, tokens: 9, inserted: 0 });
  expect(grown("<think>So</think>4")).toEqual({ budget: 20, tokens: 17, inserted: 0 });
  expect(grown("So</think>4", "<think>")).toEqual({ budget: 20, tokens: 10, inserted: 0 });
  expect(grown("4")).toEqual({ budget: 20, tokens: 0, inserted: 0 });
});

test("thought and answer of a completion are cut by tokens", () => {
  expect(splitCompletion(tokenizer, letters("<think>a</think> b </think> c"), { tokens: 16 })).toEqual({
    thought: "a",
    answer: "b </think> c",
  });
});
