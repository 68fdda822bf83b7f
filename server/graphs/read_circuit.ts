/** Stored graphs as circuit-tracer's and Neuronpedia's JSON. */
import { gunzipSync } from "node:zlib";
import { eq } from "drizzle-orm";
import { attributionGraphs } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { circuitJson } from "./circuit_json.ts";
import { readGraphFile } from "./stored_graph.ts";

/** The graph of a row; undefined when there is none. */
export async function readCircuit(db: Database, id: number): Promise<object | undefined> {
  const [row] = await db.select({
    graph: attributionGraphs,
    rule: attributions.rule,
    layers: attributions.layers,
    delta: attributions.logitDifference,
    model: models.name,
    key: failureCases.key,
    tokens: failureCases.tokenTexts,
    inputIds: failureCases.inputIds,
    target: { id: tokenPairs.targetId, text: tokenPairs.targetText },
    contrast: { id: tokenPairs.contrastId, text: tokenPairs.contrastText },
  }).from(attributionGraphs)
    .innerJoin(attributions, eq(attributions.id, attributionGraphs.attributionId))
    .innerJoin(models, eq(models.id, attributions.modelId))
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .where(eq(attributionGraphs.id, id));
  if (row === undefined) return undefined;
  const { graph, key, inputIds, ...rest } = row;
  const slug = `${key}-${row.rule}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return circuitJson(
    { ...rest, slug, prompt: row.tokens.join(""), mass: graph.options.mass },
    readGraphFile(new Uint8Array(gunzipSync(graph.file)), inputIds),
  );
}
