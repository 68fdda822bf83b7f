/** What a report says of segments, and of how its numbers came about. */
import { count, eq, type SQL, sql } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import { attributionGraphs, diagnoses } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import type { MarkOrigin } from "../marks/found_marks.ts";
import type { Mean } from "./read_layers.ts";

export const SEGMENT_NAMES = ["instruction", "query", "answer", "special"] as const;
export type SegmentName = (typeof SEGMENT_NAMES)[number];

/** Sums of normalised relevance at the embeddings, mean over cases. */
export interface SegmentRow {
  readonly benchmark: string;
  /** null: no pattern, or not diagnosed. */
  readonly pattern: string | null;
  readonly count: number;
  readonly means: Readonly<Record<SegmentName, Mean>>;
}

const SUMS = {
  instruction: attributions.instructionSum,
  query: attributions.querySum,
  answer: attributions.answerSum,
  special: attributions.specialSum,
} as const;

/** By benchmark and pattern. `own`: condition of the selection. */
export async function readSegments(db: Database, own: SQL | undefined): Promise<SegmentRow[]> {
  const mean = (column: AnyPgColumn) => sql<number>`avg(${column})`.mapWith(Number);
  const spread = (column: AnyPgColumn) => sql<number>`coalesce(stddev_samp(${column}), 0)`.mapWith(Number);
  const rows = await db.select({
    benchmark: attributions.benchmark,
    pattern: attributions.pattern,
    count: sql<number>`count(${attributions.instructionSum})::int`,
    instruction: mean(SUMS.instruction),
    query: mean(SUMS.query),
    answer: mean(SUMS.answer),
    special: mean(SUMS.special),
    instructionSpread: spread(SUMS.instruction),
    querySpread: spread(SUMS.query),
    answerSpread: spread(SUMS.answer),
    specialSpread: spread(SUMS.special),
  }).from(attributions).innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .where(own).groupBy(attributions.benchmark, attributions.pattern)
    .orderBy(attributions.benchmark, attributions.pattern);
  return rows.filter((row) => row.count > 0).map((row) => {
    const of = (name: SegmentName): Mean => {
      const half = 1.96 * row[`${name}Spread`] / Math.sqrt(row.count);
      return { value: row[name], low: row[name] - half, high: row[name] + half, count: row.count };
    };
    const { benchmark, pattern, count } = row;
    return {
      benchmark,
      pattern,
      count,
      means: { instruction: of("instruction"), query: of("query"), answer: of("answer"), special: of("special") },
    };
  });
}

/** What computed a part of the numbers, and how long it took. */
export interface CostRow {
  readonly model: string;
  readonly modelHash: string;
  readonly what: "attribution" | "graph";
  readonly adapter: string;
  /** Version and hash of the kernels; null in rows from before it was kept. */
  readonly engine: string | null;
  readonly count: number;
  /** Medians. */
  readonly tokens: number;
  readonly seconds: number;
  /** Median edges of graphs; null for attributions. */
  readonly edges: number | null;
}

/** Attributions and graphs by model, adapter and engine. */
export async function readCosts(db: Database, own: SQL | undefined): Promise<CostRow[]> {
  const median = (column: AnyPgColumn) =>
    sql<number>`percentile_cont(0.5) within group (order by ${column})`.mapWith(Number);
  const plain = await db.select({
    model: models.name,
    modelHash: models.hash,
    adapter: attributions.adapter,
    engine: attributions.engine,
    count: count(),
    tokens: median(attributions.tokenCount),
    seconds: median(attributions.seconds),
  }).from(attributions).innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, attributions.modelId)).where(own)
    .groupBy(models.name, models.hash, attributions.adapter, attributions.engine)
    .orderBy(models.name, attributions.adapter, attributions.engine);
  const graphs = await db.select({
    model: models.name,
    modelHash: models.hash,
    adapter: attributionGraphs.adapter,
    engine: attributionGraphs.engine,
    count: count(),
    tokens: median(attributions.tokenCount),
    seconds: median(attributionGraphs.seconds),
    edges: median(attributionGraphs.edges),
  }).from(attributions).innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, attributions.modelId))
    .innerJoin(attributionGraphs, eq(attributionGraphs.attributionId, attributions.id)).where(own)
    .groupBy(models.name, models.hash, attributionGraphs.adapter, attributionGraphs.engine)
    .orderBy(models.name, attributionGraphs.adapter, attributionGraphs.engine);
  return [
    ...plain.map((row): CostRow => ({ ...row, what: "attribution", edges: null })),
    ...graphs.map((row): CostRow => ({ ...row, what: "graph" })),
  ];
}

/** How many attributions go by marks of an origin and version; null where nobody marked any. */
export interface MarksRow {
  readonly origin: MarkOrigin | null;
  readonly version: string | null;
  readonly count: number;
}

/** The marks of a selection's segments. */
export async function readMarkOrigins(db: Database, own: SQL | undefined): Promise<MarksRow[]> {
  const version = sql<string | null>`case when ${attributions.marksOrigin} = ${failureCases.marksOrigin}
    then ${failureCases.marksVersion} end`;
  return await db.select({ origin: attributions.marksOrigin, version, count: count() }).from(attributions)
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .where(own).groupBy(attributions.marksOrigin, version).orderBy(attributions.marksOrigin, version);
}

/** Versions of the classifier that made the diagnoses of a selection. */
export async function readVersions(db: Database, own: SQL | undefined): Promise<string[]> {
  const rows = await db.selectDistinct({ version: diagnoses.version }).from(attributions)
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(diagnoses, eq(diagnoses.attributionId, attributions.id)).where(own).orderBy(diagnoses.version);
  return rows.map(({ version }) => version);
}
