/**
 * Takes tasks from a queue, one at a time, and keeps them alive while they are worked on. The handler completes its task
 * itself, in the transaction that stores the result; what it throws fails the attempt, and the queue retries.
 */
import { getLogger } from "@logtape/logtape";
import type { PgBoss } from "pg-boss";
import type { Connection } from "./database.ts";
import { HEARTBEAT_SECONDS, type QueueName, type QueueTasks } from "./queue.ts";
import { WORK_WAITS } from "./signals.ts";

/** A task as it was taken. An attempt that was given to somebody else meanwhile can no longer be completed. */
export interface Attempt<Task> {
  readonly id: string;
  readonly retryCount: number;
  readonly task: Task;
  /** Aborted when the attempt was taken away. */
  readonly signal: AbortSignal;
}

export interface Consumer {
  /** Takes no more tasks, waits for the one in hand, and resolves. */
  stop(): Promise<void>;
}

/** How often to look without having been woken, in milliseconds. */
const POLL_MS = 1000;

export async function startConsumer<Name extends QueueName>(
  connection: Connection,
  boss: PgBoss,
  queue: Name,
  handle: (attempt: Attempt<QueueTasks[Name]>) => Promise<void>,
): Promise<Consumer> {
  const log = getLogger(["culprit", "queue", queue]);
  let stopped = false;
  let wake = (): void => {};
  const listener = await connection.sql.listen(WORK_WAITS, (payload) => {
    if (payload === queue) wake();
  });

  const takeOne = async (): Promise<boolean> => {
    const [job] = await boss.fetch<QueueTasks[Name]>(queue, { batchSize: 1 });
    if (!job) return false;
    const attempt = { id: job.id, retryCount: job.retryCount };
    const taken = new AbortController();
    const heartbeat = setInterval(() => {
      boss.touch(queue, attempt).then(
        (touched) => {
          if ((touched as { affected?: number }).affected === 0) taken.abort(new Error("The task was given to another"));
        },
        (error) => log.warn("Heartbeat: {message}", { message: messageOf(error) }),
      );
    }, HEARTBEAT_SECONDS * 300);
    try {
      await handle({ ...attempt, task: job.data, signal: taken.signal });
    } catch (error) {
      log.warn("Task {id} failed: {message}", { id: job.id, message: messageOf(error) });
      await boss.fail(queue, attempt, { message: messageOf(error) });
    } finally {
      clearInterval(heartbeat);
    }
    return true;
  };

  const loop = async (): Promise<void> => {
    while (!stopped) {
      try {
        if (await takeOne()) continue;
      } catch (error) {
        if (!stopped) log.error("Queue {queue}: {message}", { queue, message: messageOf(error) });
      }
      if (stopped) return;
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
      stopped = true;
      wake();
      await running;
      await listener.unlisten();
    },
  };
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
