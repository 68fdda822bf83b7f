/** Computes attributions as tasks of the queue: those of one model that were taken together, of whatever jobs, in one pass. */
import { and, eq, inArray, type SQL } from "drizzle-orm";
import { settleRefused } from "../jobs/settle_refused.ts";
import { located, withRoom } from "../models/use_model.ts";
import type { TaskParts } from "../jobs/task_parts.ts";
import { type AttributionResult, InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, jobs } from "../../schema/tables/tables.ts";
import { attributionRow } from "./attribution_row.ts";
import type { Attempt } from "../jobs/consumer.ts";
import type { Transaction } from "../database/database.ts";
import { type FinishedTask, finishTasks, lockJob, startJob } from "../jobs/jobs.ts";
import { loadPairs, type PairRows, progressReporter } from "../jobs/pair_task.ts";
import { computedHere } from "../database/precomputed.ts";
import { insertAttributions } from "./insert_attributions.ts";
import { type AttributeTask, inside, laneOf } from "../jobs/queue.ts";

type Taken = Attempt<AttributeTask>;

/** A task that is to be computed. */
interface Work {
  readonly attempt: Taken;
  readonly rows: PairRows;
  /** Aborted when its job has ended. */
  readonly ended: AbortController;
}

/** What is written for a task: a new row, or the attribution that is there. */
interface Finished {
  readonly attempt: Taken;
  readonly result: typeof attributions.$inferInsert | number;
}

/**
 * Computes what the tasks ask for and stores each result together with its task's completion. A task whose job has
 * ended, or whose attribution somebody else stored, is completed without computing. Bad input of one task fails that task
 * only. Gives how long loading and computing took, in milliseconds. Throws what is worth another attempt.
 */
export async function performAttributes(parts: TaskParts, attempts: readonly Taken[]): Promise<number> {
  const { connection: { db }, boss } = parts;
  const running = new Map<string, boolean>();
  for (const { task: { jobId } } of attempts) {
    if (!running.has(jobId)) running.set(jobId, await startJob(db, jobId));
  }
  const over = attempts.filter(({ task }) => !running.get(task.jobId));
  if (over.length > 0) await boss.complete(over[0]!.queue, over);
  const open = attempts.filter((attempt) => !over.includes(attempt));
  if (open.length === 0) return 0;
  const stored = await storedAttributions(db, open.map(({ task }) => task), computedHere(attributions.adapter));
  const there = open.flatMap((attempt) => {
    const id = stored.get(nameOf(attempt.task));
    return id === undefined ? [] : [{ attempt, result: id }];
  });
  await finish(parts, there);
  const left = open.filter((attempt) => !stored.has(nameOf(attempt.task)));
  if (left.length === 0) return 0;
  const rows = await loadPairs(db, left.map(({ task }) => task));
  const works = left.map((attempt, index): Work => ({ attempt, rows: rows[index]!, ended: new AbortController() }));
  // Two names may have one model's weights.
  const byModel = Map.groupBy(works, ({ rows }) => rows.model.hash);
  let milliseconds = 0;
  for (const pack of byModel.values()) milliseconds += await compute(parts, pack);
  return milliseconds;
}

/** One task alone. */
export async function performAttribute(parts: TaskParts, attempt: Taken): Promise<void> {
  await performAttributes(parts, [attempt]);
}

/** Attributes a pack in one pass; where that is refused, each alone. Gives milliseconds. */
async function compute(parts: TaskParts, pack: readonly Work[]): Promise<number> {
  const { connection: { db }, cache } = parts;
  const [{ rows: { model } }] = pack as [Work];
  const signal = whenAll(pack.map(({ attempt, ended }) => AbortSignal.any([attempt.signal, ended.signal])));
  const reporters = reportersOf(db, pack);
  const options = {
    signal,
    lane: laneOf(pack[0]!.attempt.queue),
    onProgress: (progress: Parameters<typeof reporters[0]>[0]) => reporters.forEach((tell) => tell(progress)),
  };
  const lease = cache.lease();
  const start = performance.now();
  let results: readonly AttributionResult[];
  try {
    const loaded = await lease.get(located(parts, model), options);
    const requests = pack.map(({ attempt: { task: { rule } }, rows: { failureCase, pair } }) => ({
      inputIds: failureCase.inputIds,
      target: pair.targetId,
      contrast: pair.contrastId,
      rule,
    }));
    results = await withRoom(cache, () => loaded.attributeMany(requests, options));
  } catch (error) {
    await refused(parts, pack, error);
    return performance.now() - start;
  } finally {
    lease.release();
  }
  const milliseconds = performance.now() - start;
  const finished = pack.map(({ attempt, rows: { model, failureCase, pair } }, index): Finished => {
    const { tokenPairId } = attempt.task;
    const row = attributionRow({ ...pair, ...failureCase, tokenPairId, modelId: model.id }, results[index]!);
    return { attempt, result: row };
  });
  await finish(parts, finished);
  return milliseconds;
}

/** What becomes of a pack that could not be computed. Throws what is worth another attempt. */
async function refused(parts: TaskParts, pack: readonly Work[], error: unknown): Promise<void> {
  const { connection: { db }, boss } = parts;
  const left: Work[] = [];
  for (const work of pack) {
    if (work.ended.signal.aborted) await boss.complete(work.attempt.queue, work.attempt);
    else left.push(work);
  }
  if (left.length === 0) return;
  if (!(error instanceof InputError)) throw error;
  if (pack.length > 1) {
    for (const work of left) await compute(parts, [work]);
    return;
  }
  const [{ attempt, rows }] = left as [Work];
  await settleRefused(db, boss, "attribute", attempt, rows.model.hash, error);
}

/** One reporter a job. */
function reportersOf(db: Database, pack: readonly Work[]): ReturnType<typeof progressReporter>[] {
  const byJob = Map.groupBy(pack, ({ attempt }) => attempt.task.jobId);
  return Array.from(byJob.values(), (works) => {
    const [{ attempt: { task }, rows: { failureCase } }] = works as [Work];
    const ended = new AbortController();
    ended.signal.addEventListener("abort", () => works.forEach((work) => work.ended.abort(ended.signal.reason)));
    const others = works.length > 1 ? ` and ${works.length - 1} more` : "";
    return progressReporter(db, task, `${failureCase.key}${others}`, ended);
  });
}

/** Aborted when all of the signals are. */
function whenAll(signals: readonly AbortSignal[]): AbortSignal {
  const all = new AbortController();
  const look = () => {
    if (signals.every(({ aborted }) => aborted)) all.abort(signals[0]?.reason);
  };
  for (const signal of signals) signal.addEventListener("abort", look);
  look();
  return all.signal;
}

/** Stores the results of each job, links them to its tasks, and completes these: all in one transaction, or nothing. */
async function finish({ connection: { db }, boss }: TaskParts, finished: readonly Finished[]): Promise<void> {
  for (const [jobId, own] of Map.groupBy(finished, ({ attempt }) => attempt.task.jobId)) {
    await db.transaction(async (tx) => {
      const [job] = await tx.select({ status: jobs.status }).from(jobs).where(eq(jobs.id, jobId));
      if (job?.status === "running") {
        const done = await store(tx, own);
        // Late, since all workers of the job wait for each other here.
        if (await lockJob(tx, jobId) === "running") await finishTasks(tx, jobId, done);
      }
      await boss.complete(own[0]!.attempt.queue, own.map(({ attempt }) => attempt), null, inside(tx));
    });
  }
}

/** Writes what is new, and gives the attribution of each task. */
async function store(tx: Transaction, finished: readonly Finished[]): Promise<FinishedTask[]> {
  const rows = finished.flatMap(({ result }) => typeof result === "number" ? [] : [result]);
  if (rows.length > 0) {
    // In one order everywhere, so that workers with the same pairs do not wait for each other in a circle.
    const ordered = rows.toSorted((a, b) => a.tokenPairId - b.tokenPairId || a.modelId - b.modelId);
    await insertAttributions(tx, ordered);
  }
  const stored = await storedAttributions(tx, finished.map(({ attempt }) => attempt.task));
  return finished.map(({ attempt: { task } }) => {
    const attributionId = stored.get(nameOf(task));
    if (attributionId === undefined) throw new Error("An attribution that was in the way cannot be read");
    return { ...task, attributionId };
  });
}

const nameOf = ({ tokenPairId, rule, modelId }: Omit<AttributeTask, "jobId">) => `${tokenPairId}/${rule}/${modelId}`;

/** Ids of the attributions that are there, by pair, rule and model; only those that meet a condition, where one is given. */
async function storedAttributions(
  db: Database | Transaction,
  tasks: readonly AttributeTask[],
  condition?: SQL,
): Promise<ReadonlyMap<string, number>> {
  const { id, tokenPairId, rule, modelId } = attributions;
  const rows = await db.select({ id, tokenPairId, rule, modelId }).from(attributions)
    .where(and(inArray(tokenPairId, [...new Set(tasks.map((task) => task.tokenPairId))]), condition));
  return new Map(rows.map((row) => [nameOf(row), row.id]));
}
