/** The life of a job, each step one transaction that raises `sequence` and tells the watchers. */
import { isDeepStrictEqual } from "node:util";
import { and, count, eq, type SQL, sql } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { jobs, jobTasks } from "../../schema/tables/tables.ts";
import type { ImportReport, JobInput } from "../../schema/tables/values.ts";
import { InputError } from "../../gpu/mod.ts";
import type { Transaction } from "../database/database.ts";
import { currentOwner } from "../base/asker.ts";
import type { PairTask } from "./queue.ts";
import { notifyJob } from "./signals.ts";
import { currentTrace } from "../base/telemetry.ts";

/** Jobs this small have turns of their own: somebody waits for them. */
export const SMALL_JOB = 4;

/** A job that was stored, and whether this call stored it. */
export interface CreatedJob {
  readonly id: string;
  readonly created: boolean;
}

/** Stores a job, or finds the one that the key was given to. Throws InputError when that asked for something else. */
export async function insertJob(
  tx: Transaction,
  input: JobInput,
  idempotencyKey: string | undefined,
): Promise<CreatedJob> {
  const [row] = await tx.insert(jobs)
    .values({
      kind: input.kind,
      input,
      owner: currentOwner(),
      idempotencyKey: idempotencyKey ?? null,
      trace: currentTrace(),
    })
    .onConflictDoNothing({ target: jobs.idempotencyKey }).returning({ id: jobs.id });
  if (row) return { id: row.id, created: true };
  const [first] = await tx.select({ id: jobs.id, input: jobs.input }).from(jobs)
    .where(eq(jobs.idempotencyKey, idempotencyKey ?? ""));
  if (!first) throw new Error("A job that was in the way cannot be read");
  if (sameRequest(first.input, input)) return { id: first.id, created: false };
  throw new InputError(
    `the key "${idempotencyKey}" was used for another request`,
    "idempotencyKey",
    "give each request a key of its own",
  );
}

/** Whether two requests ask for the same. Uploads lie at a new path each time: their content stands for them. */
function sameRequest(a: JobInput, b: JobInput): boolean {
  const asked = (input: JobInput) =>
    input.kind === "import" ? ["import", input.uploadHash ?? input.path, input.choices ?? { from: "culprit" }] : input;
  // The database keeps no order of keys.
  return isDeepStrictEqual(asked(a), asked(b));
}

/** Says that the job is being worked on. False when it has ended, so that there is nothing to do. */
export async function startJob(db: Database, jobId: string): Promise<boolean> {
  // Mostly it runs: others who finish its tasks need not wait for a lock.
  const [job] = await db.select({ status: jobs.status }).from(jobs).where(eq(jobs.id, jobId));
  if (job?.status === "running") return true;
  return await db.transaction(async (tx) => {
    const status = await lockJob(tx, jobId);
    if (status === "running") return true;
    if (status !== "queued") return false;
    await change(tx, jobId, { status: "running", startedAt: sql`now()` });
    return true;
  });
}

/** Says how it goes. False when the job has ended meanwhile, so that the work can be dropped. */
export async function reportProgress(
  db: Database,
  jobId: string,
  progress: { readonly message: string },
): Promise<boolean> {
  return await db.transaction(async (tx) => {
    const changed = await tx.update(jobs).set({ message: progress.message, sequence: sql`${jobs.sequence} + 1` })
      .where(and(eq(jobs.id, jobId), eq(jobs.status, "running"))).returning({ id: jobs.id });
    if (changed.length > 0) await notifyJob(tx, jobId);
    return changed.length > 0;
  });
}

/** The status of a job, locked until the transaction ends; undefined when there is no such job. */
export async function lockJob(tx: Transaction, jobId: string): Promise<typeof jobs.$inferSelect.status | undefined> {
  const [job] = await tx.select({ status: jobs.status }).from(jobs).where(eq(jobs.id, jobId)).for("update");
  return job?.status;
}

/** What a task made. */
export interface FinishedTask extends Pick<PairTask, "tokenPairId" | "modelId"> {
  /** The attribution that it made or used, if any. */
  readonly attributionId: number | null;
}

/** Notes that tasks of a job are done, and ends the job with its last task. The job must be locked. */
export async function finishTasks(tx: Transaction, jobId: string, finished: readonly FinishedTask[]): Promise<void> {
  const values = finished.map(({ tokenPairId, modelId, attributionId }) =>
    sql`(${tokenPairId}::int, ${modelId}::int, ${attributionId}::int)`
  );
  await settleTasks(
    tx,
    jobId,
    sql`
    with given (pair, model, attribution) as (values ${sql.join(values, sql`, `)}),
    before as (select token_pair_id, model_id, not done and error is null as open, attribution
      from job_tasks join given on token_pair_id = pair and model_id = model where job_id = ${jobId}),
    changed as (update job_tasks t set attribution_id = b.attribution, done = true, error = null from before b
      where t.job_id = ${jobId} and t.token_pair_id = b.token_pair_id and t.model_id = b.model_id returning 1)
    select count(*) filter (where open)::int as settled, (select count(*) from changed) from before`,
  );
}

/** One task. */
export async function finishTask(tx: Transaction, task: PairTask, attributionId: number | null): Promise<void> {
  await finishTasks(tx, task.jobId, [{ ...task, attributionId }]);
}

/** Notes that a task failed for good, and ends the job with its last task. */
export async function failTask(db: Database, task: PairTask, error: string): Promise<void> {
  await db.transaction(async (tx) => {
    if (await lockJob(tx, task.jobId) === undefined) return;
    await settleTasks(
      tx,
      task.jobId,
      sql`
      with before as (select error is null as open from job_tasks
        where job_id = ${task.jobId} and token_pair_id = ${task.tokenPairId} and model_id = ${task.modelId} and not done),
      changed as (update job_tasks set error = ${error}
        where job_id = ${task.jobId} and token_pair_id = ${task.tokenPairId} and model_id = ${task.modelId} and not done
        returning 1)
      select count(*) filter (where open)::int as settled, (select count(*) from changed) from before`,
    );
  });
}

/**
 * Changes tasks by a statement that gives how many of them were open before, and counts these: a job of a million tasks
 * must not be counted anew with each. The job must be locked.
 */
async function settleTasks(tx: Transaction, jobId: string, statement: SQL): Promise<void> {
  const [row] = await tx.execute<{ settled: number }>(statement);
  const [job] = await tx.select({ done: jobs.done, total: jobs.total }).from(jobs).where(eq(jobs.id, jobId));
  const done = (job?.done ?? 0) + (row?.settled ?? 0);
  if (done >= (job?.total ?? 0)) await settlePairJob(tx, jobId);
  else await change(tx, jobId, { done });
}

/** Counts all that is done, and ends the job when nothing is left. */
export async function settlePairJob(tx: Transaction, jobId: string): Promise<void> {
  const [state] = await tx.select({
    total: count(),
    // An error stands only where nothing is done.
    done: sql<number>`(count(*) filter (where ${jobTasks.done}) + count(${jobTasks.error}))::int`,
    failed: count(jobTasks.error),
    error: sql<string | null>`min(${jobTasks.error})`,
  }).from(jobTasks).where(eq(jobTasks.jobId, jobId));
  const { total = 0, done = 0, failed = 0, error = null } = state ?? {};
  if (done < total) return await change(tx, jobId, { done });
  const end = { done, message: null, finishedAt: sql`now()` };
  if (failed === 0) return await change(tx, jobId, { ...end, status: "completed" });
  await change(tx, jobId, {
    ...end,
    status: "failed",
    errorCode: failed === total ? "ALL_FAILED" : "SOME_FAILED",
    errorMessage: total === 1 ? error : `${failed} of ${total} token pairs failed, for example: ${error}`,
  });
}

/** Where an import stands; stored with the rows it stored. */
export interface ImportState {
  /** Bytes read so far: a restarted import goes on from here. */
  readonly done: number;
  readonly total: number;
  readonly report: ImportReport;
}

/** Notes how far an import is. The job must be locked. */
export async function saveImport(tx: Transaction, jobId: string, state: ImportState): Promise<void> {
  await change(tx, jobId, { ...state, place: { at: state.done, alone: 0 }, message: `${state.report.lines} lines` });
}

/** Ends an import. The job must be locked. */
export async function finishImport(tx: Transaction, jobId: string, state: ImportState): Promise<void> {
  await change(tx, jobId, {
    ...state,
    message: `${state.report.lines} lines`,
    status: "completed",
    finishedAt: sql`now()`,
  });
}

/** How far a job is that is one task. */
export interface JobState {
  readonly done: number;
  readonly total: number;
  readonly message: string;
}

/** Notes how far a job is. The job must be locked. */
export async function saveState(tx: Transaction, jobId: string, state: JobState): Promise<void> {
  await change(tx, jobId, state);
}

/** Ends a job that did all it was asked. The job must be locked. */
export async function finishJob(tx: Transaction, jobId: string, state: JobState): Promise<void> {
  await change(tx, jobId, { ...state, status: "completed", finishedAt: sql`now()` });
}

/** Ends a job that cannot go on. Does nothing to one that has ended. */
export async function failJob(db: Database, jobId: string, code: string, message: string): Promise<void> {
  await db.transaction(async (tx) => {
    const status = await lockJob(tx, jobId);
    if (status !== "queued" && status !== "running") return;
    await change(tx, jobId, {
      status: "failed",
      finishedAt: sql`now()`,
      errorCode: code,
      errorMessage: message,
    });
  });
}

/** Cancels a job and takes its waiting tasks from the queue. Does nothing to a job that has ended. */
export async function cancelJob(db: Database, jobId: string): Promise<void> {
  await db.transaction(async (tx) => {
    const status = await lockJob(tx, jobId);
    if (status === undefined) {
      throw new InputError(`there is no job ${jobId}`, "cancelJob", "give an id that another query returned");
    }
    if (status !== "queued" && status !== "running") return;
    await tx.execute(sql`
      delete from pgboss.job
      where name not like '%-failed' and state in ('created', 'retry') and data ->> 'jobId' = ${jobId}`);
    await change(tx, jobId, { status: "cancelled", finishedAt: sql`now()` });
  });
}

type Changes = { [Key in keyof typeof jobs.$inferInsert]?: (typeof jobs.$inferInsert)[Key] | SQL };

async function change(tx: Transaction, jobId: string, changes: Changes): Promise<void> {
  await tx.update(jobs).set({ ...changes, sequence: sql`${jobs.sequence} + 1` } as never).where(eq(jobs.id, jobId));
  await notifyJob(tx, jobId);
}
