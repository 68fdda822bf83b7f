/** Weights of completion tokens (docs/preferences.md gives the formulas). */
import type { RelevanceFormula } from "../../schema/tables/analysis_values.ts";
import { randomStream, shuffled } from "../base/statistics/random.ts";

/** No token weighs less than this share of its completion's mean. */
export const FLOOR = 0.1;

/** The share of a token behind the one where the completions part, which has 1. */
const BEHIND_DIVERGENCE = 0.1;

/**
 * The share of |relevance| on the tokens that the formula counts, among all tokens that are not special; 0 where nothing
 * is relevant. `letters`: one letter a token, as segments are stored (S, I, Q, A).
 */
export function relevanceShare(relevance: Float32Array, letters: string, formula: RelevanceFormula): number {
  let counted = 0;
  let all = 0;
  relevance.forEach((value, position) => {
    const letter = letters[position];
    if (letter === "S") return;
    all += Math.abs(value);
    if (letter === "I" || formula === "prompt-share/1" && letter === "Q") counted += Math.abs(value);
  });
  return all > 0 ? counted / all : 0;
}

/** The share of each of `count` tokens of a completion whose first one is where it parts from the other completion. */
export function divergenceShares(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index === 0 ? 1 : BEHIND_DIVERGENCE);
}

/**
 * The probability that the model gives to all tokens but its likeliest, at each position. `logProbabilities`: of the
 * likeliest token, in nats, [positions].
 */
export function uncertaintyShares(logProbabilities: readonly number[]): number[] {
  // Rounding can bring a log probability above 0.
  return logProbabilities.map((logProbability) => Math.max(0, -Math.expm1(logProbability)));
}

/** Raised to the floor, then scaled to mean 1. All 1 where every share is 0: then the formula has nothing to say. */
export function weightsOf(shares: readonly number[]): number[] {
  const mean = average(shares);
  if (!(mean > 0)) return shares.map(() => 1);
  const raised = shares.map((share) => Math.max(share, FLOOR * mean));
  const scale = average(raised);
  return raised.map((share) => share / scale);
}

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

export const WEIGHT_CHOICES = ["relevance", "uniform", "shuffled"] as const;
export type WeightChoice = (typeof WEIGHT_CHOICES)[number];

/** The stored weights, or a baseline: all 1, or the same numbers in an order that seed and name fix. */
export function chooseWeights(weights: readonly number[], choice: WeightChoice, seed: number, name: string): number[] {
  if (choice === "relevance") return [...weights];
  return choice === "uniform" ? weights.map(() => 1) : shuffled(weights, randomStream(seed, `weights/${name}`));
}
