/** Intervals and agreement against scipy and scikit-learn (test/reference/bootstrap.py). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bootstrapDifference, bootstrapInterval, type BootstrapOptions, mean, median } from "./bootstrap.ts";
import { agreement } from "./kappa.ts";
import { normalCdf, normalQuantile } from "./normal.ts";
import { randomStream, shuffled, xoshiro } from "./random.ts";

interface Golden {
  readonly intervals: readonly {
    readonly name: string;
    readonly sample: readonly number[];
    readonly method: NonNullable<BootstrapOptions["method"]>;
    readonly statistic: "mean" | "median";
    readonly low: number;
    readonly high: number;
  }[];
  /** Of two samples' means, by their names. */
  readonly difference: {
    readonly first: string;
    readonly second: string;
    readonly low: number;
    readonly high: number;
  };
  readonly kappa: { readonly pairs: readonly (readonly [string, string])[]; readonly kappa: number };
  readonly normal: readonly { readonly z: number; readonly probability: number }[];
}
const path = join(import.meta.dirname as string, "..", "..", "..", "test", "data", "bootstrap.json");
const golden = JSON.parse(readFileSync(path, "utf8")) as Golden;

test("the first words of xoshiro128** are those that its authors' code gives", () => {
  const random = xoshiro([1, 2, 3, 4]);
  expect(Array.from({ length: 10 }, () => random.word())).toEqual([
    11520,
    0,
    5927040,
    70819200,
    2031721883,
    1637235492,
    1287239034,
    3734860849,
    3729100597,
    4258142804,
  ]);
});

test("a seed and a name fix an order, and another of either gives another", () => {
  const items = Array.from({ length: 30 }, (_, index) => index);
  const order = (seed: number, name: string) => shuffled(items, randomStream(seed, name));
  expect(order(1, "a")).toEqual(order(1, "a"));
  expect(order(1, "a").toSorted((a, b) => a - b)).toEqual(items);
  expect(order(1, "b")).not.toEqual(order(1, "a"));
  expect(order(2, "a")).not.toEqual(order(1, "a"));
});

test("every order of three is as likely as another", () => {
  const random = randomStream(3, "orders");
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = shuffled([0, 1, 2], random).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(6);
  // Five standard deviations of a count.
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000 * 5 / 6));
});

test("normal probabilities equal scipy's, and the quantile undoes them", () => {
  for (const { z, probability } of golden.normal) {
    expect(Math.abs(normalCdf(z) - probability)).toBeLessThan(1e-14);
    if (Math.abs(z) < 5) expect(Math.abs(normalQuantile(probability) - z)).toBeLessThan(1e-9);
  }
});

describe("bootstrap", () => {
  test.each(golden.intervals)("$method interval of the $statistic of $name equals scipy's", (one) => {
    const { sample, method, statistic, low, high } = one;
    const of = statistic === "mean" ? mean : median;
    const found = bootstrapInterval(sample, { seed: 1, name: "test", method, resamples: 40_000 }, of);
    // Both are drawn by chance: ends differ by at most a twentieth of the width (ten standard deviations for means);
    // medians and flip rates move in steps.
    const steps = new Set(sample).size < 3 ? 1 / sample.length : 0;
    expect(Math.abs(found.low - low)).toBeLessThan((high - low) / 20 + steps);
    expect(Math.abs(found.high - high)).toBeLessThan((high - low) / 20 + steps);
    expect(found.value).toBe(of(sample));
  });

  test("the interval of a difference of unpaired means equals scipy's", () => {
    const { first, second, low, high } = golden.difference;
    const sampleOf = (name: string) => golden.intervals.find((one) => one.name === name)!.sample;
    const found = bootstrapDifference(sampleOf(first), sampleOf(second), { seed: 1, name: "test", resamples: 40_000 });
    expect(Math.abs(found.low - low)).toBeLessThan((high - low) / 20);
    expect(Math.abs(found.high - high)).toBeLessThan((high - low) / 20);
    expect(found.value).toBe(mean(sampleOf(first)) - mean(sampleOf(second)));
    expect(found.count).toBe(65);
    expect(() => bootstrapDifference([1], [], { seed: 1, name: "test" })).toThrow(RangeError);
  });

  test("a seed gives the same interval again, another seed another", () => {
    const sample = golden.intervals[0]!.sample;
    const run = (seed: number) => bootstrapInterval(sample, { seed, name: "again" });
    expect(run(1)).toEqual(run(1));
    expect(run(2)).not.toEqual(run(1));
  });

  test("samples without spread, of one case, and of none", () => {
    const options = { seed: 1, name: "edge", resamples: 100 };
    expect(bootstrapInterval([2, 2, 2], options)).toEqual({ value: 2, low: 2, high: 2, count: 3 });
    expect(bootstrapInterval([5], options)).toEqual({ value: 5, low: 5, high: 5, count: 1 });
    expect(() => bootstrapInterval([], options)).toThrow(RangeError);
  });
});

test("the median stays Infinity where censored values reach the middle", () => {
  expect(median([1, Infinity, 2])).toBe(2);
  expect(median([1, Infinity, Infinity])).toBe(Infinity);
  expect(median([1, 3, Infinity, Infinity])).toBe(Infinity);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test("kappa equals scikit-learn's, and is null where there is nothing to tell apart", () => {
  const { pairs, kappa } = golden.kappa;
  expect(agreement(pairs).kappa).toBeCloseTo(kappa, 12);
  expect(agreement([["a", "a"], ["a", "a"]])).toEqual({ observed: 1, expected: 1, kappa: null, count: 2 });
});
