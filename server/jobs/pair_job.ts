/** Jobs that do one thing with each of many token pairs: stored with their tasks, in one transaction. */
import { and, eq, type SQL, sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { InputError } from "../../gpu/mod.ts";
import type { AnalysisInput, StudyInput } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, jobs, jobTasks, tokenPairs } from "../../schema/tables/tables.ts";
import type { JobInput } from "../../schema/tables/values.ts";
import { among } from "../base/among.ts";
import type { Transaction } from "../database/database.ts";
import { CLEAN_DELTA } from "../cases/clean_delta.ts";
import { criterionPairs } from "../../schema/tables/criterion_pairs.ts";
import { type CreatedJob, insertJob, settlePairJob, SMALL_JOB } from "./jobs.ts";
import { enqueue } from "./enqueue.ts";

const ROWS_AT_ONCE = 1000;

/** Which token pairs: row ids, every pair that lacks a result, or those of them with delta > 1. */
export type WantedPairs = readonly number[] | "missing" | "clean";

/** A pair with the model that computes it: that of its case, or another of a series. */
export interface SelectedPair {
  readonly tokenPairId: number;
  readonly modelId: number;
  /** The attribution that makes its task done before it begins. */
  readonly attributionId?: number | null;
}

/** What is asked of each pair. */
type PairInput = AnalysisInput | StudyInput | Extract<JobInput, { readonly kind: "attribute" }>;

/**
 * The pairs of a selection, by id. `present` is a query in parentheses that has rows where a pair has the result
 * already.
 * Throws InputError for ids that are not there.
 */
export async function selectPairs(
  db: Database | Transaction,
  wanted: WantedPairs,
  present: SQL | undefined,
): Promise<SelectedPair[]> {
  const condition = typeof wanted !== "string" ? among(tokenPairs.id, wanted) : and(
    criterionPairs,
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
  input: PairInput,
  pairs: readonly SelectedPair[],
  idempotencyKey: string | undefined,
): Promise<CreatedJob> {
  return await db.transaction(async (tx) => {
    const job = await insertJob(tx, input, idempotencyKey);
    if (job.created) await addPairTasks(tx, boss, job.id, input, pairs);
    return job;
  });
}

/** Stores the tasks of a new job, queues those that are not done, and ends the job when nothing is left. */
export async function addPairTasks(
  tx: Transaction,
  boss: PgBoss,
  jobId: string,
  input: PairInput,
  pairs: readonly SelectedPair[],
): Promise<void> {
  for (let from = 0; from < pairs.length; from += ROWS_AT_ONCE) {
    await tx.insert(jobTasks).values(
      pairs.slice(from, from + ROWS_AT_ONCE).map(({ tokenPairId, modelId, attributionId = null }) => ({
        jobId,
        tokenPairId,
        modelId,
        attributionId,
        done: attributionId !== null,
      })),
    );
  }
  const open = pairs.filter(({ attributionId = null }) => attributionId === null);
  const small = { small: open.length <= SMALL_JOB };
  const tasks = open.map(({ tokenPairId, modelId }) => ({
    data: { jobId, tokenPairId, modelId },
    modelIds: [modelId],
  }));
  if (input.kind === "attribute" || input.kind === "study") {
    const { rule } = input;
    const ruled = tasks.map(({ data, modelIds }) => ({ data: { ...data, rule }, modelIds }));
    await enqueue(tx, boss, "attribute", ruled, small);
  } else {
    await enqueue(tx, boss, "analyse", tasks, small);
  }
  await tx.update(jobs).set({ total: pairs.length }).where(eq(jobs.id, jobId));
  await settlePairJob(tx, jobId);
  const stored = pairs.length - open.length;
  if (stored === 0) return;
  const message = `${stored} of ${pairs.length} were already stored`;
  await tx.update(jobs).set({ message }).where(eq(jobs.id, jobId));
}
