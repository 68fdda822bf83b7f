/** Performs an import job as a task of the queue. */
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { InputError } from "../../gpu/mod.ts";
import { jobs } from "../../schema/tables/tables.ts";
import type { ImportPlace } from "../../schema/tables/values.ts";
import type { Attempt } from "../jobs/consumer.ts";
import type { Connection } from "../database/database.ts";
import { dropCounts, keepCounts, readCounts } from "./import_counts.ts";
import { importFile } from "./import_file.ts";
import { removeUpload } from "../jobs/uploads.ts";
import { failJob, finishImport, lockJob, saveImport, startJob } from "../jobs/jobs.ts";
import { type ImportTask, inside } from "../jobs/queue.ts";

/** Thrown inside a batch to undo it: the job was cancelled, or the task was given to somebody else. */
class Dropped extends Error {}

export async function performImport(connection: Connection, boss: PgBoss, attempt: Attempt<ImportTask>): Promise<void> {
  const { db } = connection;
  const { jobId } = attempt.task;
  const { input: asked, done, total, report, place } = jobs;
  const [job] = await db.select({ input: asked, done, total, report, place }).from(jobs).where(eq(jobs.id, jobId));
  const input = job?.input;
  if (job === undefined || input?.kind !== "import" || !(await startJob(db, jobId))) {
    await boss.complete(attempt.queue, attempt);
    return;
  }
  const before = job.place ?? undefined;
  const note = async (next: ImportPlace | null) =>
    void await db.update(jobs).set({ place: next }).where(eq(jobs.id, jobId));
  const at = job.report ? { done: job.done, total: job.total, report: job.report } : undefined;
  try {
    const state = await importFile(db, {
      ...(input.choices ?? { from: "culprit" }),
      path: input.path,
      name: input.name,
      at,
      ...(at ? { counted: await readCounts(db, jobId) } : {}),
      places: { before, note },
      onBatch: async (tx, state, counted) => {
        if (attempt.signal.aborted || await lockJob(tx, jobId) !== "running") throw new Dropped();
        await saveImport(tx, jobId, state);
        await keepCounts(tx, jobId, counted);
      },
    });
    await db.transaction(async (tx) => {
      if (await lockJob(tx, jobId) === "running") await finishImport(tx, jobId, state);
      await dropCounts(tx);
      await boss.complete(attempt.queue, attempt, null, inside(tx));
    });
  } catch (error) {
    const said = error instanceof InputError || error instanceof Dropped;
    if (attempt.signal.aborted || !said) {
      // Whoever stops this process, a full disk and a database that is away are no fault of the record.
      await note(before ?? null).catch(() => {});
      throw error;
    }
    if (error instanceof InputError) await failJob(db, jobId, "BAD_INPUT", error.message);
    await dropCounts(db);
    await boss.complete(attempt.queue, attempt);
  }
  await removeUpload(input);
}
