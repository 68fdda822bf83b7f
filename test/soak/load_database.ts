/** A database with a million attributed failure cases, made once and kept. */
import { openDatabase } from "../../server/database/database.ts";
import { fillAttributions } from "../attribution_rows.ts";

/** Fills an empty, migrated database with so many cases; one that has them is left as it is. */
export async function fillDatabase(url: string, rows: number): Promise<void> {
  const connection = openDatabase(url);
  const { sql } = connection;
  try {
    const [found] = await sql<{ rows: number }[]>`select count(*)::int as rows from failure_cases`;
    if (found!.rows === rows) return;
    if (found!.rows > 0) throw new Error(`The database has ${found!.rows} cases, not ${rows}; remove its folder`);
    // Indexes are built faster over rows than row by row.
    const indexes = await sql<{ name: string; definition: string }[]>`
      select indexname as name, indexdef as definition from pg_indexes
      where schemaname = 'public' and tablename in ('failure_cases', 'token_pairs', 'attributions')
        and not exists (select 1 from pg_constraint where conname = indexname)`;
    for (const { name } of indexes) await sql.unsafe(`drop index "${name}"`);
    await fillAttributions(connection, rows);
    for (const { definition } of indexes) await sql.unsafe(definition);
    await sql`vacuum (analyze)`;
    await sql`checkpoint`;
  } finally {
    await connection.close();
  }
}
