/** Jobs that nobody can do say so: what no worker that lives may take is told in the job's message within seconds. */
import { getLogger } from "@logtape/logtape";
import { and, eq, inArray, like, sql } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { jobs, models } from "../../schema/tables/tables.ts";
import { describeBytes } from "../../gpu/mod.ts";
import { messageOf, waitingQueues } from "./consumer.ts";
import type { Connection } from "../database/database.ts";
import { hubReference } from "./model_place.ts";
import { queueName, routeOf, serves, shortHash } from "./queue.ts";
import { notifyJob } from "./signals.ts";
import { forgetWorkers, liveWorkers } from "./worker_registry.ts";

/** How often waiting tasks are looked at, in milliseconds. */
const LOOK_MS = 2000;
/** Tasks at the head of a queue whose jobs are told. */
const HEAD = 10_000;
/** How the message of a waiting job begins. */
const WAITS = "Waits: ";

export interface WaitingJobs {
  stop(): Promise<void>;
}

/** Looks after the messages of jobs that wait. Any number of servers may do it; `own`: this one keeps a worker itself. */
export function watchWaitingJobs(connection: Connection, own: boolean): WaitingJobs {
  const log = getLogger(["culprit", "queue"]);
  let progress: Progress = new Map();
  let stopped = false;
  let wake = (): void => {};
  const loop = (async () => {
    while (!stopped) {
      try {
        progress = await tellWaitingJobs(connection, progress, own);
        await forgetWorkers(connection.db);
      } catch (error) {
        // A database that is away is told by everything else.
        log.debug("Waiting jobs: {message}", { message: messageOf(error) });
      }
      if (stopped) return;
      await new Promise<void>((done) => {
        const timer = setTimeout(done, LOOK_MS);
        wake = () => {
          clearTimeout(timer);
          done();
        };
      });
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      wake();
      await loop;
    },
  };
}

/** What a job's sequence was at the last look: jobs that go on meanwhile do not wait, whatever else they have queued. */
type Progress = ReadonlyMap<string, number>;

/** Looks once. */
export async function tellWaitingJobs(connection: Connection, before: Progress, own = false): Promise<Progress> {
  const { db } = connection;
  const live = await liveWorkers(db);
  const reasons = new Map<string, string>();
  for (const kind of ["attribute", "analyse", "search", "ask"] as const) {
    for (const queue of await waitingQueues(connection, kind)) {
      if (live.some((worker) => serves(worker, queue))) continue;
      const reason = `${WAITS}${await reasonOf(db, queue, live.length, own)}`;
      for (const jobId of await jobsOf(db, queue)) if (!reasons.has(jobId)) reasons.set(jobId, reason);
    }
  }
  const told = await db.select({ id: jobs.id, message: jobs.message }).from(jobs)
    .where(and(inArray(jobs.status, ["queued", "running"]), like(jobs.message, `${WAITS}%`)));
  for (const { id, message } of told) if (!reasons.has(id)) await tell(db, id, message, null);
  if (reasons.size === 0) return new Map();
  const waiting = await db.select({ id: jobs.id, message: jobs.message, status: jobs.status, sequence: jobs.sequence })
    .from(jobs).where(and(inArray(jobs.id, [...reasons.keys()]), inArray(jobs.status, ["queued", "running"])));
  const sequences = new Map<string, number>();
  for (const { id, message, status, sequence } of waiting) {
    const reason = reasons.get(id)!;
    sequences.set(id, sequence);
    const isStill = status === "queued" || before.get(id) === sequence;
    if (isStill && message !== reason && await tell(db, id, message, reason)) sequences.set(id, sequence + 1);
  }
  return sequences;
}

/** What nobody has whom a queue's tasks need. */
async function reasonOf(db: Database, queue: string, living: number, own: boolean): Promise<string> {
  if (living === 0 && own) return "the worker is starting";
  if (living === 0) return "no worker runs; start one with npx culprit worker";
  const { models: hashes, bytes } = routeOf(queue);
  const rows = await db.select({ name: models.name, hash: models.hash, directory: models.directory }).from(models);
  const names = hashes.map((hash) => rows.find((row) => shortHash(row.hash) === hash)?.name ?? hash);
  const holding = (await liveWorkers(db)).filter((worker) =>
    serves({ ...worker, memoryBytes: null }, queueName("attribute", { models: hashes }))
  );
  const workers = living === 1 ? "the worker that runs does not hold" : `none of ${living} workers holds`;
  if (holding.length === 0) {
    const hubs = rows.filter(({ hash }) => hashes.includes(shortHash(hash))).map(hubReference);
    const [hub] = hubs.length === 1 ? hubs : [];
    const pull = hub == null ? "" : `, or fetch them there: npx culprit model pull ${hub}`;
    return `${workers} ${names.join(" and ")}; put the files it was added with into its CULPRIT_MODELS${pull}`;
  }
  return `no worker that holds ${names.join(" and ")} has ${describeBytes(bytes ?? 0)} of device memory; start one`;
}

async function jobsOf(db: Database, queue: string): Promise<string[]> {
  const rows = await db.execute<{ id: string }>(sql`
    select distinct data ->> 'jobId' as id from (
      select data from pgboss.job where name = ${queue} and state < 'active' and not blocked
      order by priority desc, created_on limit ${HEAD}) head`);
  return rows.map(({ id }) => id);
}

/** Changes the message unless it changed meanwhile. */
async function tell(db: Database, jobId: string, from: string | null, to: string | null): Promise<boolean> {
  return await db.transaction(async (tx) => {
    const changed = await tx.update(jobs).set({ message: to, sequence: sql`${jobs.sequence} + 1` })
      .where(and(
        eq(jobs.id, jobId),
        inArray(jobs.status, ["queued", "running"]),
        sql`${jobs.message} is not distinct from ${from}`,
      )).returning({ id: jobs.id });
    if (changed.length > 0) await notifyJob(tx, jobId);
    return changed.length > 0;
  });
}
