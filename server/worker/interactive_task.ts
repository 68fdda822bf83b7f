/** Performs one task that a person waits for, of whatever kind its job is. */
import { eq } from "drizzle-orm";
import { jobs } from "../../schema/tables/tables.ts";
import { performAsk } from "../ask/ask_task.ts";
import { performAttribute } from "../attributions/attribute_task.ts";
import type { Attempt } from "../jobs/consumer.ts";
import type { AttributeTask, InteractiveTask, PairTask } from "../jobs/queue.ts";
import { type AnalyseParts, performAnalyse } from "./analyse_task.ts";

/** Throws what is worth another attempt. */
export async function performInteractive(parts: AnalyseParts, attempt: Attempt<InteractiveTask>): Promise<void> {
  const { connection: { db }, boss } = parts;
  const [job] = await db.select({ input: jobs.input }).from(jobs).where(eq(jobs.id, attempt.task.jobId));
  const input = job?.input;
  switch (input?.kind) {
    case "generate":
    case "explain":
      return await performAsk(parts, attempt, input);
    case "build_graph":
    case "diagnose":
    case "mask":
    case "export_preferences":
      return await performAnalyse(parts, attempt as Attempt<PairTask>);
    case "attribute":
    case "study":
      return await performAttribute(parts, attempt as Attempt<AttributeTask>);
    default:
      // The job is gone, and nobody waits any more.
      await boss.complete(attempt.queue, attempt);
  }
}
