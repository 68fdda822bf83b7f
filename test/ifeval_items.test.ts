/** IFEval items as they come: unknown instructions, wrong arguments, other copies of the benchmark, the reference's bugs. */
import { describe, expect, test } from "vitest";
import { openCheckers } from "../server/checkers/check.ts";
import { checkIfeval } from "../server/checkers/ifeval/check.ts";

function check(types: readonly string[], kwargs: readonly unknown[], response: string) {
  return checkIfeval({ kind: "ifeval", prompt: "", instruction_id_list: types, kwargs: kwargs as never }, response);
}

test("the reason names the first instruction that failed", () => {
  const types = ["punctuation:no_comma", "length_constraints:number_words", "startend:quotation"];
  const verdict = check(types, [{}, { num_words: 3, relation: "at least" }, {}], "two words");
  expect(verdict).toEqual({
    passed: false,
    reason: "length_constraints:number_words: 2 words, not at least 3",
    detail: { strict: { all: false, each: [true, false, false] }, loose: { all: false, each: [true, false, false] } },
  });
});

test("a variant without first line, last line or stars is enough for a loose pass", () => {
  const loose = (response: string) => {
    const { strict, loose } = check(["startend:quotation"], [{}], response).detail;
    return [strict.all, loose.all];
  };
  expect(loose('"a"')).toEqual([true, true]);
  expect(loose('Sure:\n\n"a"')).toEqual([false, true]);
  expect(loose('"a"\nBye')).toEqual([false, true]);
  expect(loose('Sure:\n*"a"*\nBye')).toEqual([false, true]);
  expect(loose('Sure: "a"')).toEqual([false, false]);
  // Only \n divides lines.
  expect(loose('Sure:\r"a"')).toEqual([false, false]);
});

test("a blank response follows nothing", () => {
  const verdict = check(["punctuation:no_comma"], [{}], " \n\u2003\x1c");
  expect([verdict.passed, verdict.reason]).toEqual([false, "punctuation:no_comma: the response is blank"]);
});

test("through the door of all checkers the verdict is the same", async () => {
  const checkers = openCheckers();
  const item = { kind: "ifeval", prompt: "", instruction_id_list: ["punctuation:no_comma"], kwargs: [{}] } as const;
  expect(await checkers.check(item, "a, b")).toEqual(checkIfeval(item, "a, b"));
  const decided = await checkers.decided(item);
  expect(["a", "a,"].map((begun) => decided?.(begun))).toEqual([false, true]);
  expect(await checkers.decided({ kind: "gsm8k", answer: "3" })).toBeUndefined();
  await checkers.close();
});

describe("an item without a verdict has one clear reason", () => {
  test.each([
    [["keywords:rhymes"], [{}], '"keywords:rhymes" is no instruction that is known'],
    [["toString"], [{}], '"toString" is no instruction that is known'],
    [["punctuation:no_comma"], [], "the item has 1 instructions and 0 kwargs"],
    [[], [], "the item has 0 instructions and 0 kwargs"],
    [["punctuation:no_comma"], [null], "punctuation:no_comma: its kwargs are null, not an object"],
    [["length_constraints:number_words"], [{ num_words: 3 }], 'length_constraints:number_words: "relation" is missing'],
    [
      ["length_constraints:number_words"],
      [{ num_words: 3, relation: "more than" }],
      'length_constraints:number_words: "relation" is "more than", not "less than" or "at least"',
    ],
    [
      ["detectable_content:number_placeholders"],
      [{ num_placeholders: -1 }],
      'detectable_content:number_placeholders: "num_placeholders" is -1, not a whole number of 0 or more',
    ],
    [
      ["detectable_content:number_placeholders"],
      [{ num_placeholders: "3" }],
      'detectable_content:number_placeholders: "num_placeholders" is "3", not a whole number of 0 or more',
    ],
    [["keywords:existence"], [{ keywords: [] }], 'keywords:existence: "keywords" is [], not a list of texts'],
    [["keywords:existence"], [{ keywords: ["a("] }], 'keywords:existence: "a(" is not a regular expression'],
    [["keywords:existence"], [{ keywords: ["\\y"] }], 'keywords:existence: "\\\\y" has the unknown escape \\y'],
    [["keywords:existence"], [{ keywords: ["a\\"] }], 'keywords:existence: "a\\\\" ends with a backslash'],
    [["keywords:existence"], [{ keywords: ["[a"] }], 'keywords:existence: "[a" has a [ without its ]'],
    [["startend:end_checker"], [{ end_phrase: null }], 'startend:end_checker: "end_phrase" is missing'],
    [
      ["language:response_language"],
      [{ language: "tlh" }],
      'language:response_language: "language" is "tlh", which is none that can be detected',
    ],
    [
      ["length_constraints:nth_paragraph_first_word"],
      [{ num_paragraphs: 2, nth_paragraph: 3, first_word: "a" }],
      'length_constraints:nth_paragraph_first_word: "nth_paragraph" is 3, not 1 to 2',
    ],
  ])("%j %j", (types, kwargs, reason) => {
    const verdict = check(types, kwargs, "a response");
    expect([verdict.passed, verdict.reason]).toEqual([null, reason]);
    const nothing = { all: null, each: types.map(() => null) };
    expect(verdict.detail).toEqual({ strict: nothing, loose: nothing });
  });

  test("instructions beside it are checked all the same", () => {
    const { passed, detail } = check(["keywords:rhymes", "punctuation:no_comma"], [{}, {}], "a, b\nc");
    expect([passed, detail.strict, detail.loose]).toEqual([
      null,
      { all: null, each: [null, false] },
      { all: null, each: [null, true] },
    ]);
  });
});

test("kwargs with every name, null where unused, are those that are set", () => {
  const all = { keyword: null, frequency: null, relation: "at least", num_words: 2, letter: null, keywords: null };
  expect(check(["length_constraints:number_words"], [all], "two words").passed).toBe(true);
});

test("names of the multilingual copy are the same instructions", () => {
  expect(check(["en:punctuation:no_comma"], [{}], "a, b").reason).toBe("punctuation:no_comma: there is a comma");
});

describe("bugs of the reference that verdicts keep", () => {
  const passed = (type: string, kwargs: object, response: string) => check([type], [kwargs], response).passed;

  test("a letter outside of a to z is counted, and a note says that the reference draws another", () => {
    const kwargs = { letter: "#", let_frequency: 2, let_relation: "at least" };
    const verdict = check(["keywords:letter_frequency"], [kwargs], "# one # two");
    expect(verdict.passed).toBe(true);
    expect(verdict.detail.notes).toEqual([
      'keywords:letter_frequency: "#" is counted; the reference draws a random letter in its place',
    ]);
    const plain = check(["keywords:letter_frequency"], [{ ...kwargs, letter: "O" }], "# one # two");
    expect([plain.passed, plain.detail.notes]).toEqual([true, undefined]);
  });

  test("keywords are patterns and found inside of words", () => {
    expect(passed("keywords:existence", { keywords: ["c.t"] }, "concutenate")).toBe(true);
    expect(passed("keywords:frequency", { keyword: "cat", frequency: 2, relation: "at least" }, "Concatenate cats"))
      .toBe(true);
    expect(passed("keywords:forbidden_words", { forbidden_words: ["cat"] }, "concatenate")).toBe(true);
  });

  test("a rule of dashes is a bullet, a bold line is none", () => {
    expect(passed("detectable_format:number_bullet_lists", { num_bullets: 1 }, "---\n**a**")).toBe(true);
  });

  test("one bold text is one highlight, though both patterns match it", () => {
    expect(passed("detectable_format:number_highlighted_sections", { num_highlights: 2 }, "**a**")).toBe(false);
  });

  test("groups of a section splitter are counted as sections", () => {
    const kwargs = { section_spliter: "(Section)", num_sections: 2 };
    expect(passed("detectable_format:multiple_sections", kwargs, "Section 1 a")).toBe(true);
  });

  test("the postscript may stand anywhere in a line", () => {
    expect(passed("detectable_content:postscript", { postscript_marker: "P.S." }, "and p. s. then")).toBe(true);
  });

  test("blank pieces are not counted as paragraphs, but shift the one that is looked at", () => {
    const kwargs = { num_paragraphs: 2, nth_paragraph: 2, first_word: "two" };
    expect(passed("length_constraints:nth_paragraph_first_word", kwargs, "One\n\n\n\nTwo")).toBe(false);
  });

  test("curly quotes are no quotation, and a text without words has every language", () => {
    expect(passed("startend:quotation", {}, "\u201ca\u201d")).toBe(false);
    expect(passed("language:response_language", { language: "hi" }, "12 + 3")).toBe(true);
  });
});
