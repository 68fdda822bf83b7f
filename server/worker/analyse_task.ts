/** Performs one task of a job on token pairs: what the job's input says, for one pair on one model. */
import { eq } from "drizzle-orm";
import type { Analysis, StoreResult } from "../jobs/analysis.ts";
import { InputError, loadTokenizer } from "../../gpu/mod.ts";
import type { AnalysisInput } from "../../schema/tables/analysis_values.ts";
import { jobs } from "../../schema/tables/tables.ts";
import type { Checkers } from "../checkers/check.ts";
import { computeAblation } from "../ablation/compute_ablation.ts";
import type { Attempt } from "../jobs/consumer.ts";
import { computeDiagnosis } from "../diagnosis/compute_diagnosis.ts";
import { computeObjective } from "../attributions/compute_objective.ts";
import { computeGraph } from "../graphs/compute_graph.ts";
import { computeMarks } from "../marking/compute_marks.ts";
import { computeMasking } from "../masking/compute_masking.ts";
import { computePreferences } from "../preferences/compute_preferences.ts";
import { computeTrace } from "../traces/compute_trace.ts";
import type { TaskParts } from "../jobs/task_parts.ts";
import { located, withRoom } from "../models/use_model.ts";
import { settleRefused } from "../jobs/settle_refused.ts";
import { finishTask, lockJob, startJob } from "../jobs/jobs.ts";
import { loadPair, progressReporter } from "../jobs/pair_task.ts";
import { inside, laneOf, type PairTask } from "../jobs/queue.ts";

export interface AnalyseParts extends TaskParts {
  readonly checkers: Checkers;
}

/** Computes what `input` asks for one pair, and returns what writes it. */
function compute(analysis: Analysis, input: AnalysisInput): Promise<StoreResult> {
  switch (input.kind) {
    case "build_graph":
      return computeGraph(analysis, input);
    case "explain_objective":
      return computeObjective(analysis, input);
    case "trace":
      return computeTrace(analysis, input);
    case "diagnose":
      return computeDiagnosis(analysis, input);
    case "mask":
      return computeMasking(analysis, input);
    case "ablate":
      return computeAblation(analysis, input);
    case "export_preferences":
      return computePreferences(analysis, input);
    case "mark":
      return computeMarks(analysis);
  }
}

/**
 * Computes the task's result and stores it together with the task's completion. A task whose job has ended is completed
 * without computing. Throws what is worth another attempt.
 */
export async function performAnalyse(parts: AnalyseParts, attempt: Attempt<PairTask>): Promise<void> {
  const { connection, boss, cache, checkers } = parts;
  const { db } = connection;
  const { task } = attempt;
  const [job] = await db.select({ input: jobs.input }).from(jobs).where(eq(jobs.id, task.jobId));
  if (job === undefined || !(await startJob(db, task.jobId))) return void await boss.complete(attempt.queue, attempt);

  const rows = await loadPair(db, task);
  const ended = new AbortController();
  const signal = AbortSignal.any([attempt.signal, ended.signal]);
  const onProgress = progressReporter(db, task, rows.failureCase.key, ended);
  const options = { signal, onProgress, lane: laneOf(attempt.queue) };
  const lease = cache.lease();
  try {
    const here = located(parts, rows.model);
    const model = () => lease.get(here, options);
    const tokenizer = () => parts.tokenizers?.get(here.directory) ?? loadTokenizer(here.directory);
    const analysis = { connection, task, rows, model, tokenizer, checkers, options };
    const store = await withRoom(cache, () => compute(analysis, job.input as AnalysisInput));
    await db.transaction(async (tx) => {
      if (await lockJob(tx, task.jobId) === "running") await finishTask(tx, task, await store(tx));
      await boss.complete(attempt.queue, attempt, null, inside(tx));
    });
  } catch (error) {
    if (ended.signal.aborted) return void await boss.complete(attempt.queue, attempt);
    if (!(error instanceof InputError)) throw error;
    await settleRefused(db, boss, "analyse", attempt, rows.model.hash, error);
  } finally {
    lease.release();
  }
}
