/** Asks for imports. */
import type { PgBoss } from "pg-boss";
import type { Database } from "../../schema/tables/database.ts";
import type { JobInput } from "../../schema/tables/values.ts";
import { enqueueOn } from "../jobs/enqueue.ts";
import { type CreatedJob, insertJob } from "../jobs/jobs.ts";

/** Stores an import job. Its file lies where only servers of this home (home.ts) can read it. */
export async function createImportJob(
  db: Database,
  boss: PgBoss,
  home: string,
  input: Extract<JobInput, { kind: "import" }>,
  idempotencyKey: string | undefined,
): Promise<CreatedJob> {
  return await db.transaction(async (tx) => {
    const job = await insertJob(tx, input, idempotencyKey);
    if (job.created) await enqueueOn(tx, boss, "import", { home }, { jobId: job.id });
    return job;
  });
}
