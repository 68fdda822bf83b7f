/** Everything that a report shows, read from the database. */
import { and, count, desc, eq, inArray, isNotNull, type SQL, sql } from "drizzle-orm";
import { gunzipSync } from "node:zlib";
import { attributionGraphs, diagnoses, maskingExperiments, studies } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, responses, tokenPairs } from "../../schema/tables/tables.ts";
import type { Rule } from "../../gpu/mod.ts";
import { among } from "../base/among.ts";
import type { StoredGraphMetrics } from "../../schema/tables/analysis_values.ts";
import type { LabelAgreementRow } from "../../schema/services/diagnoses.ts";
import type { StudyPointRow } from "../../schema/services/studies.ts";
import { measureGraph, shownMetrics } from "../graphs/graph_metrics.ts";
import { summariseMasking } from "../masking/masking_job.ts";
import { caseCondition, type PairSelection, pairsOf } from "../jobs/pair_selection.ts";
import { labelAgreement } from "../diagnosis/label_agreement.ts";
import { readPoints, readStudy, readStudySummary, type SourcedSummary, type StudyRow } from "../studies/numbers.ts";
import { readGraphFile } from "../graphs/stored_graph.ts";
import { readShapes, readSinks, type ShapePart, type SinkPart } from "./read_layers.ts";
import {
  type CostRow,
  type MarksRow,
  readCosts,
  readMarkOrigins,
  readSegments,
  readVersions,
  type SegmentRow,
} from "./read_sums.ts";

export interface ReportRequest {
  readonly selection: PairSelection;
  readonly rule: Rule;
  /** A study's name; none is shown when left out. */
  readonly study: string | undefined;
  /** Seed of bootstrap intervals. */
  readonly seed: number;
}

/** Failures of a benchmark and model (table 1 of arXiv 2604.17761). */
export interface FailureRow {
  readonly benchmark: string;
  readonly model: string;
  /** Answers that are stored, passed or not; 0 where only failures were imported, or a part of the cases is selected. */
  readonly answers: number;
  readonly failures: number;
  readonly clean: number;
  readonly excluded: number;
  /** Mean tokens of clean cases up to the wrong token; null without any. */
  readonly tokens: number | null;
}

export interface DiagnosisRow {
  readonly benchmark: string;
  readonly outcome: string;
  readonly pattern: string | null;
  readonly count: number;
}

/** A case whose relevance is shown token by token. */
export interface HeatExample {
  readonly label: string;
  readonly key: string;
  readonly model: string;
  readonly target: string;
  readonly contrast: string;
  readonly delta: number;
  readonly tokens: readonly string[];
  /** One letter a token. */
  readonly segments: string;
  readonly promptTokens: number;
  /** At the embeddings, divided by the largest of tokens that are not special. */
  readonly relevance: readonly number[];
  /** That largest one, in logits. */
  readonly scale: number;
}

/** One that the classifier chose. */
export interface Example extends HeatExample {
  readonly confidence: number;
  readonly summary: string;
}

export interface GraphExample {
  readonly key: string;
  readonly model: string;
  readonly target: string;
  readonly contrast: string;
  readonly tokens: readonly string[];
  readonly nodeLayers: readonly number[];
  readonly edges: number;
  readonly mass: number;
  readonly reduced: StoredGraphMetrics["reduced"];
  readonly transfer: StoredGraphMetrics["transfer"];
}

export interface StudyPart {
  readonly study: StudyRow;
  readonly summary: SourcedSummary;
  /** Pairs that the first and the last member have. */
  readonly points: readonly StudyPointRow[];
}

export interface MaskingPart {
  readonly budget: number;
  readonly answerToo: boolean;
  readonly summary: Awaited<ReturnType<typeof summariseMasking>>;
}

export interface Report extends ReportRequest {
  readonly pairs: number;
  /** Pairs attributed by the rule on their own model. */
  readonly attributed: number;
  readonly failures: readonly FailureRow[];
  readonly diagnoses: readonly DiagnosisRow[];
  /** Over all labelled pairs of the selection's benchmarks. */
  readonly readers: readonly LabelAgreementRow[];
  readonly segments: readonly SegmentRow[];
  readonly sinks: readonly SinkPart[];
  readonly shapes: readonly ShapePart[];
  readonly costs: readonly CostRow[];
  /** Of the classifier. */
  readonly versions: readonly string[];
  readonly markOrigins: readonly MarksRow[];
  /** What writes this page again. */
  readonly command: string;
  readonly examples: readonly Example[];
  readonly graph: GraphExample | null;
  readonly studyPart: StudyPart | null;
  readonly masking: MaskingPart | null;
}

export async function readReport(db: Database, request: ReportRequest): Promise<Report> {
  const ids = await pairsOf(db, request.selection);
  const own = and(
    among(attributions.tokenPairId, ids),
    eq(attributions.rule, request.rule),
    eq(attributions.modelId, failureCases.modelId),
  );
  const none = ids.length === 0;
  const benchmarks = request.selection.benchmarks;
  return {
    ...request,
    pairs: ids.length,
    attributed: none ? 0 : await countAttributed(db, own),
    failures: await readFailures(db, request, ids),
    diagnoses: none ? [] : await readDiagnoses(db, own),
    readers: none ? [] : await labelAgreement(db, {
      benchmark: benchmarks?.length === 1 ? benchmarks[0] : undefined,
      rule: request.rule,
    }),
    segments: none ? [] : await readSegments(db, own),
    sinks: none ? [] : await readSinks(db, own),
    shapes: none ? [] : await readShapes(db, own),
    costs: none ? [] : await readCosts(db, own),
    versions: none ? [] : await readVersions(db, own),
    markOrigins: none ? [] : await readMarkOrigins(db, own),
    command: commandOf(request),
    examples: none ? [] : await readExamples(db, own),
    graph: none ? null : await readGraphExample(db, own),
    studyPart: await readStudyPart(db, request),
    masking: none ? null : await readMasking(db, ids, request.seed),
  };
}

/** A word of a command line, in quotes where a shell would read it otherwise. */
const word = (text: string): string => /^[\w@./:,+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

function commandOf({ selection, rule, study, seed }: ReportRequest): string {
  const options = {
    selection: selection.selection === "clean" ? null : selection.selection,
    model: selection.model,
    benchmark: selection.benchmarks?.join(",") ?? null,
    key: selection.key,
    limit: selection.limit === null ? null : String(selection.limit),
    sample: selection.seed === undefined ? null : String(selection.seed),
    rule: rule === "attnlrp" ? null : rule,
    study: study ?? null,
    seed: seed === 1 ? null : String(seed),
  };
  const given = Object.entries(options).flatMap(([name, value]) => value === null ? [] : [`--${name} ${word(value)}`]);
  return ["npx culprit export report", ...given, "--out report.html"].join(" ");
}

/** Of the cases that the selection is of: with a limit those of its pairs, else all that its conditions fit. */
async function readFailures(
  db: Database,
  { selection }: ReportRequest,
  pairIds: readonly number[],
): Promise<FailureRow[]> {
  const ofPairs = selection.limit === null ? undefined : inArray(
    failureCases.id,
    db.select({ id: tokenPairs.failureCaseId }).from(tokenPairs).where(among(tokenPairs.id, pairIds)),
  );
  const rows = await db.select({
    benchmark: failureCases.benchmark,
    model: models.name,
    modelId: models.id,
    failures: count(),
    clean: sql<number>`(count(*) filter (where ${failureCases.status} = 'clean'))::int`,
    excluded: sql<number>`(count(*) filter (where ${failureCases.status} = 'excluded'))::int`,
    tokens: sql<number | null>`avg(${failureCases.tokenCount}) filter (where ${failureCases.status} = 'clean')`
      .mapWith((value) => value === null ? null : Number(value)),
  }).from(failureCases).innerJoin(models, eq(models.id, failureCases.modelId))
    .where(and(caseCondition(selection), ofPairs)).groupBy(failureCases.benchmark, models.name, models.id)
    .orderBy(failureCases.benchmark, models.name);
  const answers = await db.select({ benchmark: responses.benchmark, modelId: responses.modelId, count: count() })
    .from(responses).groupBy(responses.benchmark, responses.modelId);
  // Answers have no key that a part of the cases could be told by.
  const isPart = selection.limit !== null || selection.key !== null;
  return rows.map(({ modelId, ...row }) => ({
    ...row,
    answers: isPart ? 0 : answers.find((one) => one.benchmark === row.benchmark && one.modelId === modelId)?.count ?? 0,
  }));
}

/** Attributions with what belongs to them, on the case's own model. */
function joined<Columns extends Parameters<Database["select"]>[0]>(db: Database, columns: Columns) {
  return db.select(columns as NonNullable<Columns>).from(attributions)
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, failureCases.modelId));
}

async function countAttributed(db: Database, own: SQL | undefined): Promise<number> {
  const [row] = await joined(db, { count: count() }).where(own);
  return Number(row?.count ?? 0);
}

async function readDiagnoses(db: Database, own: SQL | undefined): Promise<DiagnosisRow[]> {
  const rows = await joined(db, {
    benchmark: attributions.benchmark,
    outcome: attributions.outcome,
    pattern: attributions.pattern,
    count: count(),
  }).where(and(own, isNotNull(attributions.outcome)))
    .groupBy(attributions.benchmark, attributions.outcome, attributions.pattern)
    .orderBy(attributions.benchmark, attributions.outcome, attributions.pattern);
  return rows.map((row) => ({ ...row, outcome: row.outcome! }));
}

/** For each pattern the case that the classifier is surest of; one that is not explained by its heatmap too. */
async function readExamples(db: Database, own: SQL | undefined): Promise<Example[]> {
  const wanted = [
    ["URT: relevant tokens underweighted", eq(attributions.pattern, "urt")],
    ["OIT: irrelevant tokens overweighted", eq(attributions.pattern, "oit")],
    ["URT+OIT: both", eq(attributions.pattern, "urt_oit")],
    ["NC-IA: not visible in the heatmap", inArray(attributions.outcome, ["nc_ia_m_ag", "nc_ia_ag"])],
  ] as const;
  const examples: Example[] = [];
  for (const [label, condition] of wanted) {
    const [row] = await joined(db, {
      attribution: attributions,
      pair: tokenPairs,
      row: failureCases,
      model: models.name,
      diagnosis: diagnoses,
    })
      .innerJoin(diagnoses, eq(diagnoses.attributionId, attributions.id))
      .where(and(own, condition)).orderBy(desc(diagnoses.confidence), attributions.id).limit(1);
    if (row === undefined) continue;
    const { evidence: { summary }, confidence } = row.diagnosis;
    examples.push({ ...heatExample({ label, ...row }), confidence, summary });
  }
  return examples;
}

/** An attribution as the heatmap figures take it. */
export function heatExample({ label, attribution, pair, row: failure, model }: {
  readonly label: string;
  readonly attribution: typeof attributions.$inferSelect;
  readonly pair: typeof tokenPairs.$inferSelect;
  readonly row: typeof failureCases.$inferSelect;
  readonly model: string;
}): HeatExample {
  const scale = attribution.scales[0] ?? 1;
  const floats = new DataView(Uint8Array.from(attribution.relevance).buffer);
  return {
    label,
    key: failure.key,
    model,
    target: pair.targetText,
    contrast: pair.contrastText,
    delta: attribution.logitDifference,
    tokens: failure.tokenTexts,
    segments: failure.editedSegments ?? failure.segments,
    promptTokens: failure.promptTokens,
    relevance: failure.tokenTexts.map((_, position) => floats.getFloat32(4 * position, true) / scale),
    scale,
  };
}

/** The graph of the case with the largest delta among those that have one, reduced. */
async function readGraphExample(db: Database, own: SQL | undefined): Promise<GraphExample | null> {
  const [row] = await joined(db, { graph: attributionGraphs, pair: tokenPairs, row: failureCases, model: models.name })
    .innerJoin(attributionGraphs, eq(attributionGraphs.attributionId, attributions.id))
    .where(own).orderBy(desc(attributions.logitDifference), attributionGraphs.id).limit(1);
  return row === undefined ? null : graphExample(row);
}

/** A stored graph as the figures take it. */
export function graphExample({ graph, pair, row: failure, model }: {
  readonly graph: typeof attributionGraphs.$inferSelect;
  readonly pair: typeof tokenPairs.$inferSelect;
  readonly row: typeof failureCases.$inferSelect;
  readonly model: string;
}): GraphExample {
  const measured = readGraphFile(gunzipSync(graph.file), failure.inputIds);
  return {
    key: failure.key,
    model,
    target: pair.targetText,
    contrast: pair.contrastText,
    tokens: failure.tokenTexts,
    nodeLayers: measured.nodeLayers,
    edges: graph.edges,
    mass: graph.options.mass,
    ...shownOf(measured),
  };
}

function shownOf(measured: ReturnType<typeof readGraphFile>): Pick<GraphExample, "reduced" | "transfer"> {
  const { reduced, transfer } = shownMetrics(measureGraph(measured));
  return { reduced, transfer };
}

async function readStudyPart(db: Database, { study: name, seed }: ReportRequest): Promise<StudyPart | null> {
  if (name === undefined) return null;
  const study = await readStudy(db, eq(studies.name, name));
  if (study === undefined) return null;
  const summary = await readStudySummary(db, study, { x: undefined, y: undefined, seed });
  const points = await readPoints(db, study, {
    x: undefined,
    y: undefined,
    verdict: undefined,
    after: undefined,
    before: undefined,
    limit: summary.pairs,
    backwards: false,
  });
  return { study, summary, points };
}

/** The experiments of the settings that most of the pairs have. */
async function readMasking(db: Database, ids: readonly number[], seed: number): Promise<MaskingPart | null> {
  const { budget, answerToo, tokenPairId } = maskingExperiments;
  const ofPairs = among(tokenPairId, ids);
  const [most] = await db.select({ budget, answerToo, rows: count() }).from(maskingExperiments)
    .where(ofPairs).groupBy(budget, answerToo).orderBy(desc(count()), budget).limit(1);
  if (most === undefined) return null;
  const condition = and(ofPairs, eq(budget, most.budget), eq(answerToo, most.answerToo))!;
  const summary = await summariseMasking(db, condition, most.budget, seed);
  return { budget: most.budget, answerToo: most.answerToo, summary };
}
