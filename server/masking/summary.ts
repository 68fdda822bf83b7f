/** What many masking curves say together, with bootstrap intervals over cases. Formulas: docs/masking.md. */
import { bootstrapInterval, type Interval, mean, median } from "../base/statistics/bootstrap.ts";
import type { MaskingCurve, MaskingSettings } from "./experiment.ts";
import type { RankingName } from "./ranking.ts";
import type { Replacement } from "./replacement.ts";

/** The three results, told apart. */
export const RESULTS = ["away", "contrast", "passes"] as const;
export type ResultName = (typeof RESULTS)[number];

/** A result over the cases of one ranking and replacement; random orders are averaged within each case first. */
export interface FlipSummary {
  /** Share of cases in which it came within k tokens, k from 0 to the budget. */
  readonly rate: readonly number[];
  /** Mean of the rate over k from 1 to the budget. */
  readonly area: Interval;
  /** Curves in which it came, and in which it did not within the budget: censored, counted as later than that. */
  readonly reached: number;
  readonly censored: number;
  /** Median tokens until it came over all curves; null where half or more are censored. */
  readonly medianTokens: number | null;
  /** Mean tokens over the curves in which it came: too small wherever some are censored. */
  readonly meanTokensReached: number | null;
}

export interface MaskingSummary {
  readonly ranking: RankingName;
  readonly replacement: Replacement;
  readonly cases: number;
  readonly away: FlipSummary;
  /** Null where an early stop hid later flips. */
  readonly contrast: FlipSummary | null;
  /** Null without a checker, or where an early stop hid later flips. */
  readonly passes: FlipSummary | null;
  /** Mean delta after k tokens, k from 0 on; null with an early stop. A curve that is out of tokens keeps its last. */
  readonly delta: readonly number[] | null;
  readonly comprehensiveness: { readonly probability: Interval; readonly delta: Interval };
  readonly sufficiency: { readonly probability: Interval; readonly delta: Interval };
}

/** The difference of two rankings' areas (away), paired by case. */
export interface MaskingComparison {
  readonly replacement: Replacement;
  readonly first: RankingName;
  readonly second: RankingName;
  readonly difference: Interval;
  /** The interval lies above zero. */
  readonly beats: boolean;
}

type SummarySettings = Pick<MaskingSettings, "rankings" | "replacements" | "budget" | "stopAt">;

/** Fewest tokens to a result; null where it did not come. Rollouts count from the flip that they follow. */
export function tokensUntil({ away, contrast, rollouts }: MaskingCurve, result: ResultName): number | null {
  if (result === "away") return away;
  if (result === "contrast") return contrast;
  const passed = rollouts.filter(({ passed }) => passed === true).map(({ tokens }) => tokens);
  return passed.length === 0 ? null : Math.min(...passed);
}

/** Share of k from 1 to the budget at which a result that takes `tokens` has come. */
export function areaOf(tokens: number | null, budget: number): number {
  return tokens === null || tokens > budget ? 0 : (budget + 1 - Math.max(1, tokens)) / budget;
}

/** Curves of one ranking and replacement, those of one case together. */
function byCase(curves: readonly MaskingCurve[], name: RankingName, replacement: Replacement): MaskingCurve[][] {
  const own = curves.filter((curve) => curve.ranking.name === name && curve.replacement === replacement);
  return [...Map.groupBy(own, ({ key }) => key).values()];
}

/** One summary for each replacement and ranking that has curves. */
export function summarise(
  curves: readonly MaskingCurve[],
  settings: SummarySettings,
  seed: number,
  checked: boolean,
): MaskingSummary[] {
  return settings.replacements.flatMap((replacement) =>
    settings.rankings.flatMap((ranking) => {
      const cases = byCase(curves, ranking, replacement);
      return cases.length === 0 ? [] : [summariseOne(cases, ranking, replacement, settings, seed, checked)];
    })
  );
}

function summariseOne(
  cases: readonly (readonly MaskingCurve[])[],
  ranking: RankingName,
  replacement: Replacement,
  { budget, stopAt }: SummarySettings,
  seed: number,
  checked: boolean,
): MaskingSummary {
  const interval = (what: string, of: (curve: MaskingCurve) => number) =>
    bootstrapInterval(cases.map((each) => mean(each.map(of))), { seed, name: `${what}/${ranking}/${replacement}` });
  const flips = (result: ResultName): FlipSummary => {
    const tokens = cases.flat().map((curve) => tokensUntil(curve, result));
    const reached = tokens.filter((count) => count !== null);
    const middle = median(tokens.map((count) => count ?? Infinity));
    const within = (k: number) => (curve: MaskingCurve) => Number((tokensUntil(curve, result) ?? Infinity) <= k);
    return {
      rate: Array.from({ length: budget + 1 }, (_, k) => mean(cases.map((each) => mean(each.map(within(k)))))),
      area: interval(`area of ${result}`, (curve) => areaOf(tokensUntil(curve, result), budget)),
      reached: reached.length,
      censored: tokens.length - reached.length,
      medianTokens: Number.isFinite(middle) ? middle : null,
      meanTokensReached: reached.length === 0 ? null : mean(reached),
    };
  };
  const stepAt = ({ steps }: MaskingCurve, k: number) => steps[Math.min(k, steps.length - 1)]!;
  const faithfulness = (of: "comprehensiveness" | "sufficiency") => ({
    probability: interval(`${of} in probability`, (curve) => curve[of].probability),
    delta: interval(`${of} in delta`, (curve) => curve[of].delta),
  });
  return {
    ranking,
    replacement,
    cases: cases.length,
    away: flips("away"),
    contrast: stopAt === "away" ? null : flips("contrast"),
    passes: checked && stopAt !== "away" ? flips("passes") : null,
    delta: stopAt === null
      ? Array.from(
        { length: budget + 1 },
        (_, k) => mean(cases.map((each) => mean(each.map((curve) => stepAt(curve, k).delta)))),
      )
      : null,
    comprehensiveness: faithfulness("comprehensiveness"),
    sufficiency: faithfulness("sufficiency"),
  };
}

/** Every ranking against every later one in the settings' list, for each replacement, over the cases that both have. */
export function compareRankings(
  curves: readonly MaskingCurve[],
  { rankings, replacements, budget }: SummarySettings,
  seed: number,
): MaskingComparison[] {
  const areas = (name: RankingName, replacement: Replacement) =>
    new Map(
      byCase(curves, name, replacement).map((each) =>
        [each[0]!.key, mean(each.map(({ away }) => areaOf(away, budget)))] as const
      ),
    );
  return replacements.flatMap((replacement) =>
    rankings.flatMap((first, index) =>
      rankings.slice(index + 1).flatMap((second): MaskingComparison[] => {
        const [one, other] = [areas(first, replacement), areas(second, replacement)];
        const differences = [...one].filter(([key]) => other.has(key)).map(([key, area]) => area - other.get(key)!);
        if (differences.length === 0) return [];
        const difference = bootstrapInterval(differences, { seed, name: `${first} - ${second}/${replacement}` });
        return [{ replacement, first, second, difference, beats: difference.low > 0 }];
      })
    )
  );
}
