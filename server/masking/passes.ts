/** What masking one pair comes to, counted in attributions, for plans. */
import { SHARES } from "./experiment.ts";
import { RANKINGS, rulesOf } from "./ranking.ts";

/** A forward pass beside an attribution, whose backward pass takes twice as long. */
const FORWARD = 1 / 3;

/**
 * The attributions that rank, and the passes of every curve: one for each token of the budget, two for each of ERASER's
 * shares. Inputs that several curves share are computed once, so this is an upper count; completions that are checked
 * come on top.
 */
export function maskingPasses(replacements: number, budget: number, seeds: number): number {
  const orders = RANKINGS.length - 1 + seeds;
  return rulesOf(RANKINGS).length + FORWARD * replacements * orders * (budget + 2 * SHARES.length);
}
