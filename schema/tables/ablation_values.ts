/** Shapes of what ablation experiments are asked for and keep. */
import type { Rule } from "./rules.ts";

/** Settings of ablation experiments, in the words of server/ablation. */
export interface AblationOptions {
  readonly units: readonly ("heads" | "neurons")[];
  readonly rankings: readonly (Rule | "random" | "lowest")[];
  /** How many are ablated at each step of a curve, ascending. */
  readonly counts: { readonly heads: readonly number[]; readonly neurons: readonly number[] };
  /** One random order each. */
  readonly seeds: readonly number[];
}

/** What stands where nothing is said. */
export const ABLATION_OPTIONS: AblationOptions = {
  units: ["heads", "neurons"],
  rankings: ["attnlrp", "cplrp", "gradient", "random", "lowest"],
  counts: { heads: [1, 2, 4, 8, 16], neurons: [1, 4, 16, 64, 256] },
  seeds: [1, 2, 3],
};

/** An ablation curve as it is stored, beside the columns that lists filter by. */
export interface StoredAblation {
  /** Heads or neurons, the one ablated first in front: block from 1, number, and expert where the block has them. */
  readonly order: readonly { readonly layer: number; readonly index: number; readonly expert?: number }[];
  /** Of each in the order; null for a random order. */
  readonly relevance: readonly number[] | null;
  /** Sum of the positive relevances of all; null for a random order. */
  readonly positive: number | null;
  /** Heads or neurons of the model. */
  readonly components: number;
  /** steps[i]: the first counts[i] ablated; counts[0] is 0. */
  readonly counts: readonly number[];
  readonly steps: readonly { readonly delta: number; readonly probability: number; readonly argmax: number }[];
}

/**
 * Share of the positive relevance of all heads, or of all neurons, that the first `count` of the order hold. Null for
 * random orders, and where nothing is positive.
 */
export function concentration(
  { relevance, positive }: Pick<StoredAblation, "relevance" | "positive">,
  count: number,
): number | null {
  if (relevance === null || positive === null || positive <= 0) return null;
  return relevance.slice(0, count).reduce((sum, value) => sum + Math.max(0, value), 0) / positive;
}
