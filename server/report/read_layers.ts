/** What a report says of layers: the first token's share of relevance, and the shape of graphs. */
import { and, eq, type SQL } from "drizzle-orm";
import { attributionGraphs } from "../../schema/tables/analysis_tables.ts";
import { metricsOf, type StoredGraphMetrics } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";

/** Cases that are looked at, oldest attributions first; relevance of long ones takes much memory. */
const MOST_CASES = 2000;
/** Rows of one statement. */
const BATCH = 50;
/** Quantile of the normal distribution for 95 %. */
const NORMAL_95 = 1.96;

/** A mean over cases with a normal 95 % interval. */
export interface Mean {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** Mean of at least one value. */
export function meanOf(values: readonly number[]): Mean {
  const count = values.length;
  const value = values.reduce((sum, one) => sum + one, 0) / count;
  const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / Math.max(1, count - 1);
  const half = NORMAL_95 * Math.sqrt(variance / count);
  return { value, low: value - half, high: value + half, count };
}

/** The first token's share of |relevance| at each node layer of one model. */
export interface SinkPart {
  readonly model: string;
  /** [layers + 1] */
  readonly shares: readonly Mean[];
}

/** Shape of the edges of one transition, mean over graphs; null where no graph has the number. */
export interface ShapeRow {
  readonly source: number;
  readonly target: number;
  readonly graphs: number;
  readonly fanIn: number | null;
  readonly gini: number | null;
  readonly verticality: number | null;
  readonly sinkShare: number | null;
  readonly lookBack: number | null;
}

export interface ShapePart {
  readonly model: string;
  readonly rows: readonly ShapeRow[];
}

/** The first token's shares over the attributions of a selection, by model. `own`: condition of the selection. */
export async function readSinks(db: Database, own: SQL | undefined): Promise<SinkPart[]> {
  const shares = new Map<string, number[][]>();
  for (let from = 0; from < MOST_CASES; from += BATCH) {
    const rows = await db.select({
      model: models.name,
      relevance: attributions.relevance,
      layers: attributions.layers,
      tokens: attributions.tokenCount,
    }).from(attributions).innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .innerJoin(models, eq(models.id, attributions.modelId))
      .where(own).orderBy(attributions.id).limit(BATCH).offset(from);
    for (const { model, relevance, layers, tokens } of rows) {
      const of = shares.get(model) ?? Array.from({ length: layers + 1 }, (): number[] => []);
      shares.set(model, of);
      firstShares(relevance, tokens).forEach((share, layer) => share === null || of[layer]?.push(share));
    }
    if (rows.length < BATCH) break;
  }
  return [...shares].sort(([a], [b]) => a < b ? -1 : 1).flatMap(([model, layers]) =>
    layers.every((values) => values.length > 0) ? [{ model, shares: layers.map(meanOf) }] : []
  );
}

/** One share a node layer; null where a layer has no relevance. `relevance`: little-endian f32 [layers + 1, tokens]. */
function firstShares(relevance: Uint8Array, tokens: number): (number | null)[] {
  const view = new DataView(relevance.buffer, relevance.byteOffset, relevance.byteLength);
  const at = (index: number) => Math.abs(view.getFloat32(4 * index, true));
  return Array.from({ length: Math.floor(relevance.byteLength / 4 / tokens) }, (_, layer) => {
    let all = 0;
    for (let token = 0; token < tokens; token++) all += at(layer * tokens + token);
    return all > 0 ? at(layer * tokens) / all : null;
  });
}

/** Shapes of the graphs of a selection, by model and transition; of each attribution its newest graph. */
export async function readShapes(db: Database, own: SQL | undefined): Promise<ShapePart[]> {
  const rows = await db.selectDistinctOn([attributions.id], {
    model: models.name,
    summary: attributionGraphs.summary,
  }).from(attributions).innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, attributions.modelId))
    .innerJoin(attributionGraphs, and(eq(attributionGraphs.attributionId, attributions.id)))
    .where(own).orderBy(attributions.id, attributionGraphs.id).limit(MOST_CASES);
  const measured = rows.flatMap(({ model, summary }) => {
    const metrics = metricsOf(summary);
    return metrics === null ? [] : metrics.transitions.map((transition) => ({ model, transition }));
  });
  return [...Map.groupBy(measured, ({ model }) => model)].sort(([a], [b]) => a < b ? -1 : 1).map(([model, all]) => ({
    model,
    rows: [...Map.groupBy(all, ({ transition: { source, target } }) => `${source} ${target}`).values()]
      .map((same) => shapeOf(same.map(({ transition }) => transition)))
      .sort((a, b) => a.source - b.source || a.target - b.target),
  }));
}

type Transition = StoredGraphMetrics["transitions"][number];

function shapeOf(same: readonly Transition[]): ShapeRow {
  const mean = (of: (transition: Transition) => number | null) => {
    const values = same.map(of).filter((value) => value !== null);
    return values.length === 0 ? null : meanOf(values).value;
  };
  const { source, target } = same[0]!;
  return {
    source,
    target,
    graphs: same.length,
    fanIn: mean(({ fanIn }) => fanIn.mean),
    gini: mean(({ gini }) => gini),
    verticality: mean(({ verticality }) => verticality),
    sinkShare: mean(({ sinkShare }) => sinkShare),
    lookBack: mean(({ lookBack }) => lookBack),
  };
}
