/** Messages between processes over PostgreSQL's NOTIFY: hints to look, never the only copy of anything. */
import { type SQL, sql } from "drizzle-orm";
import type { QueueName } from "./queue.ts";

/** A job changed; the payload is its id. */
export const JOB_CHANGED = "culprit_job";
/** A queue has work; the payload is its name. */
export const WORK_WAITS = "culprit_work";

/** What can run a statement: a database or a transaction. */
interface Executor {
  execute(statement: SQL): PromiseLike<unknown>;
}

/** Tells watchers, after the transaction commits, that the job changed. */
export async function notifyJob(executor: Executor, jobId: string): Promise<void> {
  await executor.execute(sql`select pg_notify(${JOB_CHANGED}, ${jobId})`);
}

/** Wakes the consumers of a queue, after the transaction commits. */
export async function notifyQueue(executor: Executor, queue: QueueName): Promise<void> {
  await executor.execute(sql`select pg_notify(${WORK_WAITS}, ${queue})`);
}
