/** What many ablation curves say together, with bootstrap intervals over cases. Formulas: docs/masking.md. */
import { concentration } from "../../schema/tables/ablation_values.ts";
import { bootstrapInterval, type Interval, mean } from "../base/statistics/bootstrap.ts";
import type { AblationCurve, AblationSettings, AblationStep } from "./experiment.ts";
import type { AblationRankingName, Unit } from "./ranking.ts";

/** A result over the cases of one unit and ranking; random orders are averaged within each case first. */
export interface FlipRates {
  /** Share of cases in which it came with at most counts[i] ablated. */
  readonly rate: readonly number[];
  /** Mean of the rate over the counts. */
  readonly area: Interval;
}

export interface AblationSummary {
  readonly unit: Unit;
  readonly ranking: AblationRankingName;
  /** How many are ablated at each step. */
  readonly counts: readonly number[];
  readonly cases: number;
  /** The argmax is no longer the target; the argmax is the contrast. */
  readonly away: FlipRates;
  readonly contrast: FlipRates;
  /** Mean loss of delta at each count, in logits. */
  readonly lost: readonly Interval[];
  /** Mean share of the positive relevance that the first counts[i] hold; null for random orders. */
  readonly concentration: readonly Interval[] | null;
}

/** The difference of two rankings, paired by case. */
export interface AblationComparison {
  readonly unit: Unit;
  readonly first: AblationRankingName;
  readonly second: AblationRankingName;
  /** Of the areas under the flip rate (away). */
  readonly difference: Interval;
  /** Of the loss of delta, averaged over the counts. */
  readonly lost: Interval;
  /** The interval of the areas' difference lies above zero. */
  readonly beats: boolean;
}

type SummarySettings = Pick<AblationSettings, "units" | "rankings" | "counts">;

/** The last step with at most `count` ablated: a model with fewer has no later ones. */
function stepAt({ counts, steps }: AblationCurve, count: number): AblationStep {
  return steps[counts.findLastIndex((own) => own <= count)]!;
}

/** Loss of delta with `count` ablated, in logits. */
export const lostAt = (curve: AblationCurve, count: number): number =>
  curve.steps[0]!.delta - stepAt(curve, count).delta;

const reachedBy = (flip: number | null, count: number): number => Number(flip !== null && flip <= count);

/** Share of the counts at which a result that takes `flip` has come. */
export const areaOfFlip = (flip: number | null, counts: readonly number[]): number =>
  mean(counts.map((count) => reachedBy(flip, count)));

/** Curves of one unit and ranking, those of one case together. */
function byCase(curves: readonly AblationCurve[], unit: Unit, name: AblationRankingName): AblationCurve[][] {
  const own = curves.filter((curve) => curve.unit === unit && curve.ranking.name === name);
  return [...Map.groupBy(own, ({ key }) => key).values()];
}

/** One summary for each unit and ranking that has curves. */
export function summariseAblations(
  curves: readonly AblationCurve[],
  { units, rankings, counts }: SummarySettings,
  seed: number,
): AblationSummary[] {
  return units.flatMap((unit) =>
    rankings.flatMap((ranking): AblationSummary[] => {
      const cases = byCase(curves, unit, ranking);
      return cases.length === 0 ? [] : [summariseOne(cases, unit, ranking, counts[unit], seed)];
    })
  );
}

function summariseOne(
  cases: readonly (readonly AblationCurve[])[],
  unit: Unit,
  ranking: AblationRankingName,
  counts: readonly number[],
  seed: number,
): AblationSummary {
  const interval = (what: string, of: (curve: AblationCurve) => number) =>
    bootstrapInterval(cases.map((each) => mean(each.map(of))), { seed, name: `${what}/${unit}/${ranking}` });
  const rates = (result: "away" | "contrast"): FlipRates => ({
    rate: counts.map((count) => mean(cases.map((each) => mean(each.map((curve) => reachedBy(curve[result], count)))))),
    area: interval(`area of ${result}`, (curve) => areaOfFlip(curve[result], counts)),
  });
  return {
    unit,
    ranking,
    counts,
    cases: cases.length,
    away: rates("away"),
    contrast: rates("contrast"),
    lost: counts.map((count) => interval(`lost at ${count}`, (curve) => lostAt(curve, count))),
    concentration: ranking === "random"
      ? null
      : counts.map((count) => interval(`held by ${count}`, (curve) => concentration(curve.ranking, count) ?? 0)),
  };
}

/** Every ranking against every later one in the settings' list, for each unit, over the cases that both have. */
export function compareAblations(
  curves: readonly AblationCurve[],
  { units, rankings, counts }: SummarySettings,
  seed: number,
): AblationComparison[] {
  const valuesOf = (unit: Unit, name: AblationRankingName, of: (curve: AblationCurve) => number) =>
    new Map(byCase(curves, unit, name).map((each) => [each[0]!.key, mean(each.map(of))] as const));
  return units.flatMap((unit) =>
    rankings.flatMap((first, index) =>
      rankings.slice(index + 1).flatMap((second): AblationComparison[] => {
        const paired = (what: string, of: (curve: AblationCurve) => number) => {
          const [one, other] = [valuesOf(unit, first, of), valuesOf(unit, second, of)];
          const differences = [...one].flatMap(([key, value]) => other.has(key) ? [value - other.get(key)!] : []);
          return differences.length === 0
            ? null
            : bootstrapInterval(differences, { seed, name: `${what}/${first} - ${second}/${unit}` });
        };
        const difference = paired("area", ({ away }) => areaOfFlip(away, counts[unit]));
        const lost = paired("lost", (curve) => mean(counts[unit].map((count) => lostAt(curve, count))));
        return difference === null || lost === null
          ? []
          : [{ unit, first, second, difference, lost, beats: difference.low > 0 }];
      })
    )
  );
}
