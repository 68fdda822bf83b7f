/** Asks for attribution graphs. */
import { sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { attributionGraphs } from "../../schema/tables/analysis_tables.ts";
import type { BuildGraphRequest } from "../../schema/services/attributions.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import { hashOfOptions } from "./compute_graph.ts";
import type { CreatedJob } from "../jobs/jobs.ts";
import { createPairJob, selectPairs } from "../jobs/pair_job.ts";

/** Stores a job that builds the graph of each pair; pairs that have it keep it. */
export async function createGraphJob(db: Database, boss: PgBoss, request: BuildGraphRequest): Promise<CreatedJob> {
  const { rule, options, tokenPairIds, idempotencyKey } = request;
  const present = sql`(select 1 from ${attributionGraphs}
    inner join ${attributions} on ${attributions.id} = ${attributionGraphs.attributionId}
    where ${attributions.tokenPairId} = ${tokenPairs.id} and ${attributions.rule} = ${rule}
      and ${attributions.modelId} = ${failureCases.modelId}
      and ${attributionGraphs.optionsHash} = ${hashOfOptions(options)})`;
  const pairs = await selectPairs(db, tokenPairIds, present);
  const ids = pairs.map(({ tokenPairId }) => tokenPairId);
  return await createPairJob(
    db,
    boss,
    { kind: "build_graph", rule, options, tokenPairIds: ids },
    pairs,
    idempotencyKey,
  );
}
