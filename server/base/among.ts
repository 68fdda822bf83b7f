/** Conditions on long lists of ids. */
import { type Column, type SQL, sql } from "drizzle-orm";

/** Whether a column is one of the ids: one parameter, since a statement may have 65,535 at most. */
export function among(column: Column, ids: readonly number[]): SQL {
  return sql`${column} = any(${`{${ids.join(",")}}`}::int[])`;
}
