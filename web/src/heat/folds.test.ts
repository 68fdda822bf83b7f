import { expect, test } from "vitest";
import type { Token } from "./documents.ts";
import { foldsOf } from "./folds.ts";
import type { Heat } from "./read_case.ts";

const TOTAL = 1000;
const PROMPT = 900;
const tokens = Array.from({ length: TOTAL }, (_, position): Token => ({
  position,
  id: position,
  text: " x",
  special: position === 0,
  segment: position === 0 ? "SPECIAL" : "QUERY",
}));
const usual = { values: "raw", special: false } as const;
/** Two strong tokens, and a little everywhere. */
const heat: Heat = {
  attributionId: "a",
  layer: 0,
  relevance: tokens.map((_, position) => position === 0 ? -50 : position === 300 ? 8 : position === 600 ? -4 : 0),
  scale: 8,
  scaleWithSpecial: 50,
};
const ranges = (...args: Parameters<typeof foldsOf>) => foldsOf(...args).map(({ from, to }) => [from, to]);

test("what is left are the error and islands around the strongest tokens; folds end with the prompt", () => {
  expect(ranges(tokens, PROMPT, heat, usual, [])).toEqual([[0, 288], [309, 588], [609, 900], [900, 936]]);
});

test("a fold says the sum of what it holds, special tokens only where they are coloured", () => {
  const little = { ...heat, relevance: heat.relevance.map((raw) => raw === 0 ? 0.25 : raw) };
  const strong = { ...little, relevance: little.relevance.map((raw, at) => at % 100 === 50 ? 8 : raw) };
  const [first] = foldsOf(tokens, PROMPT, strong, usual, []);
  expect(first).toEqual({ from: 0, to: 38, sum: 37 * 0.25 });
  // With special tokens the first one is the strongest of all.
  expect(foldsOf(tokens, PROMPT, strong, { ...usual, special: true }, [])[0]?.from).toBe(9);
  for (const { from, to, sum } of foldsOf(tokens, PROMPT, strong, usual, [])) {
    const own = strong.relevance.slice(from, to).filter((_, at) => tokens[from + at]?.special === false);
    expect(sum).toBeCloseTo(own.reduce((total, raw) => total + raw, 0), 9);
  }
});

test("a fold that holds an open position is open, the others stay", () => {
  expect(ranges(tokens, PROMPT, heat, usual, [400, 899])).toEqual([[0, 288], [900, 936]]);
  // Where the colours are others, the position lies in another fold, which is open then.
  const other = { ...heat, relevance: heat.relevance.map((raw, at) => at === 500 ? 8 : at === 0 ? raw : 0) };
  expect(ranges(tokens, PROMPT, other, usual, [400])).toEqual([[509, 900], [900, 936]]);
});

test("before relevance is there, the error is shown; a few tokens are no fold", () => {
  expect(foldsOf(tokens, PROMPT, undefined, usual, [])).toEqual([
    { from: 0, to: 900, sum: undefined },
    { from: 900, to: 936, sum: undefined },
  ]);
  expect(ranges(tokens, 930, undefined, usual, [])).toEqual([[0, 930]]);
});
