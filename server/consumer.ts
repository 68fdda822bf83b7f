/**
 * Takes tasks from a queue, one at a time, and keeps them alive while they are worked on. The handler completes its task
 * itself, in the transaction that stores the result; what it throws fails the attempt, and the queue retries.
 */
import { getLogger } from "@logtape/logtape";
import type { PgBoss } from "pg-boss";
import type { Connection } from "./database.ts";
import { HEARTBEAT_SECONDS, type QueueName, type QueueTasks } from "./queue.ts";
import { WORK_WAITS } from "./signals.ts";
import { worked } from "./telemetry.ts";

/** A task as it was taken. An attempt that was given to somebody else meanwhile can no longer be completed. */
export interface Attempt<Task> {
  readonly id: string;
  readonly retryCount: number;
  readonly task: Task;
  /** Aborted when the attempt was taken away. */
  readonly signal: AbortSignal;
}

export interface Consumer {
  /** Takes no more tasks, hands the one in work back to the queue as if it had never been taken, and resolves. */
  stop(): Promise<void>;
}

/** The reason that a handed-back task's signal is aborted with. */
class HandedBack extends Error {}

/** How often to look without having been woken, in milliseconds. */
const POLL_MS = 1000;

export async function startConsumer<Name extends QueueName>(
  connection: Connection,
  boss: PgBoss,
  queue: Name,
  handle: (attempt: Attempt<QueueTasks[Name]>) => Promise<void>,
): Promise<Consumer> {
  const log = getLogger(["culprit", "queue", queue]);
  const stopping = new AbortController();
  let wake = (): void => {};
  const listener = await connection.sql.listen(WORK_WAITS, (payload) => {
    if (payload === queue) wake();
  });

  const takeOne = async (): Promise<boolean> => {
    const [job] = await boss.fetch<QueueTasks[Name]>(queue, { batchSize: 1 });
    if (!job) return false;
    const attempt = { id: job.id, retryCount: job.retryCount };
    if (stopping.signal.aborted) return await handBack(connection, queue, attempt);
    const taken = new AbortController();
    const heartbeat = setInterval(() => {
      boss.touch(queue, attempt).then(
        (touched) => {
          if ((touched as { affected?: number }).affected === 0) {
            taken.abort(new Error("The task was given to another"));
          }
        },
        (error) => log.warn("Heartbeat: {message}", { message: messageOf(error) }),
      );
    }, HEARTBEAT_SECONDS * 300);
    const signal = AbortSignal.any([taken.signal, stopping.signal]);
    try {
      await worked(connection.db, queue, job.data, () => handle({ ...attempt, task: job.data, signal }));
    } catch (error) {
      if (stopping.signal.aborted) return await handBack(connection, queue, attempt);
      log.warn("Task {id} failed: {message}", { id: job.id, message: messageOf(error) });
      await boss.fail(queue, attempt, { message: messageOf(error) });
    } finally {
      clearInterval(heartbeat);
    }
    return true;
  };

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        if (await takeOne()) continue;
      } catch (error) {
        if (!stopping.signal.aborted) log.error("Queue {queue}: {message}", { queue, message: messageOf(error) });
      }
      if (stopping.signal.aborted) return;
      await new Promise<void>((done) => {
        const timer = setTimeout(done, POLL_MS);
        wake = () => {
          clearTimeout(timer);
          done();
        };
      });
    }
  };
  const running = loop();
  return {
    stop: async () => {
      stopping.abort(new HandedBack("The worker is stopping"));
      wake();
      await running;
      await listener.unlisten();
    },
  };
}

/** Returns a task to the queue. Written by hand, since a failed attempt would count as one of its few retries. */
async function handBack(
  { sql }: Connection,
  queue: QueueName,
  attempt: { readonly id: string; readonly retryCount: number },
): Promise<true> {
  await sql`
    update pgboss.job set state = 'created', started_on = null, heartbeat_on = null
    where name = ${queue} and id = ${attempt.id} and retry_count = ${attempt.retryCount} and state = 'active'`;
  await sql`select pg_notify(${WORK_WAITS}, ${queue})`;
  return true;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
