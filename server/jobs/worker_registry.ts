/** Tells who works: each worker writes itself down every few seconds, with what it holds. */
import { hostname } from "node:os";
import process from "node:process";
import { getLogger } from "@logtape/logtape";
import { eq, lt, type SQL, sql } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { workers } from "../../schema/tables/worker_tables.ts";
import { messageOf } from "./consumer.ts";
import type { HeldModels } from "../models/held_models.ts";
import { type Holdings, serves } from "./queue.ts";

/** How often a worker says that it lives, and looks what it holds, in milliseconds. */
const BEAT_MS = 5000;
/** A worker that was silent this long counts as dead, in seconds. */
const SILENT_SECONDS = 16;
/** Rows of workers that were silent this long are removed, in seconds. */
const FORGOTTEN_SECONDS = 3600;

export interface Registration {
  /** What this worker has to offer now. */
  holdings(): Holdings;
  /** Whether it can do the tasks of a queue. Looks for new models when it cannot, now and then. */
  serves(queue: string): boolean;
  stop(): Promise<void>;
}

/** Writes this worker down until it stops. */
export async function register(
  db: Database,
  held: HeldModels,
  { adapter, memoryBytes }: { readonly adapter: string; readonly memoryBytes: () => number | null },
): Promise<Registration> {
  const log = getLogger(["culprit", "worker"]);
  const id = crypto.randomUUID();
  let scannedAt = 0;
  let most = memoryBytes();
  let busy: Promise<void> | undefined;
  const beat = async (): Promise<void> => {
    await held.scan();
    scannedAt = performance.now();
    // What other programs take now and give back is still there for a task.
    const now = memoryBytes();
    most = now === null ? null : Math.max(now, most ?? 0);
    const row = { memoryBytes: most, models: [...held.hashes()] };
    await db.insert(workers).values({ id, host: hostname(), pid: process.pid, adapter, ...row, seenAt: sql`now()` })
      .onConflictDoUpdate({ target: workers.id, set: { ...row, seenAt: sql`now()` } });
  };
  const look = (): Promise<void> =>
    busy ??= beat().catch((error) => log.warn("Worker: {message}", { message: messageOf(error) }))
      .finally(() => busy = undefined);
  await beat();
  const timer = setInterval(() => void look(), BEAT_MS);
  const holdings = (): Holdings => ({ models: held.hashes(), memoryBytes: most });
  return {
    holdings,
    serves: (queue) => {
      if (serves(holdings(), queue)) return true;
      if (performance.now() - scannedAt > BEAT_MS / 5) void look();
      return false;
    },
    stop: async () => {
      clearInterval(timer);
      await busy;
      await db.delete(workers).where(eq(workers.id, id)).catch(() => {});
    },
  };
}

/** Condition of workers that live. */
export const alive: SQL = sql`${workers.seenAt} > now() - make_interval(secs => ${SILENT_SECONDS})`;

/** The workers that live, as they wrote themselves down. */
export async function liveWorkers(db: Database): Promise<(typeof workers.$inferSelect)[]> {
  return await db.select().from(workers).where(alive).orderBy(workers.createdAt, workers.id);
}

/** Removes those that have long been silent. */
export async function forgetWorkers(db: Database): Promise<void> {
  await db.delete(workers).where(lt(workers.seenAt, sql`now() - make_interval(secs => ${FORGOTTEN_SECONDS})`));
}
