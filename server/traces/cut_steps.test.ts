/** How completions are cut into steps, and prompts into sentences, with the demo model's tokenizer. */
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { loadTokenizer, type Tokenizer } from "../../gpu/mod.ts";
import { ROOT } from "../base/settings.ts";
import { cutCompletion } from "./cut_steps.ts";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(join(ROOT, "models", "demo-1m"));
});

type Message = { readonly role: string; readonly content: string };
function cut(messages: readonly Message[] | string, completion: string, boundaries: readonly number[] | null = null) {
  const prompt = typeof messages === "string"
    ? tokenizer.prompt(messages)
    : tokenizer.encode(tokenizer.chat([...messages] as Parameters<Tokenizer["chat"]>[0]));
  const inputIds = [...prompt, ...tokenizer.encode(completion, { continues: true })];
  return { ...cutCompletion(tokenizer, inputIds, prompt.length, boundaries), inputIds, prompt };
}
const user = (content: string): Message => ({ role: "user", content });
const steps = (completion: string) => cut([user("Go.")], completion).steps.map(({ kind, text }) => [kind, text]);

test("sentences, lines of a derivation, code, marks that belong to what stands before them", () => {
  expect(
    steps(
      "First we add. It is i.e. easy!\n\n48 + 24 = 72\n\n```python\nx = 1. + 2\nprint(x)\n```\n---\nThe answer is 3.5.",
    ),
  )
    .toEqual([
      ["sentence", "First we add."],
      ["sentence", "It is i.e. easy!"],
      ["line", "48 + 24 = 72"],
      ["line", "```python\nx = 1. + 2"],
      ["line", "print(x)\n```\n---"],
      ["sentence", "The answer is 3.5."],
    ]);
});

test("thoughts, opened in the completion or before it", () => {
  expect(steps("<think>\nOkay. So 72</think>\n\nIt is 72.")).toEqual([
    ["thought", "<think>\nOkay."],
    ["thought", "So 72</think>"],
    ["sentence", "It is 72."],
  ]);
  expect(steps("Okay.\nSo 72\n</think>\nIt is 72.")).toEqual([
    ["thought", "Okay."],
    ["thought", "So 72\n</think>"],
    ["sentence", "It is 72."],
  ]);
});

test("calls and outputs of tools, in tags and as agents write them", () => {
  expect(
    steps(
      'Thought: find Ana. Then mail.\nAction:\n{"action": "a", "x": {}}<end_action>\n<tool_response>a. b.</tool_response>\n<tool_call>\n{}\n</tool_call>',
    ),
  ).toEqual([
    ["thought", "Thought: find Ana."],
    ["thought", "Then mail."],
    ["tool_call", 'Action:\n{"action": "a", "x": {}}<end_action>'],
    ["tool_output", "<tool_response>a. b.</tool_response>"],
    ["tool_call", "<tool_call>\n{}\n</tool_call>"],
  ]);
});

test("steps follow each other and hold all tokens; sentences of a chat leave out what its template writes", () => {
  const { steps, sentences, inputIds, prompt, promptTokens, special } = cut(
    [{ role: "system", content: "You add. Always." }, user("What is 2 + 2?\n- be brief")],
    "It is 4. So 4",
  );
  expect(promptTokens).toBe(prompt.length);
  expect(steps.map(({ start }) => start)).toEqual([prompt.length, ...steps.slice(0, -1).map(({ end }) => end)]);
  expect(steps.at(-1)!.end).toBe(inputIds.length);
  expect(sentences.map(({ text }) => text)).toEqual(["You add.", "Always.", "What is 2 + 2?", "- be brief"]);
  for (const { start, end, text } of sentences) {
    expect(special.slice(start, end)).not.toContain(true);
    expect(tokenizer.decode(inputIds.slice(start, end)).trim()).toBe(text);
  }
  expect(cut("Plain text. Two of it.", "Yes.").sentences.map(({ text }) => text)).toEqual([
    "Plain text.",
    "Two of it.",
  ]);
  expect(cut("Plain.", "").steps).toEqual([]);
});

test("an agent's earlier turns are steps, and what tools gave back is none of the model", () => {
  const agent = [
    { role: "system", content: "You are it." },
    user("[TASK]: Email Ana."),
    { role: "assistant", content: 'Thought: find her.\nAction:\n{"action": "find"}<end_action>' },
    user("[OUTPUT OF STEP 1] Observation:\n***\nAna, ana@x\n***\n"),
  ];
  const { steps, sentences, promptTokens, prompt } = cut(agent, "Thought: mail her.");
  expect(sentences.map(({ text }) => text)).toEqual(["You are it.", "[TASK]: Email Ana."]);
  expect(steps.map(({ kind }) => kind)).toEqual(["thought", "tool_call", "tool_output", "thought"]);
  expect(steps[0]!.start).toBe(promptTokens);
  expect(steps[2]).toMatchObject({ end: prompt.length, text: "[OUTPUT OF STEP 1] Observation:\n***\nAna, ana@x\n***" });
  // Cut by hand a stretch of a tool's output stays one.
  const { start, end } = steps[2]!;
  const chosen = cut(agent, "Thought: mail her.", [promptTokens, start + 1, end]);
  expect(chosen.steps.map(({ kind }) => kind)).toEqual(["chosen", "tool_output", "chosen"]);
  // Answers of a chat that calls no tools are part of its prompt.
  const chat = [user("Hi."), { role: "assistant", content: "Hello. You." }, user("Bye.")];
  expect(cut(chat, "Bye.").sentences.map(({ text }) => text)).toEqual(["Hi.", "Hello.", "You.", "Bye."]);
});

test("boundaries outside of the tokens, or that do not ascend, are refused", () => {
  for (const boundaries of [[0], [5, 5], [6, 5], [1000], [2.5]]) {
    expect(() => cut([user("Go on and on.")], "It is.", boundaries)).toThrow(
      /^boundaries: [\d.]+ is no place for a step/,
    );
  }
});

test("of very many steps and sentences neighbours are taken together", () => {
  const many = Array.from({ length: 1500 }, (_, index) => `Go ${index}.`).join("\n");
  const { steps, sentences } = cut([user(many)], many);
  expect(steps.length).toBeLessThanOrEqual(400);
  expect(sentences.length).toBeLessThanOrEqual(256);
  expect(steps.at(-1)!.text).toContain("Go 1499.");
});
