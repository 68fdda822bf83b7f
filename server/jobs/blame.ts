/** Tasks that take their process down: twice, and they have failed, with what is known. */
import type { PgBoss } from "pg-boss";
import type { Connection } from "../database/database.ts";
import type { WorkedTask } from "./messages.ts";

/** Notes that a process fell while it worked on tasks, and gives them back to the queue, or up. */
export async function blameTasks(
  { sql }: Pick<Connection, "sql">,
  boss: PgBoss,
  tasks: readonly WorkedTask[],
  reason: string,
): Promise<void> {
  for (const { queue, id, retryCount } of tasks) {
    const [blamed] = await sql<{ downs: number }[]>`
      update pgboss.job set data = data || jsonb_build_object('downs', coalesce((data ->> 'downs')::int, 0) + 1),
        retry_limit = case when data ? 'downs' then retry_count else retry_limit end
      where name = ${queue} and id = ${id}::uuid and retry_count = ${retryCount} and state = 'active'
      returning (data ->> 'downs')::int as downs`;
    if (blamed === undefined) continue;
    const times = blamed.downs > 1 ? `${blamed.downs} times, the last time ` : "";
    await boss.fail(queue, { id, retryCount }, {
      message: `its worker fell while it worked on this: ${times}${reason}`,
    });
  }
}
