/** The numbers of the reproduction, read from the database: what the document is written from, and what --check compares. */
import { gunzipSync } from "node:zlib";
import { and, eq } from "drizzle-orm";
import { attributionGraphs } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { measureLayers } from "../graphs/layer_metrics.ts";
import { readGraphFile } from "../graphs/stored_graph.ts";
import type { DiagnosisRow, FailureRow, MaskingPart, Report } from "../report/read_report.ts";
import type { StudySummary } from "../studies/summary.ts";
import { type Interval, mean } from "../base/statistics/bootstrap.ts";
import type { ReproductionStudy } from "./study.ts";

export const NUMBERS_FORMAT = "culprit-reproduction/1";

export interface MaskingNumbers {
  readonly ranking: string;
  readonly replacement: string;
  readonly cases: number;
  readonly area: Interval;
  /** Null where half or more of the curves never flipped. */
  readonly medianTokens: number | null;
  readonly censored: number;
  readonly curves: number;
  readonly passesArea: Interval | null;
}

export interface MaskingDifference {
  readonly replacement: string;
  readonly second: string;
  /** Area of AttnLRP less the area of `second`, paired by case. */
  readonly difference: Interval;
}

export interface SeriesNumbers {
  readonly series: string;
  readonly kind: string;
  readonly cases: string;
  readonly summary: StudySummary;
}

export interface ReproductionNumbers {
  readonly format: typeof NUMBERS_FORMAT;
  readonly study: ReproductionStudy;
  readonly failures: readonly FailureRow[];
  readonly diagnoses: readonly DiagnosisRow[];
  /** Share of |relevance| that the first token has, by node layer: mean over the graphs of `model`. */
  readonly sink: readonly { readonly layer: number; readonly share: number; readonly graphs: number }[];
  readonly masking: readonly MaskingNumbers[];
  readonly maskingDifferences: readonly MaskingDifference[];
  readonly series: readonly SeriesNumbers[];
}

/** `tables`: the report on the model's own pairs; `parts`: reports that show the studies of the series, in their order. */
export async function numbersOf(
  db: Database,
  study: ReproductionStudy,
  tables: Report,
  parts: readonly Report[],
): Promise<ReproductionNumbers> {
  return {
    format: NUMBERS_FORMAT,
    study,
    failures: tables.failures.filter(({ model }) => model === study.model),
    diagnoses: tables.diagnoses,
    sink: await sinkShares(db, study.model),
    masking: maskingNumbers(tables.masking),
    maskingDifferences: (tables.masking?.summary.comparisons ?? []).filter(({ first }) => first === "attnlrp")
      .map(({ replacement, second, difference }) => ({ replacement, second, difference })),
    series: parts.map(({ studyPart }, index) => {
      const { series, cases } = study.series[index]!;
      if (studyPart === null) throw new Error(`There is no study of ${series}`);
      return { series, kind: studyPart.study.kind, cases, summary: studyPart.summary };
    }),
  };
}

function maskingNumbers(part: MaskingPart | null): MaskingNumbers[] {
  return (part?.summary.summaries ?? []).map(({ ranking, replacement, cases, away, passes }) => ({
    ranking,
    replacement,
    cases,
    area: away.area,
    medianTokens: away.medianTokens,
    censored: away.censored,
    curves: away.reached + away.censored,
    passesArea: passes?.area ?? null,
  }));
}

async function sinkShares(db: Database, model: string): Promise<ReproductionNumbers["sink"]> {
  const rows = await db.select({ file: attributionGraphs.file, inputIds: failureCases.inputIds }).from(
    attributionGraphs,
  )
    .innerJoin(attributions, eq(attributions.id, attributionGraphs.attributionId))
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, attributions.modelId))
    .where(
      and(eq(models.name, model), eq(attributions.rule, "attnlrp"), eq(failureCases.modelId, attributions.modelId)),
    )
    .orderBy(attributionGraphs.id);
  const layers = rows.flatMap(({ file, inputIds }) => measureLayers(readGraphFile(gunzipSync(file), inputIds)));
  return [...Map.groupBy(layers, ({ layer }) => layer)].sort(([a], [b]) => a - b).flatMap(([layer, own]) => {
    const shares = own.flatMap(({ sinkShare }) => sinkShare === null ? [] : [sinkShare]);
    return shares.length === 0 ? [] : [{ layer, share: mean(shares), graphs: shares.length }];
  });
}
