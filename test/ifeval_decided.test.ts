/** Beginnings that decide: no text that begins so is ever passed, and each type is decided as soon as it can be known. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkIfeval, decidedIfeval, type IfevalItem } from "../server/checkers/ifeval/check.ts";
import { DECIDED } from "../server/checkers/ifeval/decided_instructions.ts";
import { MODELS, readItems, readPublished } from "./ifeval_data.ts";

function itemOf(type: string, kwargs: Readonly<Record<string, unknown>>): IfevalItem {
  return { kind: "ifeval", prompt: "", instruction_id_list: [type], kwargs: [kwargs] };
}

/** Types with arguments, and a text whose last character decides: nothing before it does. */
const SHORTEST: readonly (readonly [string, Readonly<Record<string, unknown>>, string])[] = [
  ["punctuation:no_comma", {}, "No one,"],
  ["keywords:forbidden_words", { forbidden_words: ["cat", "b.d"] }, "bad cats, a Cat "],
  ["keywords:frequency", { keyword: " so ", frequency: 2, relation: "less than" }, "Also so"],
  ["keywords:letter_frequency", { letter: "E", let_frequency: 2, let_relation: "less than" }, "Er E"],
  ["change_case:english_capital", {}, "THIs"],
  ["change_case:english_lowercase", {}, "1. iT"],
  ["length_constraints:number_words", { num_words: 3, relation: "less than" }, "two words, t"],
  ["length_constraints:number_paragraphs", { num_paragraphs: 2 }, "a *** b\n***\n***c"],
  ["length_constraints:number_paragraphs", { num_paragraphs: 1 }, "a****b"],
  ["length_constraints:nth_paragraph_first_word", {
    num_paragraphs: 2,
    nth_paragraph: 2,
    first_word: "Then",
  }, "One\n\n'then,\n\nx"],
  ["length_constraints:nth_paragraph_first_word", {
    num_paragraphs: 2,
    nth_paragraph: 2,
    first_word: "Then",
  }, '"Then.\n\n"The '],
  ["length_constraints:nth_paragraph_first_word", { num_paragraphs: 1, nth_paragraph: 1, first_word: "a" }, "\n b"],
  ["length_constraints:nth_paragraph_first_word", { num_paragraphs: 1, nth_paragraph: 1, first_word: "a" }, "\n\n"],
  ["detectable_format:number_bullet_lists", { num_bullets: 1 }, "* a\n** no\n -"],
  ["detectable_format:json_format", {}, "\nH"],
  ["combination:two_responses", {}, "a ****** b ******c"],
  ["combination:two_responses", {}, "a ****** \n******c"],
  ["combination:repeat_prompt", { prompt_to_repeat: "Say it" }, " say i s"],
  ["startend:quotation", {}, " W"],
];

test("every type that decides does so at the first character that can, and not before", () => {
  expect(new Set(SHORTEST.map(([type]) => type))).toEqual(new Set(Object.keys(DECIDED)));
  for (const [type, kwargs, text] of SHORTEST) {
    const decided = decidedIfeval(itemOf(type, kwargs))!;
    const first = [...text].keys().map((at) => at + 1).find((end) => decided(text.slice(0, end)));
    expect([type, text.slice(0, first)]).toEqual([type, text]);
  }
});

test("no text that begins so passes", () => {
  // Letters of all cases, what the types look for, and what may change the meaning of what stands before it.
  const piece = fc.constantFrom(
    ..."aAbBσΣİßǅ1,.\"'*-_`{[ \n\t\u2003\u0301é",
    ..."cat|Then|so|***|******|a******b|******a ******|\n\n|\n- |\n* |```json|say it|“|{}|\u{1f600}".split("|"),
  );
  const pieces = (maxLength: number) => fc.array(piece, { maxLength }).map((list) => list.join(""));
  const kwargs = fc.record({
    forbidden_words: fc.subarray(["cat", "so", "then", "a", "b.", "é", "'"], { minLength: 1 }),
    keyword: fc.constantFrom("cat", "so", "aa", "*", "σ", " a ", "ß"),
    frequency: fc.nat(3),
    relation: fc.constantFrom("less than", "less than", "at least"),
    letter: fc.constantFrom(..."aAσΣİ*é"),
    let_frequency: fc.nat(3),
    let_relation: fc.constantFrom("less than", "less than", "at least"),
    num_words: fc.nat(4),
    num_paragraphs: fc.integer({ min: 1, max: 3 }),
    nth_paragraph: fc.integer({ min: 1, max: 2 }),
    first_word: fc.constantFrom("Then", "a", "catσ", "İ", "so"),
    num_bullets: fc.nat(2),
    prompt_to_repeat: fc.constantFrom("Say it", "a", "aΣ b", "İ\n\ncat"),
  });
  const sure = new Map<string, number>();
  for (const type of Object.keys(DECIDED)) {
    fc.assert(
      fc.property(kwargs, pieces(9), fc.array(pieces(7), { minLength: 6, maxLength: 6 }), (own, begun, ends) => {
        const item = itemOf(type, own);
        if (!decidedIfeval(item)?.(begun)) return;
        sure.set(type, (sure.get(type) ?? 0) + 1);
        for (const end of ["", ...ends]) expect(checkIfeval(item, begun + end).passed, begun + end).toBe(false);
      }),
      { numRuns: 100, seed: 7 },
    );
  }
  // Of each type there were beginnings that decide.
  expect(Object.keys(DECIDED).filter((type) => (sure.get(type) ?? 0) < 5)).toEqual([]);
});

test("of published responses none is decided that passed, and two fifths of those that failed are", () => {
  const items = readItems();
  let [failed, decided] = [0, 0];
  for (const { key, response, strict } of MODELS.flatMap(readPublished)) {
    const tells = decidedIfeval({ kind: "ifeval", ...items.get(key)! });
    const begun = tells?.(response) ?? false;
    if (strict.includes(false)) [failed, decided] = [failed + 1, decided + Number(begun)];
    else expect(begun, `${key}`).toBe(false);
  }
  expect(decided / failed).toBeGreaterThan(0.4);
});

test("what cannot be judged is never decided, nor what only whole responses tell", () => {
  const item = (types: readonly string[], kwargs: readonly Readonly<Record<string, unknown>>[]): IfevalItem => ({
    kind: "ifeval",
    prompt: "",
    instruction_id_list: types,
    kwargs,
  });
  expect(decidedIfeval(item(["punctuation:no_comma", "keywords:rhymes"], [{}, {}]))).toBeUndefined();
  expect(decidedIfeval(item(["punctuation:no_comma"], []))).toBeUndefined();
  expect(decidedIfeval(item(["detectable_format:title"], [{}]))).toBeUndefined();
  expect(decidedIfeval(item(["length_constraints:number_words"], [{ num_words: 3, relation: "at least" }])))
    .toBeUndefined();
  // One of two is enough, and a thought that has ended is not judged.
  const two = decidedIfeval(item(["detectable_format:title", "en:punctuation:no_comma"], [{}, {}]))!;
  expect(["a", "a,", "a,</think>b", "a,</think>b,"].map(two)).toEqual([false, true, false, true]);
});
