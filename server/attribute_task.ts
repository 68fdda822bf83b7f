/** Computes one attribution as a task of the queue. */
import { and, eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { InputError } from "../gpu/errors.ts";
import type { Database } from "../schema/context.ts";
import { attributions } from "../schema/tables.ts";
import { attributionRow } from "./attribution_row.ts";
import type { Attempt } from "./consumer.ts";
import type { Connection, Transaction } from "./database.ts";
import { failTask, finishTask, lockJob, startJob } from "./jobs.ts";
import type { ModelCache } from "./model_cache.ts";
import { loadPair, progressReporter } from "./pair_task.ts";
import { type AttributeTask, inside } from "./queue.ts";

export interface AttributeParts {
  readonly connection: Connection;
  readonly boss: PgBoss;
  readonly cache: ModelCache;
}

/**
 * Computes the task's attribution and stores it together with the task's completion. A task whose job has ended, or
 * whose attribution somebody else stored, is completed without computing. Throws what is worth another attempt.
 */
export async function performAttribute(parts: AttributeParts, attempt: Attempt<AttributeTask>): Promise<void> {
  const { connection: { db }, boss, cache } = parts;
  const { task } = attempt;
  if (!(await startJob(db, task.jobId))) return void await boss.complete("attribute", attempt);
  const stored = await storedAttribution(db, task);
  if (stored !== undefined) return await finish(parts, attempt, () => Promise.resolve(stored));

  const { model, failureCase, pair } = await loadPair(db, task);
  const ended = new AbortController();
  const signal = AbortSignal.any([attempt.signal, ended.signal]);
  const onProgress = progressReporter(db, task, failureCase.key, ended);
  try {
    const loaded = await cache.get(model, { signal, onProgress });
    const result = await loaded.attribute({
      inputIds: failureCase.inputIds,
      target: pair.targetId,
      contrast: pair.contrastId,
      rule: task.rule,
    }, { signal, onProgress });
    const row = attributionRow({
      ...pair,
      ...failureCase,
      tokenPairId: task.tokenPairId,
      modelId: model.id,
    }, result);
    await finish(parts, attempt, async (tx) => {
      const [added] = await tx.insert(attributions).values(row)
        .onConflictDoNothing({ target: [attributions.tokenPairId, attributions.rule, attributions.modelId] })
        .returning({ id: attributions.id });
      return added?.id ?? await storedAttribution(tx, task);
    });
  } catch (error) {
    if (ended.signal.aborted) return void await boss.complete("attribute", attempt);
    if (!(error instanceof InputError)) throw error;
    await failTask(db, task, error.message);
    await boss.complete("attribute", attempt);
  }
}

/** Stores a result, links it to the task, and completes the task: all in one transaction, or nothing. */
async function finish(
  { connection: { db }, boss }: AttributeParts,
  attempt: Attempt<AttributeTask>,
  store: (tx: Transaction) => Promise<number | undefined>,
): Promise<void> {
  await db.transaction(async (tx) => {
    if (await lockJob(tx, attempt.task.jobId) === "running") {
      const attributionId = await store(tx);
      if (attributionId === undefined) throw new Error("An attribution that was in the way cannot be read");
      await finishTask(tx, attempt.task, attributionId);
    }
    await boss.complete("attribute", attempt, null, inside(tx));
  });
}

async function storedAttribution(db: Database | Transaction, task: AttributeTask): Promise<number | undefined> {
  const [row] = await db.select({ id: attributions.id }).from(attributions)
    .where(and(
      eq(attributions.tokenPairId, task.tokenPairId),
      eq(attributions.rule, task.rule),
      eq(attributions.modelId, task.modelId),
    ));
  return row?.id;
}
