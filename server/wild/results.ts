/**
 * What a run stores for each case, so that it can be looked at and computed again without its database: answers, and
 * pairs with their relevance and diagnosis.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { and, asc, eq, inArray } from "drizzle-orm";
import { diagnoses } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, responses, tokenPairs } from "../../schema/tables/tables.ts";
import { pairLines } from "../cases/export_pairs.ts";
import { pairsOf } from "../jobs/pair_selection.ts";
import { controlName } from "../cases/controls.ts";
import { failureBenchmarks, type WildStudy } from "./study.ts";

/** An answer by its tokens; the item's text stands in the benchmark's file. */
export interface StoredAnswer {
  readonly benchmark: string;
  readonly task: string;
  readonly key: string;
  readonly passed: boolean | null;
  readonly maxTokens: number;
  readonly promptIds: readonly number[];
  /** With the token that ended it. */
  readonly completionIds: readonly number[];
}

type Attribution = typeof attributions.$inferSelect;

/** A pair's relevance at the embeddings, in logits, and what the classifier says of it. */
export interface StoredResult {
  readonly key: string;
  readonly benchmark: string;
  readonly control: boolean;
  /** [tokens] */
  readonly inputIds: readonly number[];
  readonly target: number;
  readonly contrast: number;
  readonly logitDifference: number;
  /** Rounded to six digits, [tokens]. */
  readonly relevance: readonly number[];
  readonly marks: string | null;
  readonly outcome: Attribution["outcome"];
  readonly pattern: Attribution["pattern"];
  readonly confidence: number | null;
  /** What the classifier measured, by its names (docs/diagnosis.md). */
  readonly measures: Readonly<Record<string, number>> | null;
  readonly adapter: string;
  readonly seconds: number;
}

/** The benchmarks of a study's failures and controls. */
const storedBenchmarks = (study: WildStudy): string[] => [
  ...failureBenchmarks(study),
  ...study.benchmarks.map(({ name }) => controlName(name)),
];

export async function readAnswers(db: Database, { model, benchmarks }: WildStudy): Promise<StoredAnswer[]> {
  const rows = await db.select({
    benchmark: responses.benchmark,
    task: responses.task,
    key: responses.key,
    passed: responses.passed,
    promptIds: responses.promptIds,
    completionIds: responses.completionIds,
  }).from(responses).innerJoin(models, eq(models.id, responses.modelId))
    .where(and(eq(models.name, model), inArray(responses.benchmark, benchmarks.map(({ name }) => name))))
    .orderBy(asc(responses.benchmark), asc(responses.key));
  return rows.map((row) => ({
    ...row,
    maxTokens: benchmarks.find(({ name }) => name === row.benchmark)!.maxTokens,
  }));
}

export async function readResults(db: Database, study: WildStudy): Promise<StoredResult[]> {
  const { model } = study;
  const names = storedBenchmarks(study);
  const failures = new Set(failureBenchmarks(study));
  const rows = await db.select({
    key: failureCases.key,
    benchmark: failureCases.benchmark,
    inputIds: failureCases.inputIds,
    target: tokenPairs.targetId,
    contrast: tokenPairs.contrastId,
    attribution: attributions,
    confidence: diagnoses.confidence,
    evidence: diagnoses.evidence,
  }).from(attributions)
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, attributions.modelId))
    .leftJoin(diagnoses, eq(diagnoses.attributionId, attributions.id))
    .where(and(
      eq(models.name, model),
      eq(attributions.modelId, failureCases.modelId),
      eq(attributions.rule, "attnlrp"),
      inArray(failureCases.benchmark, names),
    )).orderBy(asc(failureCases.benchmark), asc(failureCases.key), asc(tokenPairs.id));
  return rows.map(({ attribution, key, benchmark, inputIds, target, contrast, confidence, evidence }) => {
    const floats = new DataView(Uint8Array.from(attribution.relevance).buffer);
    const { logitDifference, marksOrigin, outcome, pattern, adapter, seconds } = attribution;
    return {
      key,
      benchmark,
      control: !failures.has(benchmark),
      inputIds,
      target,
      contrast,
      logitDifference,
      relevance: inputIds.map((_, position) => Number(floats.getFloat32(4 * position, true).toPrecision(6))),
      marks: marksOrigin,
      outcome,
      pattern,
      confidence,
      measures: evidence && Object.fromEntries(evidence.numbers.map(({ name, value }) => [name, value])),
      adapter,
      seconds,
    };
  });
}

/** Clean pairs, failures and controls, as lines of culprit/1, which `import` reads. */
export async function readCaseLines(db: Database, study: WildStudy): Promise<string[]> {
  const benchmarks = storedBenchmarks(study);
  const ids = await pairsOf(db, { selection: "all", model: study.model, benchmarks, key: null, limit: null });
  const lines: string[] = [];
  for await (const { line } of pairLines(db, ids)) lines.push(line);
  return lines;
}

/** JSON lines, packed: the same bytes for the same rows. */
export const packed = (rows: readonly (object | string)[]): Uint8Array =>
  gzipSync(rows.map((row) => `${typeof row === "string" ? row : JSON.stringify(row)}\n`).join(""), { level: 9 });

/** The rows of such a file. */
export const unpacked = <Row>(bytes: Uint8Array): Row[] =>
  gunzipSync(bytes).toString("utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Row);
