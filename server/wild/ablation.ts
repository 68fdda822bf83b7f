/**
 * Heads and neurons set to zero, in failures that the heatmap explains and in those that nothing explains: numbers of the
 * run's database, and the part of the document.
 */
import { concentration } from "../../schema/tables/ablation_values.ts";
import { ablationCondition } from "../../schema/tables/ablation_condition.ts";
import type { Database } from "../../schema/tables/database.ts";
import { readAblations } from "../ablation/ablation_job.ts";
import type { AblationCurve } from "../ablation/experiment.ts";
import { type Unit, UNITS } from "../ablation/ranking.ts";
import {
  type AblationComparison,
  type AblationSummary,
  compareAblations,
  lostAt,
  summariseAblations,
} from "../ablation/summary.ts";
import { bootstrapDifference, type Interval } from "../base/statistics/bootstrap.ts";
import { outcomeName } from "../diagnosis/labels.ts";
import { fixed, table } from "../paper/markdown.ts";
import { failureBenchmarks, type WildStudy } from "./study.ts";

/** Outcomes whose cases are ablated: explained by the heatmap, and by nothing. */
export const ABLATED_OUTCOMES = ["m_ia", "nc_ia_ag"] as const;

export interface AblationGroup {
  readonly outcome: (typeof ABLATED_OUTCOMES)[number];
  readonly summaries: readonly AblationSummary[];
  readonly comparisons: readonly AblationComparison[];
}

/** Unexplained cases less explained ones, unpaired: the share that the first `count` hold, and the loss of delta by them. */
export interface AblationContrast {
  readonly unit: Unit;
  readonly count: number;
  readonly concentration: Interval;
  /** As a share of the case's delta. */
  readonly lost: Interval;
}

export interface AblationNumbers {
  readonly groups: readonly AblationGroup[];
  readonly contrasts: readonly AblationContrast[];
}

/** What the ablations of a study's failures say, by outcome. */
export async function readWildAblations(db: Database, study: WildStudy): Promise<AblationNumbers> {
  const { model, seed } = study;
  const groups: AblationGroup[] = [];
  const top: Partial<Record<AblationGroup["outcome"], readonly AblationCurve[]>> = {};
  for (const outcome of ABLATED_OUTCOMES) {
    const condition = ablationCondition({ model, outcome, benchmarks: failureBenchmarks(study) });
    const { curves, settings } = await readAblations(db, condition);
    if (curves.length === 0) continue;
    top[outcome] = curves.filter(({ ranking }) => ranking.name === "attnlrp");
    groups.push({
      outcome,
      summaries: summariseAblations(curves, settings, seed),
      comparisons: compareAblations(curves, settings, seed),
    });
  }
  return { groups, contrasts: contrastsOf(top.m_ia ?? [], top.nc_ia_ag ?? [], seed) };
}

function contrastsOf(
  explained: readonly AblationCurve[],
  unexplained: readonly AblationCurve[],
  seed: number,
): AblationContrast[] {
  return UNITS.flatMap((unit) => {
    const [plain, open] = [explained, unexplained].map((curves) => curves.filter((curve) => curve.unit === unit));
    if (plain!.length === 0 || open!.length === 0) return [];
    return open![0]!.counts.filter((count) => count > 0).map((count): AblationContrast => {
      const difference = (what: string, of: (curve: AblationCurve) => number) =>
        bootstrapDifference(open!.map(of), plain!.map(of), { seed, name: `${what} ${unit} ${count}` });
      return {
        unit,
        count,
        concentration: difference("held", ({ ranking }) => concentration(ranking, count) ?? 0),
        lost: difference("lost", (curve) => lostAt(curve, count) / curve.steps[0]!.delta),
      };
    });
  });
}

const span = ({ value, low, high }: Interval, digits = 2) =>
  `${fixed(value, digits)} [${fixed(low, digits)}, ${fixed(high, digits)}]`;

/** The part of the document. */
export function ablationPart({ groups, contrasts }: AblationNumbers, study: WildStudy): string {
  const text = `## Heads and neurons

Of the clean pairs at most ${study.ablatedEach} of each outcome, drawn by the seed, are asked at the level that the paper
leaves open: attention heads and MLP neurons are set to zero at every token ([masking.md](masking.md)), the most relevant ones
by AttnLRP first, against random ones of the same layers and against the lowest-ranked. M-IA: the heatmap explains the
choice; NC-IA+AG: neither heatmap nor graph does.`;
  if (groups.length === 0) return `${text}\n\n*Nothing is ablated.*`;
  return `${text}

${
    table(
      ["outcome", "what", "ranking", "cases", "k", "flipped", "delta lost [95 %]", "share held [95 %]"],
      curveRows(groups),
    )
  }

Flipped: share of cases in which the wrong token is no longer the argmax with at most k at zero. Share held: of the positive
relevance of all heads, or of all neurons.

${
    table(
      ["outcome", "what", "difference, paired by case", "area under flip rate [95 %]", "delta lost [95 %]", "cases"],
      comparisonRows(groups),
    )
  }

${
    contrasts.length === 0
      ? "*The two outcomes cannot be compared: one of them has no cases here.*"
      : `NC-IA+AG less M-IA, other cases on either side (percentiles of both drawn anew):\n\n${
        table(
          ["what", "k", "share held [95 %]", "share of delta lost [95 %]", "cases"],
          contrasts.map(({ unit, count, concentration, lost }) => [
            unit,
            String(count),
            span(concentration),
            span(lost),
            String(lost.count),
          ]),
        )
      }`
  }`;
}

function curveRows(groups: readonly AblationGroup[]): string[][] {
  return groups.flatMap(({ outcome, summaries }) =>
    summaries.flatMap(({ unit, ranking, cases, counts, away, lost, concentration }) =>
      counts.map((count, at) => [
        outcomeName(outcome),
        unit,
        ranking,
        String(cases),
        String(count),
        `${fixed(100 * away.rate[at]!, 0)} %`,
        span(lost[at]!),
        concentration === null ? "–" : span(concentration[at]!),
      ])
    )
  );
}

function comparisonRows(groups: readonly AblationGroup[]): string[][] {
  return groups.flatMap(({ outcome, comparisons }) =>
    comparisons.filter(({ first }) => first === "attnlrp").map(({ unit, second, difference, lost }) => [
      outcomeName(outcome),
      unit,
      `AttnLRP − ${second}`,
      span(difference),
      span(lost),
      String(difference.count),
    ])
  );
}
