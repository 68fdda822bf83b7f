/** What becomes of a task that its worker refuses. */
import type { PgBoss } from "pg-boss";
import type { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { Attempt } from "./consumer.ts";
import { failTask } from "./jobs.ts";
import { moveTask } from "./move_task.ts";
import { kindOf, type PairTask, type TaskKind } from "./queue.ts";

/** Moves a task that does not fit to a worker where it does, or fails it. */
export async function settleRefused(
  db: Database,
  boss: PgBoss,
  attempt: Attempt<PairTask>,
  hash: string,
  error: InputError,
): Promise<void> {
  const kind = kindOf(attempt.queue) as TaskKind;
  const reason = await moveTask({ db, boss }, kind, attempt as never, [hash], error);
  if (reason === undefined) return;
  await failTask(db, attempt.task, reason.message);
  await boss.complete(attempt.queue, attempt);
}
