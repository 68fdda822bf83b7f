import { expect, test } from "vitest";
import { colourRange, colourValue, shownNumber } from "./heat_value.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { strongestOfStretches } from "./stretches.ts";

const heat: Heat = {
  attributionId: "a",
  layer: 0,
  relevance: [-8, 1, -2, 0.5, 0, 1.5],
  scale: 2,
  scaleWithSpecial: 8,
};
const tokens = heat.relevance.map((_, position): Token => ({
  position,
  id: position,
  text: "",
  special: position === 0,
  segment: position === 0 ? "SPECIAL" : "QUERY",
}));
const usual = { values: "raw", special: false } as const;
const withSpecial = { values: "raw", special: true } as const;

test("special tokens have no colour until they are asked for; then they take part in the scale", () => {
  expect(tokens.map((token) => colourValue(token, heat, usual))).toEqual([null, 0.5, -1, 0.25, 0, 0.75]);
  expect(tokens.map((token) => colourValue(token, heat, withSpecial))).toEqual([-1, 0.125, -0.25, 0.0625, 0, 0.1875]);
  expect([colourRange(heat, usual), colourRange(heat, withSpecial)]).toEqual([2, 8]);
});

test("normalised numbers are divided by the scale of non-special tokens, whatever is coloured", () => {
  expect(shownNumber(-2, heat, usual)).toBe("−2.000");
  expect(shownNumber(-2, heat, { ...usual, values: "normalised" })).toBe("−1.000");
  expect(shownNumber(-8, heat, { ...withSpecial, values: "normalised" })).toBe("−4.000");
});

test("the overview shows the strongest token of each stretch, and nothing for stretches without tokens", () => {
  expect(strongestOfStretches(tokens, heat, usual, 2)).toEqual([
    { position: 2, value: -1 },
    { position: 5, value: 0.75 },
  ]);
  expect(strongestOfStretches(tokens, heat, usual, 12).map(({ value }) => value)).toEqual(
    [0, 0, 0, 0.5, 0, -1, 0, 0.25, 0, 0, 0, 0.75],
  );
});
