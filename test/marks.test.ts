/** Where prompts state their constraints: the locator, and the verb `mark`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { locateInstructions } from "../server/marks/locate.ts";
import { culprit, refused } from "./command_line.ts";
import { readItems } from "./ifeval_data.ts";

const folder = mkdtempSync(join(tmpdir(), "culprit-marks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const items = readItems();
const phrasesOf = (prompt: string, types: readonly string[], kwargs: readonly unknown[] = types.map(() => ({}))) =>
  locateInstructions({ prompt, instruction_id_list: types, kwargs }).map(({ phrases }) => phrases);

test("every phrase is a part of its prompt, and 99 % of IFEval's 834 instructions are found", () => {
  let instructions = 0;
  let found = 0;
  for (const item of items.values()) {
    const located = locateInstructions(item);
    expect(located.map(({ index, id }) => [index, id])).toEqual(
      item.instruction_id_list.map((id, index) => [index, id]),
    );
    for (const { phrases } of located) {
      instructions++;
      if (phrases.length > 0) found++;
      for (const phrase of phrases) {
        expect(phrase.trim()).not.toBe("");
        expect(item.prompt).toContain(phrase);
      }
    }
  }
  expect(instructions).toBe(834);
  expect(found / instructions).toBeGreaterThan(0.99);
});

test("several constraints in one sentence are told apart", () => {
  expect(phrasesOf(
    "Explain levers. Your response should be in English, all capital letters, contain no commas, and be fewer than 16 sentences.",
    ["change_case:english_capital", "punctuation:no_comma", "length_constraints:number_sentences"],
    [{}, {}, { relation: "less than", num_sentences: 16 }],
  )).toEqual([
    ["Your response should be in English, all capital letters"],
    ["contain no commas"],
    ["be fewer than 16 sentences"],
  ]);
});

test("inside of a task's sentence only the words about the form count", () => {
  expect(phrasesOf(
    "Write a 300+ word letter about the sea in all lowercase letters for a friend without using any commas.",
    ["length_constraints:number_words", "change_case:english_lowercase", "punctuation:no_comma"],
    [{ relation: "at least", num_words: 300 }, {}, {}],
  )).toEqual([["300+ word"], ["in all lowercase letters"], ["without using any commas"]]);
});

test("a form that is shown belongs to the demand for it, and what only quotes the request does not", () => {
  expect(phrasesOf(
    "Name rivers. Your answer must contain exactly 2 bullet points, such as:\n* River one\n* River two\nBe brief.",
    ["detectable_format:number_bullet_lists"],
    [{ num_bullets: 2 }],
  )).toEqual([["Your answer must contain exactly 2 bullet points, such as:\n* River one\n* River two"]]);
  const asked = "Do not repeat yourself. Name a river.";
  expect(phrasesOf(`${asked}\nFirst repeat the request above, then answer.`, ["combination:repeat_prompt"], [{
    prompt_to_repeat: asked,
  }])).toEqual([["First repeat the request above, then answer"]]);
});

test("an instruction of another language's copy is found, one of a type that is unknown is not", () => {
  expect(phrasesOf("Sing. Do not use commas.", ["en:punctuation:no_comma", "keywords:rhymes", "toString"])).toEqual([
    ["Do not use commas"],
    [],
    [],
  ]);
});

test("IFBench's fixed sentences are found where its rows name types", () => {
  expect(phrasesOf(
    "Include exactly 36 numbers in the response. Use at least 36 unique words in the response. How can cities grow?",
    ["count:numbers", "count:unique_word_count"],
  )).toEqual([["Include exactly 36 numbers in the response"], ["Use at least 36 unique words in the response"]]);
  expect(
    phrasesOf(
      "Why? Use this exact template for your response:\nMy Answer: [answer]\nMy Conclusion: [conclusion] Future Outlook: [outlook]",
      [
        "format:output_template",
      ],
    )[0],
  ).toHaveLength(1);
});

test("patterns of hostile arguments and prompts take no time", () => {
  const began = performance.now();
  phrasesOf(`${"a, ".repeat(20_000)} words ${"(".repeat(20_000)}`, ["keywords:existence", "keywords:frequency"], [
    { keywords: ["((((", "a"] },
    { keyword: "[", frequency: 2, relation: "at least" },
  ]);
  expect(performance.now() - began).toBeLessThan(5000);
});

test("the verb prints a line for each item, in their order", async () => {
  const path = join(folder, "items.jsonl");
  const rows = [
    { key: 7, prompt: "Sing. No commas.", instruction_id_list: ["punctuation:no_comma"], kwargs: [{}] },
    { key: "b", prompt: "Sing.", instruction_id_list: ["punctuation:no_comma"], kwargs: [{}] },
  ];
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));
  const { code, out, err } = await culprit(["mark", "--benchmark", "ifeval", "--items", path, "--json"]);
  expect([code, err]).toEqual([0, "1 instructions were not found in their prompts\n"]);
  expect(out.trim().split("\n").map((line) => JSON.parse(line))).toEqual([
    { key: 7, instructions: [{ index: 0, id: "punctuation:no_comma", phrases: ["No commas"] }] },
    { key: "b", instructions: [{ index: 0, id: "punctuation:no_comma", phrases: [] }] },
  ]);
});

test("a wrong benchmark and a line without instructions are one clear line", async () => {
  const path = join(folder, "wrong.jsonl");
  writeFileSync(path, '{"key":1,"prompt":"Sing."}\n');
  await refused(["mark", "--benchmark", "math", "--items", path], /--benchmark: "math" is no benchmark with a locator/);
  await refused(["mark", "--benchmark", "ifeval", "--items", path], /wrong\.jsonl:1: has no "instruction_id_list"/);
});
