/** Tasks that no retry could save end here, so that their jobs end too. */
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { jobs } from "../../schema/tables/tables.ts";
import { removeUpload } from "./uploads.ts";
import { type Consumer, startConsumer } from "./consumer.ts";
import type { Connection } from "../database/database.ts";
import { failJob, failTask } from "./jobs.ts";

/** What a failed attempt left behind. */
interface Failure {
  readonly message?: string;
}

export async function startFailedTasks(connection: Connection, boss: PgBoss): Promise<Pick<Consumer, "stop">> {
  const { db } = connection;
  const reasonOf = async (
    queue: "attribute-failed" | "analyse-failed" | "import-failed" | "search-failed" | "ask-failed" | "fetch-failed",
    id: string,
  ): Promise<string> => {
    const [job] = await boss.findJobs(queue, { id });
    return (job?.sourceOutput as Failure | null | undefined)?.message ?? "the worker died each time it was tried";
  };
  const attributes = await startConsumer(connection, boss, "attribute-failed", async (attempt) => {
    await failTask(db, attempt.task, await reasonOf("attribute-failed", attempt.id));
    await boss.complete(attempt.queue, attempt);
  });
  const analyses = await startConsumer(connection, boss, "analyse-failed", async (attempt) => {
    await failTask(db, attempt.task, await reasonOf("analyse-failed", attempt.id));
    await boss.complete(attempt.queue, attempt);
  });
  const imports = await startConsumer(connection, boss, "import-failed", async (attempt) => {
    await failJob(db, attempt.task.jobId, "INTERNAL", await reasonOf("import-failed", attempt.id));
    const [job] = await db.select({ input: jobs.input }).from(jobs).where(eq(jobs.id, attempt.task.jobId));
    await removeUpload(job?.input);
    await boss.complete(attempt.queue, attempt);
  });
  const searches = await startConsumer(connection, boss, "search-failed", async (attempt) => {
    await failJob(db, attempt.task.jobId, "INTERNAL", await reasonOf("search-failed", attempt.id));
    await boss.complete(attempt.queue, attempt);
  });
  const asks = await startConsumer(connection, boss, "ask-failed", async (attempt) => {
    await failJob(db, attempt.task.jobId, "INTERNAL", await reasonOf("ask-failed", attempt.id));
    await boss.complete(attempt.queue, attempt);
  });
  const fetches = await startConsumer(connection, boss, "fetch-failed", async (attempt) => {
    await failJob(db, attempt.task.jobId, "INTERNAL", await reasonOf("fetch-failed", attempt.id));
    await boss.complete(attempt.queue, attempt);
  });
  return {
    stop: async () => {
      await Promise.all([
        attributes.stop(),
        analyses.stop(),
        imports.stop(),
        searches.stop(),
        asks.stop(),
        fetches.stop(),
      ]);
    },
  };
}
