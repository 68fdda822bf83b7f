/** Asks for diagnoses. */
import { sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { diagnoses } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { DiagnoseRequest } from "../../schema/services/diagnoses.ts";
import { attributions, failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import { versionOf } from "./thresholds.ts";
import type { CreatedJob } from "../jobs/jobs.ts";
import { createPairJob, selectPairs } from "../jobs/pair_job.ts";

/** Stores a job that diagnoses each pair; pairs with a diagnosis of this version are no longer missing it. */
export async function createDiagnoseJob(db: Database, boss: PgBoss, request: DiagnoseRequest): Promise<CreatedJob> {
  const { rule, tokenPairIds, idempotencyKey } = request;
  const present = sql`(select 1 from ${diagnoses}
    inner join ${attributions} on ${attributions.id} = ${diagnoses.attributionId}
    where ${attributions.tokenPairId} = ${tokenPairs.id} and ${attributions.rule} = ${rule}
      and ${attributions.modelId} = ${failureCases.modelId} and ${diagnoses.version} = ${versionOf()})`;
  const pairs = await selectPairs(db, tokenPairIds, present);
  const ids = pairs.map(({ tokenPairId }) => tokenPairId);
  return await createPairJob(db, boss, { kind: "diagnose", rule, tokenPairIds: ids }, pairs, idempotencyKey);
}
