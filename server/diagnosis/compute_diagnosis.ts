/** The diagnosis of a token pair, computed and stored with its attribution and graph. */
import { and, eq } from "drizzle-orm";
import { gunzipSync } from "node:zlib";
import { attributionGraphs, diagnoses } from "../../schema/tables/analysis_tables.ts";
import { type AnalysisInput, GRAPH_OPTIONS } from "../../schema/tables/analysis_values.ts";
import { attributions } from "../../schema/tables/tables.ts";
import type { Analysis, StoreResult } from "../jobs/analysis.ts";
import { hashOfOptions, newGraph, ofPairAndRule } from "../graphs/compute_graph.ts";
import type { Transaction } from "../database/database.ts";
import { type CaseMarks, readMarks } from "./case_marks.ts";
import { diagnose } from "./diagnose.ts";
import type { Diagnosis } from "./classify.ts";
import { readGraphFile } from "../graphs/stored_graph.ts";
import { versionOf } from "./thresholds.ts";
import type { MeasuredGraph } from "../graphs/graph.ts";
import { computedBy } from "../base/provenance.ts";

type DiagnoseInput = Extract<AnalysisInput, { kind: "diagnose" }>;

/**
 * Diagnoses one pair. What is missing of attribution and graph is computed and stored. A diagnosis of this version that
 * looked at the same marks is kept; another is replaced.
 */
export async function computeDiagnosis(analysis: Analysis, input: DiagnoseInput): Promise<StoreResult> {
  const { connection: { db }, task, rows: { failureCase, pair }, model, tokenizer, checkers, options } = analysis;
  const ofPair = ofPairAndRule(task, input.rule);
  const marks = await readMarks(db, task.tokenPairId, await tokenizer(), checkers);
  const [stored] = await db.select({ id: attributions.id, version: diagnoses.version, evidence: diagnoses.evidence })
    .from(attributions).innerJoin(diagnoses, eq(diagnoses.attributionId, attributions.id)).where(ofPair);
  if (stored?.version === versionOf() && sameMarks(stored.evidence.relevant, marks.relevant)) {
    return () => Promise.resolve(stored.id);
  }
  const { graph, delta, store } = await graphOf(analysis, input);
  const [diagnosis] = await diagnose(await model(), [{
    texts: failureCase.tokenTexts,
    segments: marks.segments,
    relevant: marks.relevant,
    targetText: pair.targetText,
    delta,
    graph,
    target: pair.targetId,
    contrast: pair.contrastId,
  }], options);
  return async (tx) => {
    const attributionId = await store(tx);
    await storeDiagnosis(tx, attributionId, diagnosis!, marks);
    return attributionId;
  };
}

async function storeDiagnosis(
  tx: Transaction,
  attributionId: number,
  diagnosis: Diagnosis,
  { marksOrigin, marksVersion }: CaseMarks,
): Promise<void> {
  const { outcome, pattern } = diagnosis;
  const values = { ...diagnosis, marksOrigin, marksVersion, ...computedBy() };
  await tx.insert(diagnoses).values({ attributionId, ...values })
    .onConflictDoUpdate({ target: diagnoses.attributionId, set: { ...values, createdAt: new Date() } });
  await tx.update(attributions).set({ outcome, pattern }).where(eq(attributions.id, attributionId));
}

function sameMarks(positions: readonly number[] | null, relevant: readonly boolean[] | null): boolean {
  const now = relevant && relevant.flatMap((isRelevant, position) => isRelevant ? [position] : []);
  return JSON.stringify(positions) === JSON.stringify(now);
}

/** The pair's graph with the default options: the stored one, or a new one and what stores it. */
async function graphOf(analysis: Analysis, { rule, tokenPairIds }: DiagnoseInput): Promise<{
  readonly graph: MeasuredGraph;
  readonly delta: number;
  readonly store: (tx: Transaction) => Promise<number>;
}> {
  const { connection: { db }, task, rows: { failureCase } } = analysis;
  const [stored] = await db.select({
    id: attributions.id,
    delta: attributions.logitDifference,
    file: attributionGraphs.file,
  }).from(attributions).innerJoin(attributionGraphs, eq(attributionGraphs.attributionId, attributions.id))
    .where(and(ofPairAndRule(task, rule), eq(attributionGraphs.optionsHash, hashOfOptions(GRAPH_OPTIONS))));
  if (stored) {
    const { id, delta, file } = stored;
    return { graph: readGraphFile(gunzipSync(file), failureCase.inputIds), delta, store: () => Promise.resolve(id) };
  }
  const { graph, store } = await newGraph(analysis, {
    kind: "build_graph",
    rule,
    tokenPairIds,
    options: GRAPH_OPTIONS,
  });
  return { graph, delta: graph.logitDifference, store };
}
