/**
 * Results that came with the project (backup/snapshot.ts). They say so in front of their adapter's name. To a job that asks for
 * one by its pair it is as if it were not there: what the job computes takes its place, and its id.
 */
import { type AnyColumn, getColumns, notLike, type SQL, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";

/** What a precomputed result says of its adapter, before its name. */
export const PRECOMPUTED = "precomputed on ";

/** Rows that were computed here. */
export const computedHere = (adapter: AnyColumn): SQL => notLike(adapter, `${PRECOMPUTED}%`);

/** For `onConflictDoUpdate`: these rows take the place of precomputed ones, and of no others. */
export function inPlaceOfPrecomputed<Table extends PgTable & { readonly adapter: AnyColumn }>(
  table: Table,
  rows: readonly object[],
) {
  const columns = getColumns(table);
  const set = Object.fromEntries(
    Object.keys(rows[0] ?? {}).map((key) => [key, sql`excluded.${sql.identifier(columns[key]!.name)}`]),
  );
  return { set, setWhere: sql`${table.adapter} like ${`${PRECOMPUTED}%`}` };
}
