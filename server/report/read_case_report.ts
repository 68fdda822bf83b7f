/** Everything that the page of one case shows, read from the database. */
import { and, desc, eq, ne, type SQL } from "drizzle-orm";
import { InputError, type Rule } from "../../gpu/mod.ts";
import { attributionGraphs, diagnoses, maskingExperiments } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { type GraphExample, graphExample, type HeatExample, heatExample } from "./read_report.ts";

export interface CaseReport {
  readonly key: string;
  readonly benchmark: string;
  readonly task: string;
  readonly model: { readonly name: string; readonly hash: string };
  readonly rule: Rule;
  /** Logits of the two tokens. */
  readonly targetLogit: number;
  readonly contrastLogit: number;
  readonly heat: HeatExample;
  /** What computed the attribution, and how long it took in seconds. */
  readonly origin: { readonly adapter: string; readonly engine: string | null; readonly seconds: number };
  readonly diagnosis: typeof diagnoses.$inferSelect | null;
  readonly graph: GraphExample | null;
  readonly masking: readonly (typeof maskingExperiments.$inferSelect)[];
}

/** `own`: which case; `pairId`: which of its pairs, the one with the largest delta when null. Throws InputError. */
export async function readCaseReport(
  db: Database,
  own: SQL,
  pairId: number | null,
  rule: Rule,
): Promise<CaseReport> {
  const cases = await db.select({ row: failureCases, model: models }).from(failureCases)
    .innerJoin(models, eq(models.id, failureCases.modelId)).where(own).limit(2);
  const [found] = cases;
  if (found === undefined) {
    throw new InputError("there is no such case", "case", "give the key or id of one that is stored");
  }
  if (cases.length > 1) throw new InputError("several models have a case of this key", "case", "name the model too");
  const { row, model } = found;
  const [pair] = await db.select().from(tokenPairs)
    .where(and(eq(tokenPairs.failureCaseId, row.id), pairId === null ? undefined : eq(tokenPairs.id, pairId)))
    .orderBy(desc(tokenPairs.delta), tokenPairs.id).limit(1);
  if (pair === undefined) {
    throw new InputError("the case has no such token pair", "pair", "search one: npx culprit pairs");
  }
  const [attribution] = await db.select().from(attributions).where(and(
    eq(attributions.tokenPairId, pair.id),
    eq(attributions.modelId, model.id),
    eq(attributions.rule, rule),
  ));
  if (attribution === undefined) {
    throw new InputError(`the case is not attributed by ${rule}`, "rule", "compute it first: npx culprit run");
  }
  const [diagnosis] = await db.select().from(diagnoses).where(eq(diagnoses.attributionId, attribution.id))
    .orderBy(desc(diagnoses.id)).limit(1);
  const [graph] = await db.select().from(attributionGraphs).where(eq(attributionGraphs.attributionId, attribution.id))
    .orderBy(desc(attributionGraphs.id)).limit(1);
  return {
    key: row.key,
    benchmark: row.benchmark,
    task: row.task,
    model: { name: model.name, hash: model.hash },
    rule,
    targetLogit: pair.targetLogit,
    contrastLogit: pair.contrastLogit,
    heat: heatExample({ label: row.key, attribution, pair, row, model: model.name }),
    origin: { adapter: attribution.adapter, engine: attribution.engine, seconds: attribution.seconds },
    diagnosis: diagnosis ?? null,
    graph: graph === undefined ? null : graphExample({ graph, pair, row, model: model.name }),
    masking: await db.select().from(maskingExperiments).where(and(
      eq(maskingExperiments.tokenPairId, pair.id),
      eq(maskingExperiments.modelId, model.id),
      ne(maskingExperiments.ranking, "chosen"),
    )).orderBy(maskingExperiments.replacement, maskingExperiments.ranking, maskingExperiments.id),
  };
}
