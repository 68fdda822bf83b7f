/** A task that this worker's memory cannot take goes to a worker with more, or fails with the numbers. */
import { sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { describeBytes, InputError, MemoryError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { Attempt } from "./consumer.ts";
import { enqueueOn } from "./enqueue.ts";
import { inside, laneOf, queueName, type QueueTasks, type Route, serves, type TaskKind } from "./queue.ts";
import { liveWorkers } from "./worker_registry.ts";

/**
 * Moves a task that was refused for want of memory to the queue of workers that have it. Gives the reason why the task
 * fails where it was refused for something else, or no worker that lives has the memory and the task's models.
 */
export async function moveTask<Kind extends TaskKind>(
  { db, boss }: { readonly db: Database; readonly boss: PgBoss },
  kind: Kind,
  attempt: Attempt<QueueTasks[Kind]>,
  models: readonly string[],
  error: InputError,
): Promise<InputError | undefined> {
  if (!(error instanceof MemoryError)) return error;
  const route: Route = { models, bytes: error.bytes, lane: laneOf(attempt.queue) };
  const queue = queueName(kind, route);
  const holding = (await liveWorkers(db)).filter((worker) => serves({ ...worker, memoryBytes: null }, queue));
  // Who refused it for want of memory needs no second try; it may be that others' buffers were in the way.
  if (attempt.queue === queue || !holding.some((worker) => worker.memoryBytes !== null && serves(worker, queue))) {
    const most = Math.max(0, ...holding.map(({ memoryBytes }) => memoryBytes ?? 0));
    const others = holding.length < 2
      ? ""
      : `; of ${holding.length} workers that hold the model the largest has ${describeBytes(most)}`;
    return new InputError(`${error.what}${others}`, error.where, error.mend);
  }
  await db.transaction(async (tx) => {
    const [row] = await tx.execute<{ owner: string }>(
      sql`select owner from jobs where id = ${attempt.task.jobId}`,
    );
    await enqueueOn(tx, boss, kind, route, attempt.task, row?.owner);
    await boss.complete(attempt.queue, attempt, null, inside(tx));
  });
  return undefined;
}
