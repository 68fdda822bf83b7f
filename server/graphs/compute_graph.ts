/** The attribution graph of a token pair, computed and stored with its attribution. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { and, eq, type SQL } from "drizzle-orm";
import type { GraphResult, Rule } from "../../gpu/mod.ts";
import type { AnalysisInput, GraphOptions, GraphSummary } from "../../schema/tables/analysis_values.ts";
import { attributionGraphs } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions } from "../../schema/tables/tables.ts";
import type { Analysis, StoreResult } from "../jobs/analysis.ts";
import { attributionRow } from "../attributions/attribution_row.ts";
import type { Transaction } from "../database/database.ts";
import { graphFile, transitionSummary } from "./graph_file.ts";
import { measureGraph, shownMetrics } from "./graph_metrics.ts";
import { computedHere, inPlaceOfPrecomputed } from "../database/precomputed.ts";
import { insertAttributions } from "../attributions/insert_attributions.ts";
import { computedBy } from "../base/provenance.ts";
import type { PairTask } from "../jobs/queue.ts";

/** SHA-256 of options, whatever the order of their keys. */
export function hashOfOptions({ transitions, mass, minRelevance, reach, heads, edgeBudget }: GraphOptions): string {
  const values = [transitions, mass, minRelevance, reach, heads, edgeBudget];
  return createHash("sha256").update(JSON.stringify(values)).digest("hex");
}

/** The attribution of a task's pair on its model under a rule. */
export function ofPairAndRule({ tokenPairId, modelId }: PairTask, rule: Rule): SQL {
  return and(
    eq(attributions.tokenPairId, tokenPairId),
    eq(attributions.rule, rule),
    eq(attributions.modelId, modelId),
  )!;
}

export async function computeGraph(
  analysis: Analysis,
  input: Extract<AnalysisInput, { kind: "build_graph" }>,
): Promise<StoreResult> {
  const { connection: { db }, task } = analysis;
  const optionsHash = hashOfOptions(input.options);
  const ofPair = ofPairAndRule(task, input.rule);
  const stored = await storedGraph(db, ofPair, optionsHash);
  if (stored !== undefined) return () => Promise.resolve(stored);
  return (await newGraph(analysis, input)).store;
}

/** Builds the graph of a pair, and what writes it with its attribution; what is stored meanwhile stays. */
export async function newGraph(
  { task, rows, model, options }: Analysis,
  input: Extract<AnalysisInput, { kind: "build_graph" }>,
): Promise<{ readonly graph: GraphResult; readonly store: (tx: Transaction) => Promise<number> }> {
  const optionsHash = hashOfOptions(input.options);
  const ofPair = ofPairAndRule(task, input.rule);
  const { failureCase, pair } = rows;
  const { transitions, ...settings } = input.options;
  const graph = await (await model()).graph({
    inputIds: failureCase.inputIds,
    target: pair.targetId,
    contrast: pair.contrastId,
    rule: input.rule,
    ...settings,
    ...(transitions === null ? {} : { transitions }),
  }, options);
  const attribution = attributionRow({ ...pair, ...failureCase, ...task }, graph);
  const store = async (tx: Transaction) => {
    await insertAttributions(tx, [attribution]);
    const [row] = await tx.select({ id: attributions.id }).from(attributions).where(ofPair);
    if (row === undefined) throw new Error("An attribution that was just written cannot be read");
    const stored = {
      attributionId: row.id,
      options: input.options,
      optionsHash,
      ...countsOf(graph),
      summary: summaryOf(graph),
      file: gzipSync(graphFile(graph)),
      adapter: graph.adapter,
      ...computedBy(),
      seconds: graph.seconds,
    };
    await tx.insert(attributionGraphs).values(stored).onConflictDoUpdate({
      target: [attributionGraphs.attributionId, attributionGraphs.optionsHash],
      ...inPlaceOfPrecomputed(attributionGraphs, [stored]),
    });
    return row.id;
  };
  return { graph, store };
}

async function storedGraph(
  db: Database | Transaction,
  ofPair: SQL,
  optionsHash: string,
): Promise<number | undefined> {
  const [row] = await db.select({ id: attributions.id }).from(attributions)
    .innerJoin(attributionGraphs, eq(attributionGraphs.attributionId, attributions.id))
    .where(and(ofPair, eq(attributionGraphs.optionsHash, optionsHash), computedHere(attributionGraphs.adapter)));
  return row?.id;
}

/** Nodes with an edge, and edges. */
function countsOf({ inputIds, transitions }: GraphResult): { readonly nodes: number; readonly edges: number } {
  const nodes = new Set<number>();
  let count = 0;
  for (const { source, target, edges } of transitions) {
    count += edges.weights.length;
    for (const token of edges.sources) nodes.add(source * inputIds.length + token);
    for (const token of edges.targets) nodes.add(target * inputIds.length + token);
  }
  return { nodes: nodes.size, edges: count };
}

function summaryOf(graph: GraphResult): GraphSummary {
  return {
    nodeLayers: graph.nodeLayers,
    transitions: graph.transitions.map((transition) => transitionSummary(transition)),
    metrics: shownMetrics(measureGraph(graph)),
  };
}
