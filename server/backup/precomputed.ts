/**
 * Results that came with the project (snapshot.ts). They say so in front of their adapter's name. To a job that asks for
 * one by its pair it is as if it were not there: what the job computes takes its place, and its id.
 */
import { type AnyColumn, getColumns, notLike, type SQL, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { attributions } from "../../schema/tables/tables.ts";
import type { Transaction } from "../database/database.ts";

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

/** Writes attributions that are new or take the place of precomputed ones; others that are there stay. */
export async function insertAttributions(
  tx: Transaction,
  rows: readonly (typeof attributions.$inferInsert)[],
): Promise<void> {
  await tx.insert(attributions).values([...rows]).onConflictDoUpdate({
    target: [attributions.tokenPairId, attributions.rule, attributions.modelId],
    ...inPlaceOfPrecomputed(attributions, rows),
  });
}
