/** What many proofs say together, by hand. */
import { expect, test } from "vitest";
import { type MeasuredProof, PROOF_RANKINGS, type ProofRanking } from "./proof.ts";
import { summariseProofs } from "./proof_summary.ts";

/** A failure of delta 4 whose rankings flip from so many tokens on, and take so much of delta for each. */
function record(
  key: string,
  of: (ranking: ProofRanking) => { readonly from: number; readonly fall: number },
  more: Partial<MeasuredProof> = {},
): MeasuredProof {
  const outcomes = (ranking: ProofRanking) =>
    [1, 2, 4].map((count) => {
      const { from, fall } = of(ranking);
      return { count, delta: 4 - fall * count, flipped: count >= from, passed: count >= from && key === "a" };
    });
  const rankings = Object.fromEntries(PROOF_RANKINGS.map((name) => [name, outcomes(name)]));
  return {
    key,
    delta: 4,
    steps: 3,
    repeats: true,
    rankings: rankings as unknown as MeasuredProof["rankings"],
    lostAt: null,
    places: null,
    ...more,
  };
}

test("shares by tokens masked, means over them, and differences paired by case", () => {
  const chainFirst = (ranking: ProofRanking) =>
    ranking === "chain" ? { from: 1, fall: 1 } : ranking === "random" ? { from: 9, fall: 0 } : { from: 2, fall: 0.5 };
  const summary = summariseProofs([
    record("a", chainFirst),
    record("b", chainFirst, { lostAt: 1, places: { chain: 1, direct: 2, last: 3 } }),
    record("c", (ranking) => ({ ...chainFirst(ranking), from: ranking === "chain" ? 4 : 9 })),
    { key: "left out", repeats: false },
  ], 1)!;
  expect([summary.cases, summary.unrepeated]).toEqual([3, 1]);
  const chain = summary.rankings.find(({ ranking }) => ranking === "chain")!;
  expect(chain.flips.map(({ count, share }) => [count, share])).toEqual([[1, 2 / 3], [2, 2 / 3], [4, 1]]);
  expect(chain.flips.map(({ passed }) => passed)).toEqual([1 / 3, 1 / 3, 1 / 3]);
  expect(chain.meanFlips.value).toBeCloseTo((1 + 1 + 1 / 3) / 3, 12);
  expect(chain.meanFall.value).toBeCloseTo(7 / 3, 12);
  const against = (second: string) =>
    summary.comparisons.find((one) => one.first === "chain" && one.second === second)!;
  expect(against("direct").fall).toMatchObject({ low: 7 / 6, high: 7 / 6, count: 3 });
  expect(against("direct").flips.value).toBeCloseTo(1 / 3, 12);
  expect(against("random").fall.value).toBeCloseTo(7 / 3, 12);
  expect(summary.order).toMatchObject({ cases: 1, reciprocal: { chain: 1, direct: 1 / 2, last: 1 / 3 } });
  expect(summary.order!.reciprocal.random).toBeCloseTo((1 + 1 / 2 + 1 / 3) / 3, 12);
  expect(summary.order!.comparisons.direct.value).toBe(0.5);
});

test("nothing to say of failures that do not repeat", () => {
  expect(summariseProofs([{ key: "a", repeats: false }], 1)).toBe(null);
  expect(summariseProofs([record("a", () => ({ from: 1, fall: 1 }))], 1)!.order).toBe(null);
});
