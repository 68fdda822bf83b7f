/** Asks for marks. */
import { sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import type { MarkRequest } from "../../schema/services/marks.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases } from "../../schema/tables/tables.ts";
import type { CreatedJob } from "../jobs/jobs.ts";
import { createPairJob, selectPairs } from "../jobs/pair_job.ts";

/** Stores a job that marks the case of each pair; pairs of cases with marks of any origin are no longer missing them. */
export async function createMarkJob(db: Database, boss: PgBoss, request: MarkRequest): Promise<CreatedJob> {
  const present = sql`(select 1 where ${failureCases.marksOrigin} is not null)`;
  const pairs = await selectPairs(db, request.tokenPairIds, present);
  const tokenPairIds = pairs.map(({ tokenPairId }) => tokenPairId);
  return await createPairJob(db, boss, { kind: "mark", tokenPairIds }, pairs, request.idempotencyKey);
}
