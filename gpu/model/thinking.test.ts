/** Thinking mode: which templates have one, and where thoughts end. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { chatThinking } from "./chat.ts";
import { endOfThought, readThought, splitThought } from "./thinking.ts";

const TOKENIZERS = join(import.meta.dirname!, "..", "..", "test", "data", "tokenizers");
const read = (path: string) => readFileSync(join(TOKENIZERS, path), "utf8");
const modeOf = (text: string) =>
  chatThinking({ templates: new Map([["default", { text, where: "template" }]]), tokens: {}, where: "config" });

const QWEN3 = read("templates/trl_qwen3.jinja");
/** Opens the thought whatever is asked, as templates of models that always think do. */
const ALWAYS =
  "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}{{ '[assistant]\n<think>' }}{% endif %}";
/** Leaves the thought to the model, or closes an empty one, with one line break behind it. */
const HYBRID =
  "{{ messages[0].content }}{{ 'assistant\n' if enable_thinking else 'assistant\n<think>\n\n</think>\n' }}";
/** Leaves the thought to the model, and cuts it out of earlier turns. */
const BARE = "{{ messages[0].content.split('</think>')[-1] }}{{ '[assistant]' }}";

test.each([
  ["Qwen3", QWEN3, { switchable: true, after: "\n\n" }],
  ["Qwen3-4B-Thinking-2507", JSON.parse(read("qwen3/tokenizer_config.json")).chat_template, {
    switchable: false,
    after: "\n\n",
  }],
  ["one that always opens", ALWAYS, { switchable: false, after: "\n\n" }],
  ["one that closes an empty thought", HYBRID, { switchable: true, after: "\n" }],
  ["one that leaves it to the model", BARE, { switchable: false, after: "\n\n" }],
  ["Qwen2.5, which has none", read("templates/trl_qwen2_5.jinja"), null],
])("the thinking mode of the template of %s", (_, template, mode) => {
  expect(modeOf(template)).toEqual(mode);
});

test("a model without a template has no thinking mode", () => {
  expect(chatThinking({ templates: new Map(), tokens: {}, where: "config" })).toBeNull();
});

test("a thought that is cut off ends as its template writes it, with the makers' own words where they have some", () => {
  const [qwen3, hybrid] = [modeOf(QWEN3)!, modeOf(HYBRID)!];
  expect(endOfThought(hybrid, "smollm3")).toBe("\n</think>\n");
  expect(endOfThought(qwen3, "qwen3")).toMatch(
    /^\n\nConsidering the limited time by the user, .* now\.\n<\/think>\n\n$/,
  );
  expect(endOfThought(qwen3, "qwen2")).toBe("\n</think>\n\n");
});

/** A token a character, so that marks are spread over as many as can be. */
const letters = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));
const decode = (ids: readonly number[]) => String.fromCharCode(...ids);

test.each([
  ["written by the model", false, "<think>\nSo 4.</think>\n4", 21],
  ["opened by the prompt", true, "So 4.</think>\n4", 13],
  ["with white space before it", false, "\n<think>a</think>", 17],
  ["that does not end", true, "a long thought with </thin", undefined],
  ["that is not there", false, "4 <think>a</think>", 0],
  ["of which only a part is there", false, "<thi", undefined],
])("the end of a thought %s", (_, isOpen, text, end) => {
  const reader = readThought(decode, isOpen);
  const ids = letters(text);
  expect(reader.endIn(ids)).toBe(end);
  let asked: number | undefined;
  for (let tokens = 1; tokens <= ids.length && asked === undefined; tokens++) {
    asked = reader.endOf(ids.slice(0, tokens));
  }
  expect(asked).toBe(end);
});

test.each([
  ["<think>\nSo 4.\n</think>", "\n\n4", { thought: "So 4.", answer: "4" }],
  ["So 4.\n</think>\n\n", "4", { thought: "So 4.", answer: "4" }],
  ["So it goes on", "", { thought: "So it goes on", answer: "" }],
  ["", "4", { thought: "", answer: "4" }],
])("thought %j and answer %j are told apart without their marks", (thought, answer, texts) => {
  expect(splitThought(thought, answer)).toEqual(texts);
});
