/** Performs jobs of the ask room as tasks of the queue: responses, and explanations of typed prompts. */
import { eq } from "drizzle-orm";
import type { AskWork } from "./ask_work.ts";
import { InputError } from "../../gpu/mod.ts";
import { loadTokenizer } from "../../gpu/mod.ts";
import { generations } from "../../schema/tables/ask_tables.ts";
import type { ExplainInput, GenerateInput } from "../../schema/tables/ask_values.ts";
import { jobs, models } from "../../schema/tables/tables.ts";
import { located, withRoom } from "../models/use_model.ts";
import type { Transaction } from "../database/database.ts";
import type { Attempt } from "../jobs/consumer.ts";
import { failJob, finishJob, lockJob, startJob } from "../jobs/jobs.ts";
import { moveTask } from "../jobs/move_task.ts";
import type { TaskParts } from "../jobs/task_parts.ts";
import { type AskTask, inside } from "../jobs/queue.ts";
import { performExplain } from "./explain_task.ts";
import { performGenerate } from "./generate_task.ts";

/** How often a job is looked at while it is worked on, in milliseconds. */
const LOOK_MS = 500;

/** Computes what the job asks and stores it together with the job's end. Throws what is worth another attempt. */
export async function performAsk(
  parts: TaskParts,
  attempt: Attempt<AskTask>,
): Promise<void> {
  const { connection: { db }, boss, cache } = parts;
  const { jobId } = attempt.task;
  const [job] = await db.select({ input: jobs.input }).from(jobs).where(eq(jobs.id, jobId));
  const input = job?.input;
  if (input?.kind !== "generate" && input?.kind !== "explain" || !await startJob(db, jobId)) {
    return void await boss.complete(attempt.queue, attempt);
  }
  const [row] = await db.select().from(models).where(eq(models.id, input.modelId));
  if (!row) throw new Error(`Model ${input.modelId} is gone`);
  const here = located(parts, row);
  const ended = new AbortController();
  const looking = setInterval(() => {
    db.select({ status: jobs.status }).from(jobs).where(eq(jobs.id, jobId))
      .then(([job]) => job?.status === "running" || ended.abort(new Error("The job has ended")), () => {});
  }, LOOK_MS);
  const options = { signal: AbortSignal.any([attempt.signal, ended.signal]), lane: "interactive" } as const;
  const lease = cache.lease();
  const model = () => lease.get(here, options);
  const tokenizer = () => parts.tokenizers?.get(here.directory) ?? loadTokenizer(here.directory);
  const work: AskWork = { db, jobId, model, tokenizer, options, ended };
  try {
    const store = await withRoom(cache, () => compute(work, input));
    await db.transaction(async (tx) => {
      if (await lockJob(tx, jobId) === "running") {
        await store(tx);
        await finishJob(tx, jobId, { done: 1, total: 1, message: "" });
      }
      await boss.complete(attempt.queue, attempt, null, inside(tx));
    });
  } catch (error) {
    if (attempt.signal.aborted) throw error;
    if (!ended.signal.aborted) {
      if (!(error instanceof InputError)) throw error;
      const reason = await moveTask({ db, boss }, "ask", attempt, [row.hash], error);
      if (reason === undefined) return;
      await failJob(db, jobId, "BAD_INPUT", reason.message);
    }
    await boss.complete(attempt.queue, attempt);
  } finally {
    clearInterval(looking);
    lease.release();
  }
}

async function compute(
  work: AskWork,
  input: GenerateInput | ExplainInput,
): Promise<(tx: Transaction) => Promise<void>> {
  if (input.kind === "explain") return await performExplain(work, input);
  const response = await performGenerate(work, input);
  return async (tx) => void await tx.update(generations).set(response).where(eq(generations.jobId, work.jobId));
}
