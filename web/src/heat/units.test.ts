import { expect, test } from "vitest";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { heatOfUnits, unitAt, unitsOf } from "./units.ts";

/** Tokens of texts; those in angle brackets are special. */
const tokensOf = (texts: readonly string[], instruction: readonly number[] = []): readonly Token[] =>
  texts.map((text, position): Token => {
    const special = /^<.*>$/.test(text);
    const segment = special ? "SPECIAL" : instruction.includes(position) ? "INSTRUCTION" : "QUERY";
    return { position, id: position, text, special, segment };
  });
const textsOf = (texts: readonly string[], unit: "words" | "sentences", promptTokens = texts.length) =>
  unitsOf(tokensOf(texts), promptTokens, unit).units.map(({ text }) => text);

test.each(
  [
    ["pieces of a word belong together, the space before it too", [" pain", "ter", " and", " poet", "s"], [
      " painter",
      " and",
      " poets",
    ]],
    ["a sign is a unit of its own", [" painter", ",", " no"], [" painter", ",", " no"]],
    ["an apostrophe is part of its word", ["I", " don", "'t", "."], ["I", " don't", "."]],
    ["digits make a number", [" 1", "3", ".", "5", " km"], [" 13.5", " km"]],
    ["a token of two words ends with its last one", ["a b", "c", " d"], ["a bc", " d"]],
    ["line ends stand alone, spaces belong to what follows", ["a", "\n\n", "    ", "b", " ", "1", "8"], [
      "a",
      "\n\n",
      "    b",
      " 18",
    ]],
    ["special tokens stand alone", ["<s>", "<user>", "Hel", "lo", "<end>"], ["<s>", "<user>", "Hello", "<end>"]],
    ["words without spaces, in Chinese", ["今", "天", "天气", "好"], ["今天", "天气", "好"]],
    ["accents that are tokens of their own", ["cafe", "\u0301", " noir"], ["cafe\u0301", " noir"]],
  ] as const,
)("words: %s", (_what, texts, words) => {
  expect(textsOf(texts, "words")).toEqual(words);
});

test("sentences end with their sign and begin with the token of the next one", () => {
  expect(textsOf(["Wri", "te", " it", ".", " Do", " not", " say", " 3", ".", "5", "!", "\n", "Go"], "sentences"))
    .toEqual(["Write it.", " Do not say 3.5!\n", "Go"]);
});

test("the end of the prompt ends a word, whatever follows", () => {
  expect(textsOf(["ab", "cd"], "words", 1)).toEqual(["ab", "cd"]);
  expect(unitsOf(tokensOf(["ab", "cd"]), 1, "words").promptUnits).toBe(1);
  expect(unitsOf(tokensOf(["ab", "cd"]), 2, "words").promptUnits).toBe(1);
});

test("units cover all tokens once; sums are those of their tokens, scales those of sums", () => {
  const tokens = tokensOf(["<s>", " pain", "ter", " is", " it", "."], [2]);
  const heat: Heat = {
    attributionId: "a",
    layer: 0,
    relevance: [-9, 1, 2, -0.5, 0.25, 0.25],
    scale: 2,
    scaleWithSpecial: 9,
  };
  const units = unitsOf(tokens, tokens.length, "words");
  expect(units.spans).toEqual([[0, 1], [1, 3], [3, 4], [4, 5], [5, 6]].map(([from, to]) => ({ from, to })));
  expect(units.units.map(({ segment }) => segment)).toEqual(["SPECIAL", "INSTRUCTION", "QUERY", "QUERY", "QUERY"]);
  const summed = heatOfUnits(heat, units);
  expect(summed.relevance).toEqual([-9, 3, -0.5, 0.25, 0.25]);
  expect([summed.scale, summed.scaleWithSpecial]).toEqual([3, 9]);
  expect([0, 1, 2, 5, 6].map((position) => unitAt(units, position))).toEqual([0, 1, 1, 4, -1]);
  const whole = heatOfUnits(heat, unitsOf(tokens, tokens.length, "sentences"));
  expect(whole.relevance).toEqual([-9, 3]);
});

test("tokens as units are the tokens, and their heat is the heat", () => {
  const tokens = tokensOf(["a", " b"]);
  const units = unitsOf(tokens, 1, "tokens");
  expect(units.units).toBe(tokens);
  expect(units.promptUnits).toBe(1);
});
