import { expect, test } from "vitest";
import { contrastRatio, cssPaint, paint, THEMES } from "./colour.ts";

const VALUES = Array.from({ length: 201 }, (_, index) => index / 100 - 1);

test.each(THEMES)("every token stays readable on its colour: %s", (theme) => {
  for (const value of VALUES) {
    const { background, ink } = paint(value, theme);
    expect(contrastRatio(background, ink), `${theme} ${value}: ${ink} on ${background}`).toBeGreaterThanOrEqual(4.5);
  }
});

test("red is positive, blue is negative, zero is the paper", () => {
  expect(paint(1, "light").background).toBe("#b2182b");
  expect(paint(-1, "light").background).toBe("#2166ac");
  for (const theme of THEMES) expect(paint(0, theme).background).toBe(paint(-0, theme).background);
  expect(paint(0, "light").background).toBe("#ffffff");
});

test("values beyond the scale are clipped and a missing number has the colour of zero", () => {
  expect(paint(7, "light")).toEqual(paint(1, "light"));
  expect(paint(-7, "dark")).toEqual(paint(-1, "dark"));
  expect(paint(Number.NaN, "light")).toEqual(paint(0, "light"));
});

test.each(THEMES)("a stronger value stands out more from the paper, alike on both arms: %s", (theme) => {
  const paper = paint(0, theme).background;
  for (let step = 1; step <= 20; step++) {
    const [weak, strong] = [(step - 1) / 20, step / 20];
    for (const sign of [1, -1]) {
      expect(contrastRatio(paper, paint(sign * strong, theme).background))
        .toBeGreaterThan(contrastRatio(paper, paint(sign * weak, theme).background) - 0.01);
    }
    const ratio = contrastRatio(paper, paint(strong, theme).background) /
      contrastRatio(paper, paint(-strong, theme).background);
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.43);
  }
});

test("one CSS value serves both themes", () => {
  expect(cssPaint(1)).toEqual({ background: "light-dark(#b2182b, #ff8d78)", ink: "light-dark(#ffffff, #000000)" });
});
