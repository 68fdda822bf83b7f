/** Messages between processes over PostgreSQL's NOTIFY: hints to look, never the only copy of anything. */
import { type SQL, sql } from "drizzle-orm";
import type { QueueKind } from "./queue.ts";

/** A job changed; the payload is its id. */
export const JOB_CHANGED = "culprit_job";
/** There is work; the payload is its kind. */
export const WORK_WAITS = "culprit_work";

/** What can run a statement: a database or a transaction. */
interface Executor {
  execute(statement: SQL): PromiseLike<unknown>;
}

/** Tells watchers, after the transaction commits, that the job changed. */
export async function notifyJob(executor: Executor, jobId: string): Promise<void> {
  await executor.execute(sql`select pg_notify(${JOB_CHANGED}, ${jobId})`);
}

/** Wakes the consumers of a kind of tasks, after the transaction commits. */
export async function notifyQueue(executor: Executor, kind: QueueKind): Promise<void> {
  await executor.execute(sql`select pg_notify(${WORK_WAITS}, ${kind})`);
}
