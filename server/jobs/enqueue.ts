/**
 * Puts tasks into the queue: each into that of the models it needs, and at a place that is fair to all owners.
 *
 * Places are priorities of pg-boss, given by start-time fair queuing: the first task of an owner that waits for nothing
 * stands beside the head of the queue, each further one behind the owner's last. So owners take turns, however many tasks
 * one of them has, and the head is found by an index alone. Small jobs, for which somebody waits, have turns of their own.
 */
import { inArray, sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { models } from "../../schema/tables/tables.ts";
import type { Transaction } from "../database/database.ts";
import { currentOwner } from "../base/asker.ts";
import { inside, openQueue, queueName, type QueueTasks, type Route, type TaskKind } from "./queue.ts";
import { notifyQueue } from "./signals.ts";

/** Tasks of one statement. */
const TASKS_AT_ONCE = 10_000;

/** A task, and the models that whoever does it must hold. */
export interface NewTask<Kind extends TaskKind> {
  readonly data: QueueTasks[Kind];
  readonly modelIds: readonly number[];
}

/**
 * Queues tasks with what else the transaction writes. `small`: somebody waits for them; such tasks on token pairs go on
 * the interactive lane.
 */
export async function enqueue<Kind extends TaskKind>(
  tx: Transaction,
  boss: PgBoss,
  kind: Kind,
  tasks: readonly NewTask<Kind>[],
  { small }: { readonly small: boolean },
): Promise<void> {
  const hashes = await hashesOf(tx, [...new Set(tasks.flatMap(({ modelIds }) => modelIds))]);
  const lane = small && (kind === "attribute" || kind === "analyse") ? "interactive" : "batch";
  const byQueue = Map.groupBy(
    tasks,
    ({ modelIds }) => queueName(kind, { models: modelIds.flatMap((id) => hashes.get(id) ?? []), lane }),
  );
  const turn = turnOf(currentOwner(), small);
  for (const [queue, own] of byQueue) await insertTasks(tx, boss, queue, own.map(({ data }) => data), turn);
  if (tasks.length > 0) await notifyQueue(tx, kind);
}

/** Queues a task on a route of its own. */
export async function enqueueOn<Kind extends TaskKind>(
  tx: Transaction,
  boss: PgBoss,
  kind: Kind,
  route: Route,
  data: QueueTasks[Kind],
  owner: string = currentOwner(),
): Promise<void> {
  await insertTasks(tx, boss, queueName(kind, route), [data], turnOf(owner, true));
  await notifyQueue(tx, kind);
}

const turnOf = (owner: string, small: boolean): string => small ? `${owner} (small)` : owner;

/** Hashes of the models' files by id. */
export async function hashesOf(
  db: Pick<Transaction, "select">,
  ids: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db.select({ id: models.id, hash: models.hash }).from(models).where(inArray(models.id, [...ids]));
  return new Map(rows.map(({ id, hash }) => [id, hash]));
}

async function insertTasks(
  tx: Transaction,
  boss: PgBoss,
  queue: string,
  tasks: readonly object[],
  turn: string,
): Promise<void> {
  await openQueue(boss, queue);
  const [at] = await tx.execute<{ head: number | null; last: number | null }>(sql`
    select (select priority from pgboss.job where name = ${queue} and state < 'active' and not blocked
        order by priority desc, created_on limit 1) as head,
      (select min(priority) from pgboss.job where name = ${queue} and group_id = ${turn} and state < 'active') as last`);
  const first = Math.min(at?.head ?? 0, (at?.last ?? Infinity) - 1);
  for (let from = 0; from < tasks.length; from += TASKS_AT_ONCE) {
    const part = tasks.slice(from, from + TASKS_AT_ONCE)
      .map((data, index) => ({ data, priority: first - from - index, group: { id: turn } }));
    await boss.insert(queue, part, inside(tx));
  }
}
