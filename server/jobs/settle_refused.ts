/** What becomes of a task that its worker refuses. */
import type { PgBoss } from "pg-boss";
import type { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { Attempt } from "./consumer.ts";
import { failTask } from "./jobs.ts";
import { moveTask } from "./move_task.ts";
import type { AttributeTask } from "./queue.ts";

/** Moves a task that does not fit to a worker where it does, or fails it. */
export async function settleRefused<Kind extends "attribute" | "analyse">(
  db: Database,
  boss: PgBoss,
  kind: Kind,
  attempt: Attempt<AttributeTask> | Attempt<Omit<AttributeTask, "rule">>,
  hash: string,
  error: InputError,
): Promise<void> {
  const reason = await moveTask({ db, boss }, kind, attempt as never, [hash], error);
  if (reason === undefined) return;
  await failTask(db, attempt.task, reason.message);
  await boss.complete(attempt.queue, attempt);
}
