/** What the ablation experiments of one pair come to, counted in attributions, for plans. */
import type { AblationOptions } from "../../schema/tables/ablation_values.ts";
import { rulesOfRankings } from "./ranking.ts";

/** A forward pass beside an attribution, whose backward pass takes twice as long. */
const FORWARD = 1 / 3;

/**
 * The attributions that rank, and a forward pass for each step of every order and for the whole input. Steps that orders
 * share are computed once, so this is an upper count.
 */
export function ablationPasses({ units, rankings, counts, seeds }: AblationOptions): number {
  const orders = rankings.reduce((sum, ranking) => sum + (ranking === "random" ? seeds.length : 1), 0);
  const steps = units.reduce((sum, unit) => sum + counts[unit].length, 0);
  return rulesOfRankings(rankings).length + FORWARD * (1 + orders * steps);
}
