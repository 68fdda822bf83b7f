/** Jobs that do one thing with each of many token pairs: stored with their tasks, in one transaction. */
import { and, eq, type SQL, sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { InputError } from "../../gpu/mod.ts";
import type { AnalysisInput } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, jobs, jobTasks, tokenPairs } from "../../schema/tables/tables.ts";
import { among } from "../base/among.ts";
import type { Transaction } from "../database/database.ts";
import { CLEAN_DELTA } from "../cases/clean_delta.ts";
import { type CreatedJob, insertJob, settlePairJob, SMALL_JOB } from "./jobs.ts";
import { enqueue } from "./enqueue.ts";
import type { PairTask } from "./queue.ts";

const ROWS_AT_ONCE = 1000;

/** Which token pairs: row ids, every pair that lacks a result, or those of them with delta > 1. */
export type PairSelection = readonly number[] | "missing" | "clean";

/** A pair with the model of its case. */
export interface SelectedPair {
  readonly tokenPairId: number;
  readonly modelId: number;
}

/**
 * The pairs of a selection, by id. `present` is a query in parentheses that has rows where a pair has the result
 * already.
 * Throws InputError for ids that are not there.
 */
export async function selectPairs(
  db: Database | Transaction,
  wanted: PairSelection,
  present: SQL | undefined,
): Promise<SelectedPair[]> {
  const condition = typeof wanted !== "string" ? among(tokenPairs.id, wanted) : and(
    present === undefined ? undefined : sql`not exists ${present}`,
    wanted === "clean" ? sql`${tokenPairs.delta} > ${CLEAN_DELTA}` : undefined,
  );
  const pairs = await db.select({ tokenPairId: tokenPairs.id, modelId: failureCases.modelId }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId)).where(condition).orderBy(tokenPairs.id);
  if (typeof wanted !== "string") {
    const found = new Set(pairs.map(({ tokenPairId }) => tokenPairId));
    const missing = wanted.find((id) => !found.has(id));
    if (missing !== undefined) {
      throw new InputError(
        `there is no token pair ${missing}`,
        "tokenPairIds",
        "give ids that another query returned",
      );
    }
  }
  return pairs;
}

/** Stores a job and a task for each pair. A job of no pairs is completed at once. */
export async function createPairJob(
  db: Database,
  boss: PgBoss,
  input: AnalysisInput,
  pairs: readonly SelectedPair[],
  idempotencyKey: string | undefined,
): Promise<CreatedJob> {
  return await db.transaction(async (tx) => {
    const job = await insertJob(tx, input, idempotencyKey);
    if (!job.created) return job;
    const tasks = pairs.map((pair): PairTask => ({ jobId: job.id, ...pair }));
    for (let from = 0; from < tasks.length; from += ROWS_AT_ONCE) {
      await tx.insert(jobTasks).values(tasks.slice(from, from + ROWS_AT_ONCE));
    }
    const queued = tasks.map((data) => ({ data, modelIds: [data.modelId] }));
    await enqueue(tx, boss, "analyse", queued, { small: tasks.length <= SMALL_JOB });
    await tx.update(jobs).set({ total: tasks.length }).where(eq(jobs.id, job.id));
    await settlePairJob(tx, job.id);
    return job;
  });
}
