/** The numbers of the paper's tables and figures (arXiv 2604.17761) on one model, read from the database. */
import { gunzipSync } from "node:zlib";
import { and, eq } from "drizzle-orm";
import { attributionGraphs } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { measureLayers } from "../graphs/layer_metrics.ts";
import { readGraphFile } from "../graphs/stored_graph.ts";
import type { DiagnosisRow, FailureRow, MaskingPart, Report } from "../report/read_report.ts";
import { type Interval, mean } from "../base/statistics/bootstrap.ts";

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

export interface PaperNumbers {
  readonly failures: readonly FailureRow[];
  readonly diagnoses: readonly DiagnosisRow[];
  /** Share of |relevance| that the first token has, by node layer: mean over so many graphs, or attributions. */
  readonly sink: readonly { readonly layer: number; readonly share: number; readonly graphs: number }[];
  readonly masking: readonly MaskingNumbers[];
  readonly maskingDifferences: readonly MaskingDifference[];
}

/** `tables`: the report on the model's own pairs. */
export function paperNumbers(model: string, tables: Report, sink: PaperNumbers["sink"]): PaperNumbers {
  return {
    failures: tables.failures.filter((row) => row.model === model),
    diagnoses: tables.diagnoses,
    sink,
    masking: maskingNumbers(tables.masking),
    maskingDifferences: (tables.masking?.summary.comparisons ?? []).filter(({ first }) => first === "attnlrp")
      .map(({ replacement, second, difference }) => ({ replacement, second, difference })),
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

/** Over the graphs of the model's own cases. */
export async function sinkShares(db: Database, model: string): Promise<PaperNumbers["sink"]> {
  const rows = await db.select({ file: attributionGraphs.file, inputIds: failureCases.inputIds }).from(
    attributionGraphs,
  )
    .innerJoin(attributions, eq(attributions.id, attributionGraphs.attributionId))
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, attributions.modelId))
    .where(
      and(
        eq(models.name, model),
        eq(attributions.rule, "attnlrp"),
        eq(failureCases.modelId, attributions.modelId),
      ),
    )
    .orderBy(attributionGraphs.id);
  const layers = rows.flatMap(({ file, inputIds }) => measureLayers(readGraphFile(gunzipSync(file), inputIds)));
  return [...Map.groupBy(layers, ({ layer }) => layer)].sort(([a], [b]) => a - b).flatMap(([layer, own]) => {
    const shares = own.flatMap(({ sinkShare }) => sinkShare === null ? [] : [sinkShare]);
    return shares.length === 0 ? [] : [{ layer, share: mean(shares), graphs: shares.length }];
  });
}
