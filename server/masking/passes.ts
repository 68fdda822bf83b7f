/** What masking one pair comes to, counted in attributions, for plans. */
import type { MaskingOptions } from "../../schema/tables/analysis_values.ts";
import { SHARES } from "./experiment.ts";
import { RANKINGS, rulesOf } from "./ranking.ts";

type Options = Pick<MaskingOptions, "replacements" | "budget" | "seeds" | "rolloutTokens">;

/** A forward pass beside an attribution, whose backward pass takes twice as long. */
const FORWARD = 1 / 3;
/** Completions that are decoded together, about: curves that flip at the same tokens share one. */
export const ROLLOUTS = 8;

/**
 * The attributions that rank, and the passes of every curve: one for each token of the budget, two for each of ERASER's
 * shares. Inputs that several curves share are computed once, so this is an upper count.
 */
export function maskingPasses({ replacements, budget, seeds }: Options): number {
  const orders = RANKINGS.length - 1 + seeds.length;
  return rulesOf(RANKINGS).length + FORWARD * replacements.length * orders * (budget + 2 * SHARES.length);
}

/** Steps of decoding over `ROLLOUTS` tokens, where every completion is as long as it may be. */
export function decodingPasses({ replacements, rolloutTokens }: Options): number {
  return FORWARD * replacements.length * rolloutTokens;
}
