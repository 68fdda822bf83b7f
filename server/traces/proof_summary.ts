/** What many proofs say together, with intervals paired by case. */
import { bootstrapInterval, type Interval, mean } from "../base/statistics/bootstrap.ts";
import { type MeasuredProof, PROOF_RANKINGS, type ProofRanking, type ProofRecord } from "./proof.ts";

export interface RankingSummary {
  readonly ranking: ProofRanking;
  /** Share of cases whose final answer is another, by tokens masked; and their mean over all counts. */
  readonly flips: readonly { readonly count: number; readonly share: number; readonly passed: number }[];
  readonly meanFlips: Interval;
  /** Mean fall of delta, the completion kept, over all counts, in logits. */
  readonly meanFall: Interval;
}

/** The chain's ranking less another, case by case. */
export interface RankingComparison {
  readonly first: ProofRanking;
  readonly second: ProofRanking;
  readonly flips: Interval;
  readonly fall: Interval;
}

export interface ProofSummary {
  readonly cases: number;
  /** Cases left out: generating again, nothing masked, did not give the failed answer. */
  readonly unrepeated: number;
  readonly rankings: readonly RankingSummary[];
  readonly comparisons: readonly RankingComparison[];
  /** Of cases with a step after which nothing passed: mean of 1 / place of that step, and the chain's less each other. */
  readonly order: {
    readonly cases: number;
    readonly reciprocal: Readonly<Record<"chain" | "direct" | "last" | "random", number>>;
    readonly comparisons: Readonly<Record<"direct" | "last" | "random", Interval>>;
  } | null;
}

/** The chain's two forms against each other ranking that is none of them. */
const COMPARED = (["chain", "chain-signed"] as const).flatMap((first) =>
  PROOF_RANKINGS.filter((second) => !second.startsWith("chain")).map((second) => [first, second] as const)
);

/** Null where there is no case whose failure repeats. */
export function summariseProofs(all: readonly ProofRecord[], seed: number): ProofSummary | null {
  const records = all.filter((record) => record.repeats);
  if (records.length === 0) return null;
  const spread = (values: readonly number[], name: string) => bootstrapInterval(values, { seed, name });
  const flipsOf = ({ rankings }: MeasuredProof, ranking: ProofRanking) =>
    mean(rankings[ranking].map(({ flipped }) => Number(flipped)));
  const fallOf = ({ rankings, delta }: MeasuredProof, ranking: ProofRanking) =>
    mean(rankings[ranking].map((outcome) => delta - outcome.delta));
  const counts = records[0]!.rankings.chain.map(({ count }) => count);
  return {
    cases: records.length,
    unrepeated: all.length - records.length,
    rankings: PROOF_RANKINGS.map((ranking) => ({
      ranking,
      flips: counts.map((count, at) => ({
        count,
        share: mean(records.map(({ rankings }) => Number(rankings[ranking][at]!.flipped))),
        passed: mean(records.map(({ rankings }) => Number(rankings[ranking][at]!.passed))),
      })),
      meanFlips: spread(records.map((one) => flipsOf(one, ranking)), `flips/${ranking}`),
      meanFall: spread(records.map((one) => fallOf(one, ranking)), `fall/${ranking}`),
    })),
    comparisons: COMPARED.map(([first, second]) => ({
      first,
      second,
      flips: spread(records.map((one) => flipsOf(one, first) - flipsOf(one, second)), `flips/${first}-${second}`),
      fall: spread(records.map((one) => fallOf(one, first) - fallOf(one, second)), `fall/${first}-${second}`),
    })),
    order: orderOf(records, seed),
  };
}

function orderOf(records: readonly MeasuredProof[], seed: number): ProofSummary["order"] {
  const placed = records.flatMap(({ places, steps }) => places === null ? [] : [{ ...places, steps }]);
  if (placed.length === 0) return null;
  const reciprocal = {
    chain: placed.map(({ chain }) => 1 / chain),
    direct: placed.map(({ direct }) => 1 / direct),
    last: placed.map(({ last }) => 1 / last),
    // What is to be expected of an order by chance.
    random: placed.map(({ steps }) => mean(Array.from({ length: steps }, (_, at) => 1 / (at + 1)))),
  };
  const against = (other: "direct" | "last" | "random") =>
    bootstrapInterval(
      reciprocal.chain.map((value, at) => value - reciprocal[other][at]!),
      { seed, name: `order/chain-${other}` },
    );
  return {
    cases: placed.length,
    reciprocal: {
      chain: mean(reciprocal.chain),
      direct: mean(reciprocal.direct),
      last: mean(reciprocal.last),
      random: mean(reciprocal.random),
    },
    comparisons: { direct: against("direct"), last: against("last"), random: against("random") },
  };
}
