/**
 * Takes tasks of a kind from its queues, and keeps them alive while they are worked on. The handler completes its tasks
 * itself, in the transaction that stores the result; what it throws fails the attempts, and the queue retries.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { getLogger, type Logger } from "@logtape/logtape";
import { DrizzleQueryError, sql as raw } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import type { Connection } from "../database/database.ts";
import { unavailable } from "../database/database_errors.ts";
import { HEARTBEAT_SECONDS, ofKind, type QueueKind, type QueueTasks, TRIES } from "./queue.ts";
import { WORK_WAITS } from "./signals.ts";
import { worked } from "../base/telemetry.ts";
import type { WorkedTask } from "./messages.ts";
import { createTurns } from "./turns.ts";

/** A task as it was taken. An attempt that was given to somebody else meanwhile can no longer be completed. */
export interface Attempt<Task> {
  readonly id: string;
  readonly retryCount: number;
  /** The queue that it is of. */
  readonly queue: string;
  readonly task: Task;
  /** Aborted when the attempt was taken away. */
  readonly signal: AbortSignal;
}

export interface Consumer {
  /** Takes no more tasks, and resolves when those in work have ended. */
  finish(): Promise<void>;
  /** Takes no more tasks, hands those in work back to the queue as if they had never been taken, and resolves. */
  stop(): Promise<void>;
}

export interface ConsumerOptions {
  /** Which of the kind's queues it takes from; all by default. */
  readonly serves?: (queue: string) => boolean;
  /** How long a queue that has work keeps its turn, in milliseconds. */
  readonly stayMs?: (queue: string) => number;
  /** Called with what is worked on from now on; with nothing when it has ended. */
  readonly onWork?: (attempts: readonly WorkedTask[]) => void;
}

/** The reason that a handed-back task's signal is aborted with. */
class HandedBack extends Error {}

/** How often to look without having been woken, in milliseconds. */
const POLL_MS = 1000;
/** How long to wait at most where others took what was waiting, in milliseconds. */
const BEATEN_MS = 100;
const STAY_MS = 2000;
/** How long to wait where the database was away or full, in milliseconds. */
const AWAY_MS = 2000;

/** Takes one task at a time. */
export async function startConsumer<Kind extends QueueKind>(
  connection: Connection,
  boss: PgBoss,
  kind: Kind,
  handle: (attempt: Attempt<QueueTasks[Kind]>) => Promise<void>,
  options: ConsumerOptions = {},
): Promise<Consumer> {
  const one = (attempts: readonly Attempt<QueueTasks[Kind]>[]) => handle(attempts[0]!);
  return await startLoop(connection, boss, kind, one, { ...options, most: 1 });
}

/** Works on tasks, and gives how long the device was at it, in milliseconds: waiting for a busy database is no reason for smaller packs. */
export type PackHandler<Kind extends QueueKind> = (
  attempts: readonly Attempt<QueueTasks[Kind]>[],
) => Promise<number | void>;

/** Tasks of the first pack, and of any. */
const FIRST_PACK = 8;
const LARGEST_PACK = 64;
/** How long a pack should take, in milliseconds: nobody waits longer for his turn. */
const PACK_MS = 2000;

/**
 * Takes several tasks of one queue at a time, as many as take about two seconds. A task that failed before comes alone,
 * since it may be what took a worker down: the others must not fall with it again.
 */
export async function startPackConsumer<Kind extends QueueKind>(
  connection: Connection,
  boss: PgBoss,
  kind: Kind,
  handle: PackHandler<Kind>,
  options: ConsumerOptions = {},
): Promise<Consumer> {
  return await startLoop(connection, boss, kind, handle, { ...options, most: LARGEST_PACK });
}

/** What a consumer takes work from, and how. */
interface Source<Kind extends QueueKind> {
  readonly connection: Connection;
  readonly boss: PgBoss;
  readonly kind: Kind;
  readonly log: Logger;
}

async function startLoop<Kind extends QueueKind>(
  connection: Connection,
  boss: PgBoss,
  kind: Kind,
  handle: PackHandler<Kind>,
  options: ConsumerOptions & { readonly most: number },
): Promise<Consumer> {
  const log = getLogger(["culprit", "queue", kind]);
  const stopping = new AbortController();
  let finishing = false;
  const isEnding = () => finishing || stopping.signal.aborted;
  let wake = (): void => {};
  const listener = await connection.sql.listen(WORK_WAITS, (payload) => {
    if (payload === kind) wake();
  });
  const takeSome = createTaking({ connection, boss, kind, log }, handle, options, stopping.signal);
  const loop = async (): Promise<void> => {
    while (!isEnding()) {
      try {
        if (await takeSome()) continue;
      } catch (error) {
        if (!stopping.signal.aborted) log.error("Queue {kind}: {message}", { kind, message: messageOf(error) });
      }
      if (isEnding()) return;
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
    finish: async () => {
      finishing = true;
      wake();
      await running;
    },
    stop: async () => {
      stopping.abort(new HandedBack("The worker is stopping"));
      wake();
      await running;
      await listener.unlisten();
    },
  };
}

/** Makes what takes tasks of one queue and works on them, as many as take about PACK_MS; false where none waits. */
function createTaking<Kind extends QueueKind>(
  source: Source<Kind>,
  handle: PackHandler<Kind>,
  { serves = () => true, stayMs = () => STAY_MS, onWork, most }: ConsumerOptions & { readonly most: number },
  stopping: AbortSignal,
): () => Promise<boolean> {
  const { connection, boss, kind, log } = source;
  const turns = createTurns(stayMs);
  const choose = createChoice();
  let size = Math.min(FIRST_PACK, most);
  return async () => {
    const queue = turns.next((await waitingQueues(connection, kind)).filter(serves));
    if (queue === undefined) return false;
    const fetched = await boss.fetch<QueueTasks[Kind]>(queue, { batchSize: size });
    if (fetched.length === 0) await sleep(Math.random() * BEATEN_MS);
    const jobs = stopping.aborted ? [] : choose(fetched);
    const left = fetched.filter((job) => !jobs.includes(job));
    if (left.length > 0) await handBack(connection, kind, queue, left);
    if (jobs.length === 0) return true;
    const alive = keepAlive(boss, queue, jobs, (error) => log.warn("Heartbeat: {message}", { message: error }));
    const attempts = jobs.map(({ id, retryCount, data }) => ({
      id,
      retryCount,
      queue,
      task: data,
      signal: AbortSignal.any([alive.signals.get(id)!, stopping]),
    }));
    onWork?.(attempts.map(({ id, retryCount }) => ({ id, retryCount, queue })));
    let milliseconds = 0;
    try {
      milliseconds = await worked(connection.db, kind, attempts.map(({ task }) => task), () => handle(attempts)) ?? 0;
    } catch (error) {
      if (await settleFailed(source, queue, attempts, error, stopping) === "handed back") return true;
    } finally {
      alive.stop();
      onWork?.([]);
    }
    size = Math.max(1, Math.min(most, 2 * attempts.length, Math.floor(PACK_MS * attempts.length / milliseconds)));
    return true;
  };
}

/** Makes what says which of the tasks that were taken are worked on now: fresh ones together, tried ones alone, in turn. */
function createChoice() {
  let triedAlone = false;
  return <Job extends { readonly retryCount: number }>(jobs: readonly Job[]): readonly Job[] => {
    if (jobs.length <= 1) return jobs;
    const fresh = jobs.filter(({ retryCount }) => retryCount === 0);
    const tried = jobs.filter(({ retryCount }) => retryCount > 0);
    if (tried.length === 0 || fresh.length > 0 && triedAlone) {
      triedAlone = false;
      return fresh;
    }
    triedAlone = true;
    return tried.slice(0, 1);
  };
}

/** Fails attempts for what their handler threw, or hands them back where that was no fault of theirs. */
async function settleFailed<Kind extends QueueKind>(
  { connection, boss, kind, log }: Source<Kind>,
  queue: string,
  attempts: readonly { readonly id: string; readonly retryCount: number }[],
  error: unknown,
  stopping: AbortSignal,
): Promise<"handed back" | "failed"> {
  // A database that is away or full is no fault of the task, and costs it none of its few tries. A broken pipe may be
  // that of a checker's process.
  const found = unavailable(error);
  const away = found?.cause === "EPIPE" ? undefined : found;
  if (away) {
    log.error("{message} ({cause})", { ...away });
    await sleep(AWAY_MS, undefined, { signal: stopping }).catch(() => {});
  }
  if (stopping.aborted || away) {
    await handBack(connection, kind, queue, attempts);
    return "handed back";
  }
  const ids = attempts.map(({ id }) => id);
  log.warn("Task {ids} failed: {message}", { ids: ids.join(", "), message: messageOf(error) });
  await connection.sql`
    update pgboss.job set retry_limit = retry_count
    where name = ${queue} and id = any(${ids}::uuid[]) and state = 'active' and retry_count >= ${TRIES - 1}`;
  await boss.fail(queue, attempts.map(attemptOf), { message: messageOf(error) });
  return "failed";
}

const attemptOf = ({ id, retryCount }: { readonly id: string; readonly retryCount: number }) => ({ id, retryCount });

/** Queues of a kind that have a task to give, found by an index alone; the one whose head waited longest first. */
export async function waitingQueues({ db }: Pick<Connection, "db">, kind: QueueKind): Promise<string[]> {
  const rows = await db.execute<{ name: string }>(raw`
    select q.name from pgboss.queue q cross join lateral (
      select j.created_on from pgboss.job j
      where j.name = q.name and j.state < 'active' and not j.blocked and j.start_after <= now()
      order by j.priority desc, j.created_on limit 1) waiting
    where ${ofKind(raw`q.name`, kind)} order by waiting.created_on, q.created_on, q.name`);
  return rows.map(({ name }) => name);
}

/** Tells the queue, now and then, that tasks are worked on. The signal of one that was given to another is aborted. */
function keepAlive(
  boss: PgBoss,
  queue: string,
  jobs: readonly { readonly id: string; readonly retryCount: number }[],
  onError: (message: string) => void,
): { readonly signals: ReadonlyMap<string, AbortSignal>; stop(): void } {
  const taken = new Map(jobs.map(({ id }) => [id, new AbortController()]));
  const beat = setInterval(() => {
    boss.touch(queue, jobs.map(attemptOf)).then(
      (response) => {
        const { settled } = response as { readonly settled?: readonly string[] | null };
        for (const [id, controller] of taken) {
          if (!settled?.includes(id)) controller.abort(new Error("The task was given to another"));
        }
      },
      (error) => onError(messageOf(error)),
    );
  }, HEARTBEAT_SECONDS * 300);
  return {
    signals: new Map([...taken].map(([id, { signal }]) => [id, signal])),
    stop: () => clearInterval(beat),
  };
}

/** Returns tasks to their queue. Written by hand, since a failed attempt would count as one of its few retries. */
async function handBack(
  { sql }: Connection,
  kind: QueueKind,
  queue: string,
  attempts: readonly { readonly id: string; readonly retryCount: number }[],
): Promise<void> {
  const pairs = attempts.map(({ id, retryCount }) => `${id}:${retryCount}`);
  await sql`
    update pgboss.job set state = 'created', started_on = null, heartbeat_on = null
    where name = ${queue} and id = any(${attempts.map(({ id }) => id)}::uuid[])
      and id::text || ':' || retry_count = any(${pairs}) and state = 'active'`;
  await sql`select pg_notify(${WORK_WAITS}, ${kind})`;
}

/** The message of anything that was thrown. Of a failed statement the reason, not its text with all its values. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof DrizzleQueryError && error.cause ? messageOf(error.cause) : error.message;
}
