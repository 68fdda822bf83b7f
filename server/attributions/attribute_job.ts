/** Asks for attributions. */
import { and, eq, sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import type { Rule } from "../../gpu/mod.ts";
import type { AttributeRequest } from "../../schema/services/attributions.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import { among } from "../base/among.ts";
import { computedHere } from "../database/precomputed.ts";
import type { CreatedJob } from "../jobs/jobs.ts";
import { createPairJob, type SelectedPair, selectPairs } from "../jobs/pair_job.ts";

/** Stores a job that attributes each pair. Pairs that are named and have an attribution of the rule count as done. */
export async function createAttributeJob(db: Database, boss: PgBoss, request: AttributeRequest): Promise<CreatedJob> {
  const { rule, tokenPairIds, idempotencyKey } = request;
  const present = sql`(select 1 from ${attributions}
    where ${attributions.tokenPairId} = ${tokenPairs.id} and ${attributions.rule} = ${rule}
      and ${attributions.modelId} = ${failureCases.modelId})`;
  const pairs = await selectPairs(db, tokenPairIds, present);
  const known = typeof tokenPairIds === "string" ? pairs : await withStored(db, rule, pairs);
  return await createPairJob(db, boss, { kind: "attribute", rule, tokenPairIds }, known, idempotencyKey);
}

/** Whoever names a pair wants its numbers computed here: precomputed ones do not count. */
async function withStored(db: Database, rule: Rule, pairs: readonly SelectedPair[]): Promise<SelectedPair[]> {
  const { id, tokenPairId, modelId } = attributions;
  const rows = await db.select({ id, tokenPairId, modelId }).from(attributions).where(and(
    eq(attributions.rule, rule),
    among(tokenPairId, pairs.map((pair) => pair.tokenPairId)),
    computedHere(attributions.adapter),
  ));
  const stored = new Map(rows.map((row) => [`${row.tokenPairId}/${row.modelId}`, row.id]));
  return pairs.map((pair) => ({ ...pair, attributionId: stored.get(`${pair.tokenPairId}/${pair.modelId}`) ?? null }));
}
