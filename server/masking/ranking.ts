/** The orders in which tokens are masked. */
import type { Rule } from "../../gpu/mod.ts";
import { randomStream, shuffled } from "../base/statistics/random.ts";
import type { MaskingCase } from "./masking_case.ts";

/** By a rule's relevance, the largest first; and two controls: at random, and AttnLRP's order from its end. */
export const RANKINGS = ["attnlrp", "cplrp", "gradient", "random", "lowest"] as const;
export type RankingName = (typeof RANKINGS)[number];

/** Which tokens may be masked: those of the prompt, or of the prompt and of the answer so far. Never special ones. */
export const SCOPES = ["prompt", "all"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Ranking {
  readonly name: RankingName;
  /** Of a random order; null for the others. */
  readonly seed: number | null;
  /** Positions, the one to be masked first in front. */
  readonly order: readonly number[];
  /** How many of them have a positive relevance by the ranking's rule; null for a random order. */
  readonly positive: number | null;
}

/** Positions that may be masked, ascending. */
export function maskablePositions({ inputIds, promptTokens, special }: MaskingCase, scope: Scope): number[] {
  const end = scope === "prompt" ? promptTokens : inputIds.length;
  return Array.from({ length: end }, (_, position) => position).filter((position) => !special[position]);
}

/** Rules whose relevance the rankings need. */
export function rulesOf(names: readonly RankingName[]): Rule[] {
  const rules = names.flatMap((name): Rule[] => name === "random" ? [] : [name === "lowest" ? "attnlrp" : name]);
  return [...new Set(rules)];
}

/**
 * The orders of a case's maskable positions. `relevance` holds the input relevance [tokens] of each rule of rulesOf;
 * equal relevances keep the order of the text. A random order hangs on its seed and the case's key alone.
 */
export function rankingsOf(
  { key }: MaskingCase,
  positions: readonly number[],
  relevance: ReadonlyMap<Rule, ArrayLike<number>>,
  names: readonly RankingName[],
  seeds: readonly number[],
): Ranking[] {
  return names.flatMap((name): Ranking[] => {
    if (name === "random") {
      return seeds.map((seed) => ({
        name,
        seed,
        order: shuffled(positions, randomStream(seed, `masking/${key}`)),
        positive: null,
      }));
    }
    const values = relevance.get(name === "lowest" ? "attnlrp" : name);
    if (!values) throw new Error(`no relevance for the ranking ${name}`);
    const descending = positions.toSorted((a, b) => values[b]! - values[a]! || a - b);
    return [{
      name,
      seed: null,
      order: name === "lowest" ? descending.toReversed() : descending,
      positive: positions.filter((position) => values[position]! > 0).length,
    }];
  });
}
