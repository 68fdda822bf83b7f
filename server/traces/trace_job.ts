/** Asks for traces of token pairs. */
import { sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import type { TraceRequest } from "../../schema/services/traces.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import { traces } from "../../schema/tables/trace_tables.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import type { CreatedJob } from "../jobs/jobs.ts";
import { createPairJob, selectPairs } from "../jobs/pair_job.ts";

/** Stores a job that traces each pair's prefix; pairs that have the trace keep it. */
export async function createTraceJob(db: Database, boss: PgBoss, request: TraceRequest): Promise<CreatedJob> {
  const { rule, settings, tokenPairIds, idempotencyKey } = request;
  const present = sql`(select 1 from ${traces}
    where ${traces.tokenPairId} = ${tokenPairs.id} and ${traces.rule} = ${rule}
      and ${traces.modelId} = ${failureCases.modelId} and ${traces.settingsHash} = ${canonicalHash(settings)})`;
  const pairs = await selectPairs(db, tokenPairIds, present);
  const ids = pairs.map(({ tokenPairId }) => tokenPairId);
  const input = { kind: "trace", rule, settings, tokenPairIds: ids } as const;
  return await createPairJob(db, boss, input, pairs, idempotencyKey);
}
