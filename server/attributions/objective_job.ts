/** Asks for relevance of other objectives than token pairs. */
import { sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { objectiveAttributions } from "../../schema/tables/analysis_tables.ts";
import type { ExplainObjectiveRequest } from "../../schema/services/attributions.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import type { CreatedJob } from "../jobs/jobs.ts";
import { createPairJob, selectPairs } from "../jobs/pair_job.ts";

/** Stores a job that explains the objective at each pair's place; pairs that have it keep it. */
export async function createObjectiveJob(
  db: Database,
  boss: PgBoss,
  request: ExplainObjectiveRequest,
): Promise<CreatedJob> {
  const { rule, objective, tokenPairIds, idempotencyKey } = request;
  const present = sql`(select 1 from ${objectiveAttributions}
    where ${objectiveAttributions.tokenPairId} = ${tokenPairs.id} and ${objectiveAttributions.rule} = ${rule}
      and ${objectiveAttributions.modelId} = ${failureCases.modelId}
      and ${objectiveAttributions.objectiveHash} = ${canonicalHash(objective)})`;
  const pairs = await selectPairs(db, tokenPairIds, present);
  const ids = pairs.map(({ tokenPairId }) => tokenPairId);
  const input = { kind: "explain_objective", rule, objective, tokenPairIds: ids } as const;
  return await createPairJob(db, boss, input, pairs, idempotencyKey);
}
