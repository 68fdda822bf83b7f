import { expect, test } from "vitest";
import { scaleOf, strongest } from "../../../figures/strongest.ts";
import { absorbedOf, normalise, plain, signed } from "./relevance.ts";

test("the scale is the largest |R| over the tokens that count", () => {
  expect(scaleOf([9, -2, 1])).toBe(9);
  expect(scaleOf([9, -2, 1], (position) => position !== 0)).toBe(2);
});

test("noise is not blown up and nothing divides by zero", () => {
  expect(scaleOf([])).toBe(1);
  expect(scaleOf([0, 5e-10, -9e-10])).toBe(1);
  expect(scaleOf([1e-9])).toBe(1e-9);
  expect(normalise(0, scaleOf([0]))).toBe(0);
});

test("normalised values keep their sign and special tokens may pass one", () => {
  const relevance = [9, -2, 1];
  const scale = scaleOf(relevance, (position) => position !== 0);
  expect(relevance.map((raw) => normalise(raw, scale))).toEqual([4.5, -1, 0.5]);
});

test("the strongest tokens are sorted by strength, then by position, and zero is neither", () => {
  const { positive, negative } = strongest([3, 0, -1, 3, 4, -2], 2);
  expect(positive).toEqual([{ position: 4, raw: 4 }, { position: 0, raw: 3 }]);
  expect(negative).toEqual([{ position: 5, raw: -2 }, { position: 2, raw: -1 }]);
  expect(strongest([3, 1], 5, (position) => position > 0).positive).toEqual([{ position: 1, raw: 1 }]);
});

test("what biases absorb is what CP-LRP leaves of delta, and rounding is nothing", () => {
  expect(absorbedOf([2, -0.5, 1], 3)).toBeCloseTo(0.5, 12);
  expect(absorbedOf([2, -0.5, 1], 2.25)).toBeCloseTo(-0.25, 12);
  expect(absorbedOf([2, -0.5, 1], 2.501)).toBeNull();
});

test("numbers are printed with true signs and tiny ones are not rounded to nothing", () => {
  expect(signed(1.23456)).toBe("+1.235");
  expect(signed(-1.2)).toBe("−1.200");
  expect(signed(0)).toBe("0");
  expect(signed(-0.00004)).toBe("−4.0e-5");
  expect(plain(-3.5, 2)).toBe("−3.50");
});
