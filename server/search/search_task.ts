/** Performs a job of the queue `search`: runs a model over a benchmark, or searches token pairs. */
import { eq } from "drizzle-orm";
import { InputError, loadTokenizer } from "../../gpu/mod.ts";
import type { CollectInput, PairSearchInput } from "../../schema/tables/search_values.ts";
import { benchmarks, jobs, models } from "../../schema/tables/tables.ts";
import { openCheckers } from "../checkers/check.ts";
import { promptTemplateNamed } from "../benchmarks/prompt_templates.ts";
import { collect } from "../benchmarks/collect.ts";
import type { Attempt } from "../jobs/consumer.ts";
import type { Transaction } from "../database/database.ts";
import { hashesOf } from "../jobs/enqueue.ts";
import { searchOpenCases } from "./pair_search.ts";
import type { DecidedCase } from "./parts.ts";
import { failJob, finishJob, type JobState, lockJob, saveState, startJob } from "../jobs/jobs.ts";
import type { TaskParts } from "../jobs/task_parts.ts";
import { located, withRoom } from "../models/use_model.ts";
import type { ModelLease } from "../models/model_cache.ts";
import { moveTask } from "../jobs/move_task.ts";
import { inside, type SearchTask } from "../jobs/queue.ts";
import { modelsOf } from "./search_job.ts";

export type SearchParts = TaskParts;

/** Thrown inside a transaction to undo it: the job was cancelled, or the task was given to somebody else. */
class Dropped extends Error {}

/** How often a job is looked at while it is worked on, in milliseconds: how long cancelling takes at most. */
const LOOK_MS = 1000;

/** What both kinds of work are given. */
interface Work {
  readonly parts: SearchParts;
  readonly signal: AbortSignal;
  /** Holds the models in use. */
  readonly lease: ModelLease;
  /** Notes progress together with what was stored. Throws Dropped. */
  readonly save: (tx: Transaction, state: JobState) => Promise<void>;
}

/** Goes on with the task's job until it is done; what was stored before, by this attempt or another, stays. */
export async function performSearch(parts: SearchParts, attempt: Attempt<SearchTask>): Promise<void> {
  const { connection: { db }, boss, cache } = parts;
  const { jobId } = attempt.task;
  const [job] = await db.select({ input: jobs.input }).from(jobs).where(eq(jobs.id, jobId));
  const input = job?.input;
  if (input?.kind !== "collect" && input?.kind !== "find_pairs" || !(await startJob(db, jobId))) {
    return void await boss.complete(attempt.queue, attempt);
  }
  const ended = new AbortController();
  const looking = setInterval(() => {
    db.select({ status: jobs.status }).from(jobs).where(eq(jobs.id, jobId))
      .then(([now]) => now?.status === "running" || ended.abort(new Dropped()), () => {});
  }, LOOK_MS);
  const lease = cache.lease();
  const work: Work = {
    parts,
    signal: AbortSignal.any([attempt.signal, ended.signal]),
    lease,
    save: async (tx, state) => {
      if (attempt.signal.aborted || await lockJob(tx, jobId) !== "running") throw new Dropped();
      await saveState(tx, jobId, state);
    },
  };
  try {
    const perform = () => input.kind === "collect" ? performCollect(work, input) : performPairSearch(work, input);
    const state = await withRoom(cache, perform);
    await db.transaction(async (tx) => {
      if (await lockJob(tx, jobId) === "running") await finishJob(tx, jobId, state);
      await boss.complete(attempt.queue, attempt, null, inside(tx));
    });
  } catch (error) {
    if (attempt.signal.aborted) throw error;
    if (error instanceof InputError) {
      const hashes = await hashesOf(db, modelsOf(input));
      const reason = await moveTask({ db, boss }, "search", attempt, [...hashes.values()], error);
      if (reason === undefined) return;
      await failJob(db, jobId, "BAD_INPUT", reason.message);
    } else if (!(error instanceof Dropped) && !ended.signal.aborted) throw error;
    await boss.complete(attempt.queue, attempt);
  } finally {
    clearInterval(looking);
    lease.release();
  }
}

async function performCollect({ parts, signal, lease, save }: Work, input: CollectInput): Promise<JobState> {
  const { db } = parts.connection;
  const model = await modelOf(parts, input.modelId);
  const [benchmark] = await db.select().from(benchmarks).where(eq(benchmarks.id, input.benchmarkId));
  if (!benchmark) throw new InputError("it is not stored any more", "benchmark", "register it again");
  const checkers = openCheckers();
  try {
    const here = parts.held ? await parts.held.locateFile(benchmark) : benchmark;
    const promptTemplate = promptTemplateNamed(input.promptTemplate, "promptTemplate");
    const totals = await collect(here, { ...input, promptTemplate }, {
      db,
      modelId: model.id,
      model: await lease.get(model, { signal }),
      tokenizer: await loadTokenizer(model.directory),
      checkers,
      options: { signal },
      onBatch: (tx, done, total) =>
        save(tx, { done, total, message: `${benchmark.name}: ${done} of ${total} responses` }),
    });
    const { total, collected, passed, failed } = totals;
    const message = `${benchmark.name}: ${passed} passed, ${failed} failed, ${collected} of ${total} responses are new`;
    return { done: total, total, message };
  } finally {
    await checkers.close();
  }
}

async function performPairSearch({ parts, signal, lease, save }: Work, input: PairSearchInput): Promise<JobState> {
  const model = await modelOf(parts, input.modelId);
  const sibling = input.siblingId === null ? undefined : await modelOf(parts, input.siblingId);
  const checkers = openCheckers();
  const said: string[] = [];
  try {
    const totals = await searchOpenCases(input, {
      db: parts.connection.db,
      model: { ...model, loaded: await lease.get(model, { signal }) },
      sibling: sibling && { ...sibling, loaded: await lease.get(sibling, { signal }) },
      tokenizer: await loadTokenizer(model.directory),
      checkers,
      options: { signal },
      onWave: (tx, { done, total, counts: { positions, rollouts } }) =>
        save(tx, { done, total, message: `${done} of ${total} cases; ${positions} positions, ${rollouts} rollouts` }),
      onDecided: (cases) => {
        // Who annotated one case wants to know what became of it.
        if (input.failureCaseId !== undefined) said.push(...cases.map(describeDecided));
        return Promise.resolve();
      },
    });
    const { cases, clean, excluded, undecided } = totals;
    const waiting = undecided === 0 ? "" : `, ${undecided} wait for another vote`;
    const message = said.join("; ") || `${clean} clean, ${excluded} excluded of ${cases} cases${waiting}`;
    return { done: cases, total: cases, message };
  } finally {
    await checkers.close();
  }
}

function describeDecided({ key, status, exclusion, note, pair }: DecidedCase): string {
  const what = pair === undefined ? exclusion ?? status : `${exclusion ?? status}, delta ${pair.delta.toFixed(3)}`;
  return `${key}: ${what}${note === null || pair !== undefined ? "" : ` (${note})`}`;
}

async function modelOf(parts: SearchParts, id: number) {
  const { connection: { db } } = parts;
  const [model] = await db.select().from(models).where(eq(models.id, id));
  if (!model) throw new InputError(`there is no model ${id}`, "model", "add it again");
  return located(parts, model);
}
