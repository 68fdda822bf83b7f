/** The server's verbs for a verb of the command line: database, queue and a worker in this process. */
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import type { Services } from "../../schema/services/services.ts";
import { failureCases, jobs, jobTasks, models, tokenPairs } from "../../schema/tables/tables.ts";
import { type Connection, openDatabase, startDatabase } from "../database/database.ts";
import { startFailedTasks } from "../jobs/failed_tasks.ts";
import { cancelJob } from "../jobs/jobs.ts";
import { startQueue } from "../jobs/queue.ts";
import type { Planner } from "../planning/planner.ts";
import { createServices } from "../http/services.ts";
import { readSettings } from "../base/settings.ts";
import { type JobWatcher, startJobWatcher } from "../jobs/watch_job.ts";
import { startWorker } from "../worker.ts";
import { progressBar } from "./progress.ts";
import type { VerbContext } from "./verb.ts";

export interface WorkSession {
  readonly connection: Connection;
  readonly boss: PgBoss;
  readonly services: Services;
  readonly watcher: JobWatcher;
}

/** Runs the work beside a worker that does its jobs; leaves the database as it was found. Plans need a planner. */
export async function withWorker<Result>(
  context: Pick<VerbContext, "progress" | "note">,
  work: (session: WorkSession) => Promise<Result>,
  planner?: Planner,
): Promise<Result> {
  const settings = readSettings();
  const bar = progressBar(context);
  const starting = (detail: string) => bar.update({ phase: "start", done: 0, total: 0, detail });
  starting("database");
  const database = await startDatabase(settings);
  const connection = openDatabase(database.url);
  const closing: (() => Promise<unknown>)[] = [() => database.stop(), () => connection.close()];
  try {
    const boss = await startQueue(database.url);
    closing.push(() => boss.stop({ graceful: false }));
    const watcher = await startJobWatcher(connection);
    closing.push(() => watcher.stop());
    const failed = await startFailedTasks(connection, boss);
    closing.push(() => failed.stop());
    starting("worker");
    const worker = await startWorker(settings);
    closing.push(() => worker.stop());
    const services = createServices({ settings, connection, boss, watcher, planner });
    bar.end();
    return await work({ connection, boss, services, watcher });
  } finally {
    bar.end();
    for (const close of closing.reverse()) await close();
  }
}

/** What a job did. */
export interface JobTotals {
  readonly total: number;
  readonly done: number;
  readonly failed: number;
}

/**
 * Waits for a job on token pairs. With --json a line for each pair on each model as it is finished, else a progress bar.
 * An interrupted job is cancelled: what is finished stays. Throws the signal's reason then.
 */
export async function followJob(
  context: VerbContext,
  { connection: { db }, watcher }: WorkSession,
  jobId: string,
  phase: string,
): Promise<JobTotals> {
  const bar = progressBar(context);
  const told = new Set<string>();
  bar.update({ phase, done: 0, total: 0, detail: "waiting" });
  try {
    for await (const _ of watcher.watch(jobId, 0, context.signal)) {
      const [job] = await db.select({ done: jobs.done, total: jobs.total }).from(jobs).where(eq(jobs.id, jobId));
      bar.update({ phase, done: job?.done ?? 0, total: job?.total ?? 0 });
      if (context.json) await tellTasks(context, db, jobId, phase, told);
    }
  } finally {
    bar.end();
  }
  if (context.signal.aborted) {
    await cancelJob(db, jobId);
    context.signal.throwIfAborted();
  }
  const tasks = await db.select({ done: jobTasks.done, error: jobTasks.error }).from(jobTasks)
    .where(eq(jobTasks.jobId, jobId));
  const failed = tasks.filter(({ error }) => error !== null);
  if (failed[0]) {
    context.note(`${phase}: ${failed.length} of ${tasks.length} failed, for example: ${failed[0].error}\n`);
  }
  return { total: tasks.length, done: tasks.filter(({ done }) => done).length, failed: failed.length };
}

/** A line for each task that ended since the last call. */
async function tellTasks(
  { out }: VerbContext,
  db: Connection["db"],
  jobId: string,
  kind: string,
  told: Set<string>,
): Promise<void> {
  const tasks = await db.select({
    tokenPairId: jobTasks.tokenPairId,
    key: failureCases.key,
    model: models.name,
    done: jobTasks.done,
    error: jobTasks.error,
  }).from(jobTasks)
    .innerJoin(tokenPairs, eq(tokenPairs.id, jobTasks.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, jobTasks.modelId))
    .where(eq(jobTasks.jobId, jobId)).orderBy(jobTasks.modelId, jobTasks.tokenPairId);
  const lines: string[] = [];
  for (const { tokenPairId, key, model, done, error } of tasks) {
    const name = `${tokenPairId}/${model}`;
    if (told.has(name) || !done && error === null) continue;
    told.add(name);
    const status = error === null ? "COMPLETED" : "FAILED";
    const id = btoa(`TokenPair:${tokenPairId}`);
    lines.push(`${JSON.stringify({ id, kind, status, key, model, ...(error === null ? {} : { error }) })}\n`);
  }
  if (lines.length > 0) await out(lines.join(""));
}
