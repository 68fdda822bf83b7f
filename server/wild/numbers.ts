/** The numbers of a run, read from its database: what the document is written from. */
import { readFile } from "node:fs/promises";
import { and, count, eq, inArray, isNotNull, sql } from "drizzle-orm";
import { causalMarks, diagnoses } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, responses, tokenPairs } from "../../schema/tables/tables.ts";
import { wholeLines } from "../base/json_text.ts";
import { mean } from "../base/statistics/bootstrap.ts";
import { type PaperNumbers, paperNumbers } from "../paper/numbers.ts";
import type { DiagnosisRow, Report } from "../report/read_report.ts";
import type { Mean } from "../report/read_layers.ts";
import type { MarksRow } from "../report/read_sums.ts";
import { type AblationNumbers, readWildAblations } from "./ablation.ts";
import { preferenceFile } from "./compute.ts";
import { type QuantisedRow, readQuantised } from "./quantisation.ts";
import { type ReadersRow, readReaders } from "./readers.ts";
import { controlName } from "../cases/controls.ts";
import { failureBenchmarks, type WildStudy } from "./study.ts";

export const NUMBERS_FORMAT = "culprit-wild/1";

/** Answers to a benchmark, as far as they are there. */
export interface AnswersRow {
  readonly benchmark: string;
  readonly answers: number;
  readonly passed: number;
  readonly failed: number;
  readonly undecided: number;
  /** Answers that reached the most tokens: they were cut off. */
  readonly truncated: number;
  readonly meanTokens: number;
}

export interface ExclusionRow {
  readonly benchmark: string;
  /** `open`: not searched to the end yet. */
  readonly reason: string;
  readonly count: number;
}

/** How many cases of a benchmark have causal marks, and how many sentences of theirs are marked. */
export interface CausalRow {
  readonly benchmark: string;
  readonly cases: number;
  readonly sentences: number;
  readonly marked: number;
}

/** What the numbers of a diagnosis are on average, for failures and for controls. */
export interface MeasuresRow {
  readonly benchmark: string;
  readonly control: boolean;
  readonly cases: number;
  readonly delta: number;
  readonly namedShare: number;
  readonly centreTokens: number;
}

/** A failure that neither heatmap nor graph explains. */
export interface Unexplained {
  readonly key: string;
  readonly target: string;
  readonly contrast: string;
  readonly delta: number;
}

/** Preference pairs of a benchmark's failures. */
export interface WeightsRow {
  readonly benchmark: string;
  readonly pairs: number;
  /** Pairs all of whose tokens weigh the same: nothing is marked, or no relevance lies on it. */
  readonly flat: number;
  /** Largest weight of an answer's token, mean over both answers of all pairs; each answer's mean weight is 1. */
  readonly largest: number;
  /** Marks that the weights go by, and how often. */
  readonly marks: Readonly<Record<string, number>>;
}

export interface WildNumbers extends PaperNumbers {
  readonly format: typeof NUMBERS_FORMAT;
  readonly study: WildStudy;
  readonly answers: readonly AnswersRow[];
  readonly exclusions: readonly ExclusionRow[];
  readonly sinkIntervals: readonly Mean[];
  readonly controls: readonly DiagnosisRow[];
  readonly measures: readonly MeasuresRow[];
  readonly marks: readonly MarksRow[];
  readonly causal: readonly CausalRow[];
  readonly unexplained: readonly Unexplained[];
  readonly ablations: AblationNumbers;
  readonly weights: readonly WeightsRow[];
  readonly readers: readonly ReadersRow[];
  readonly quantised: readonly QuantisedRow[];
  readonly classifier: readonly string[];
}

/** `tables`: the report on the failures' pairs; `controls`: that on pairs drawn by chance. */
export async function wildNumbers(
  db: Database,
  study: WildStudy,
  home: string,
  tables: Report,
  controls: Report,
): Promise<WildNumbers> {
  const sinkIntervals = tables.sinks.find(({ model }) => model === study.model)?.shares ?? [];
  const sink = sinkIntervals.map(({ value, count }, layer) => ({ layer, share: value, graphs: count }));
  const names = failureBenchmarks(study);
  return {
    format: NUMBERS_FORMAT,
    study,
    ...paperNumbers(study.model, tables, sink),
    answers: await readAnswers(db, study),
    exclusions: await readExclusions(db, study.model, names),
    sinkIntervals,
    controls: controls.diagnoses,
    measures: await readMeasures(db, study),
    marks: tables.markOrigins,
    causal: await readCausal(db, study.model, names),
    unexplained: await readUnexplained(db, study.model, names),
    ablations: await readWildAblations(db, study),
    weights: await readWeights(home, names),
    readers: await readReaders(db, names),
    quantised: await readQuantised(db, study.model, study.seed),
    classifier: tables.versions,
  };
}

async function readAnswers(db: Database, { model, benchmarks }: WildStudy): Promise<AnswersRow[]> {
  const rows: AnswersRow[] = [];
  for (const { name, maxTokens } of benchmarks) {
    const tokens = sql`cardinality(${responses.completionIds})`;
    const counted = (condition: ReturnType<typeof sql>) => sql<number>`(count(*) filter (where ${condition}))::int`;
    const [row] = await db.select({
      answers: count(),
      passed: counted(sql`${responses.passed}`),
      failed: counted(sql`not ${responses.passed}`),
      undecided: counted(sql`${responses.passed} is null`),
      truncated: counted(sql`${tokens} >= ${maxTokens}`),
      meanTokens: sql<number>`coalesce(avg(${tokens}), 0)`.mapWith(Number),
    }).from(responses).innerJoin(models, eq(models.id, responses.modelId))
      .where(and(eq(models.name, model), eq(responses.benchmark, name)));
    rows.push({ benchmark: name, ...row! });
  }
  return rows;
}

async function readExclusions(db: Database, model: string, names: readonly string[]): Promise<ExclusionRow[]> {
  const reason = sql<string>`coalesce(${failureCases.exclusion}, ${failureCases.status}::text)`;
  return await db.select({ benchmark: failureCases.benchmark, reason, count: count() }).from(failureCases)
    .innerJoin(models, eq(models.id, failureCases.modelId))
    .where(and(eq(models.name, model), inArray(failureCases.benchmark, [...names])))
    .groupBy(failureCases.benchmark, reason).orderBy(failureCases.benchmark, reason);
}

async function readMeasures(db: Database, study: WildStudy): Promise<MeasuresRow[]> {
  const { model, benchmarks } = study;
  const failures = failureBenchmarks(study);
  const controls = benchmarks.map(({ name }) => controlName(name));
  const names = [...failures, ...controls];
  const rows = await db.select({
    benchmark: failureCases.benchmark,
    delta: attributions.logitDifference,
    evidence: diagnoses.evidence,
  }).from(diagnoses).innerJoin(attributions, eq(attributions.id, diagnoses.attributionId))
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, attributions.modelId))
    .where(and(
      eq(models.name, model),
      eq(attributions.modelId, failureCases.modelId),
      inArray(failureCases.benchmark, names),
    ));
  const sides = [
    ...failures.map((name) => ({ name, stored: name, control: false })),
    ...benchmarks.map(({ name }) => ({ name, stored: controlName(name), control: true })),
  ];
  return sides.flatMap(({ name, stored, control }) => {
    const own = rows.filter((row) => row.benchmark === stored);
    const number = (wanted: string) =>
      own.flatMap(({ evidence }) => evidence.numbers.filter((one) => one.name === wanted).map(({ value }) => value));
    return own.length === 0 ? [] : [{
      benchmark: name,
      control,
      cases: own.length,
      delta: mean(own.map(({ delta }) => delta)),
      namedShare: mean(number("namedShare")),
      centreTokens: mean(number("centreTokens")),
    }];
  });
}

async function readCausal(db: Database, model: string, names: readonly string[]): Promise<CausalRow[]> {
  const rows = await db.select({ benchmark: failureCases.benchmark, sentences: causalMarks.sentences }).from(
    causalMarks,
  )
    .innerJoin(tokenPairs, eq(tokenPairs.id, causalMarks.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, failureCases.modelId))
    .where(and(eq(models.name, model), inArray(failureCases.benchmark, [...names])));
  return [...Map.groupBy(rows, ({ benchmark }) => benchmark)].map(([benchmark, own]) => ({
    benchmark,
    cases: own.length,
    sentences: own.reduce((sum, { sentences }) => sum + sentences.length, 0),
    marked: own.reduce((sum, { sentences }) => sum + sentences.filter((one) => one.marked).length, 0),
  }));
}

async function readUnexplained(db: Database, model: string, names: readonly string[]): Promise<Unexplained[]> {
  return await db.select({
    key: failureCases.key,
    target: tokenPairs.targetText,
    contrast: tokenPairs.contrastText,
    delta: attributions.logitDifference,
  }).from(attributions)
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, attributions.modelId))
    .where(and(
      eq(models.name, model),
      eq(attributions.modelId, failureCases.modelId),
      inArray(failureCases.benchmark, [...names]),
      isNotNull(attributions.outcome),
      eq(attributions.outcome, "nc_ia_ag"),
    )).orderBy(failureCases.key);
}

interface WeightedLine {
  readonly chosen_weights: readonly number[];
  readonly rejected_weights: readonly number[];
  readonly marks: string;
}

async function readWeights(home: string, names: readonly string[]): Promise<WeightsRow[]> {
  const rows: WeightsRow[] = [];
  for (const benchmark of names) {
    const text = await readFile(preferenceFile(home, benchmark), "utf8").catch(() => "");
    const lines = wholeLines(text) as WeightedLine[];
    if (lines.length === 0) continue;
    const answers = lines.flatMap((line) => [line.chosen_weights, line.rejected_weights]);
    const flat = lines.filter((line) =>
      [...line.chosen_weights, ...line.rejected_weights].every((weight) => Math.abs(weight - 1) < 1e-9)
    );
    rows.push({
      benchmark,
      pairs: lines.length,
      flat: flat.length,
      largest: answers.reduce((sum, weights) => sum + Math.max(...weights), 0) / answers.length,
      marks: Object.fromEntries(
        [...Map.groupBy(lines, ({ marks }) => marks)].map(([name, own]) => [name, own.length]),
      ),
    });
  }
  return rows;
}
