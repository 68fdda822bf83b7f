import { describe, expect, test } from "vitest";
import { seededRandom } from "../../test/random.ts";
import {
  type EdgeRow,
  edgesAbove,
  keepBudget,
  keepReaching,
  massThreshold,
  openPruner,
  orderEdges,
  reduceRows,
} from "./prune.ts";
import type { Edges } from "../kernels/edge_bins.ts";

const row = (target: number, ...weights: number[]): EdgeRow => ({ target, weights: Float32Array.from(weights) });
const edges = (...list: [number, number, number][]) => ({
  sources: Uint32Array.from(list, ([source]) => source),
  targets: Uint32Array.from(list, ([, target]) => target),
  weights: Float32Array.from(list, ([, , weight]) => weight),
});
const listOf = ({ sources, targets, weights }: Edges) =>
  Array.from(sources, (source, index) => [source, targets[index], weights[index]]);

describe("the mass threshold", () => {
  test("is the smallest of the largest weights that reach the mass", () => {
    const rows = [row(1, 4, -3), row(2, 2, 0.5, -0.5)];
    expect(massThreshold(rows, 0.4)).toEqual({ threshold: 4, total: 10 });
    expect(massThreshold(rows, 0.41)).toEqual({ threshold: 3, total: 10 });
    expect(massThreshold(rows, 0.85)).toEqual({ threshold: 2, total: 10 });
    expect(massThreshold(rows, 0.92)).toEqual({ threshold: 0.5, total: 10 });
    expect(massThreshold(rows, 1)).toEqual({ threshold: 0.5, total: 10 });
  });

  test("is 0 when there is nothing to keep", () => {
    expect(massThreshold([row(0, 0)], 0.85)).toEqual({ threshold: 0, total: 0 });
    expect(massThreshold([], 0.85)).toEqual({ threshold: 0, total: 0 });
  });

  test("equals a sort of all weights, weights of all sizes", () => {
    const random = seededRandom(3);
    for (let round = 0; round < 50; round++) {
      const weights = Float32Array.from({ length: 400 }, () => random.normal() * 10 ** random.integer(-6, 3));
      const mass = 0.05 + 0.9 * random.next();
      const sorted = weights.map(Math.abs).sort().reverse();
      const total = sorted.reduce((sum, value) => sum + value, 0);
      let sum = 0;
      const expected = sorted.find((value) => (sum += value) >= mass * total);
      const rows = Array.from(
        { length: 20 },
        (_, i) => ({ target: 19, weights: weights.subarray(i * 20, i * 20 + 20) }),
      );
      expect(massThreshold(rows, mass).threshold).toBe(expected);
    }
  });
});

test("few and many weights have the same threshold: zeros that make them many change nothing", () => {
  const random = seededRandom(21);
  for (let round = 0; round < 20; round++) {
    const weights = Float32Array.from({ length: 900 }, () => random.normal() * 10 ** random.integer(-40, 3));
    const few = [{ target: 899, weights }];
    const many = [...few, { target: 2 ** 15 - 1, weights: new Float32Array(2 ** 15) }];
    for (const mass of [1e-9, random.next(), 0.85, 1]) {
      expect(massThreshold(many, mass)).toEqual(massThreshold(few, mass));
    }
  }
});

test("edges above a threshold keep ties, leave zeros out, and come by target and source", () => {
  expect(listOf(edgesAbove([row(2, 0, -3, 1), row(1, 1, 0.5)], 1))).toEqual([[0, 1, 1], [1, 2, -3], [2, 2, 1]]);
  expect(listOf(edgesAbove([row(1, 0, 0)], 0))).toEqual([]);
});

test("only edges that lead on to the last token of the last layer reach", () => {
  const first = edges([0, 0, 1], [0, 1, 2], [1, 2, 3]);
  const second = edges([1, 2, 4], [0, 1, 5]);
  expect(keepReaching([first, second], [2]).map(listOf)).toEqual([[[0, 1, 2]], [[1, 2, 4]]]);
});

test("the budget keeps the largest over all transitions and never exceeds itself by ties", () => {
  const transitions = [edges([0, 0, 5], [0, 1, 1]), edges([0, 1, -4], [1, 1, 1])];
  expect(keepBudget(transitions, 4).map(listOf)).toEqual(transitions.map(listOf));
  expect(keepBudget(transitions, 2).map(listOf)).toEqual([[[0, 0, 5]], [[0, 1, -4]]]);
  expect(keepBudget(transitions, 3).map(listOf)).toEqual([[[0, 0, 5]], [[0, 1, -4]]]);
});

test("edges in any order are ordered by target, then source", () => {
  const random = seededRandom(9);
  const all = Array.from({ length: 300 }, (_, index) => [index % 20, Math.floor(index / 20), index] as const);
  const mixed = all.toSorted(() => random.next() - 0.5);
  const expected = all.toSorted((a, b) => a[1] - b[1] || a[0] - b[0]);
  expect(listOf(orderEdges(edges(...mixed.map((edge) => [...edge] as [number, number, number])), 20)))
    .toEqual(expected.map((edge) => [...edge]));
});

describe("transitions pruned one after another, from the last to the first, are those pruned at once", () => {
  const random = seededRandom(17);
  const tokens = 24;
  const transition = () =>
    Array.from({ length: tokens }, (_, target) => ({
      target,
      // Few different sizes, so that there are ties at every border.
      weights: Float32Array.from({ length: target + 1 }, () => random.integer(-8, 8) * 2 ** random.integer(-4, 4)),
    })).filter(() => random.next() < 0.8);

  test.each([["last", 30], ["last", 200], ["last", 10_000], ["all", 1], ["all", 77], ["all", 10_000]] as const)(
    "reach %s, budget %i",
    (reach, edgeBudget) => {
      for (let round = 0; round < 8; round++) {
        const transitions = Array.from({ length: 5 }, transition);
        const mass = random.next();
        const byMass = transitions.map((rows) => edgesAbove(rows, massThreshold(rows, mass).threshold));
        const keep = (list: readonly Edges[]) => reach === "last" ? keepReaching(list, [tokens - 1]) : [...list];
        const reaching = keep(byMass);
        const expected = keep(keepBudget(reaching, edgeBudget));

        const pruner = openPruner(tokens, [tokens - 1], { reach, edgeBudget });
        const counts: [number, number][] = [];
        for (const rows of transitions.toReversed()) {
          const reduced = reduceRows(rows, mass, { reached: pruner.reached(), floor: pruner.floor() });
          counts.push([reduced.chosen, reduced.reaching]);
          pruner.add(reduced);
        }
        expect(pruner.finish().toReversed().map(listOf)).toEqual(expected.map(listOf));
        expect(counts.toReversed()).toEqual(
          byMass.map(({ weights }, index) => [weights.length, (reaching[index] as Edges).weights.length]),
        );
      }
    },
  );
});
