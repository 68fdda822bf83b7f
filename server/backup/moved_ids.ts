/** Rows of a backup in a database that holds others: their ids, and all that names them, move behind those. */
import type postgres from "postgres";
import type { BackupTable } from "./backup.ts";

/** A row in COPY's text format, as it is stored. */
export type RowChange = (row: string, table: BackupTable) => string;

/**
 * Adds to each id the largest one that its table has now. Which columns name other rows is what the database's foreign
 * keys say; members of series, which lie in a JSON column, are the only others.
 */
export async function movedIds(sql: postgres.Sql): Promise<RowChange> {
  const references = await sql<{ table: string; column: string; target: string }[]>`
    select key.conrelid::regclass::text as "table", column_.attname as "column", key.confrelid::regclass::text as target
    from pg_constraint key
    cross join lateral unnest(key.conkey, key.confkey) as part (own, other)
    join pg_attribute column_ on column_.attrelid = key.conrelid and column_.attnum = part.own
    join pg_attribute named on named.attrelid = key.confrelid and named.attnum = part.other
    where key.contype = 'f' and named.attname = 'id'`;
  const identities = await sql<{ table: string }[]>`
    select table_name as "table" from information_schema.columns
    where table_schema = 'public' and column_name = 'id' and is_identity = 'YES'`;
  const most = new Map<string, number>();
  for (const { table } of identities) {
    const [row] = await sql<{ most: number }[]>`select coalesce(max(id), 0)::int as most from ${sql(table)}`;
    most.set(table, row!.most);
  }
  const moved = (id: string | number, table: string) => Number(id) + (most.get(table) ?? 0);
  return (row, { table, columns }) => {
    const cells = row.split("\t");
    const change = (column: string, target: string) => {
      const at = columns.indexOf(column);
      if (at >= 0 && cells[at] !== "\\N") cells[at] = String(moved(cells[at]!, target));
    };
    change("id", table);
    for (const one of references) if (one.table === table) change(one.column, one.target);
    const members = table === "model_series" ? columns.indexOf("members") : -1;
    if (members >= 0) {
      cells[members] = changeJson(
        cells[members]!,
        (list: readonly { readonly modelId: number }[]) =>
          list.map((member) => ({ ...member, modelId: moved(member.modelId, "models") })),
      );
    }
    return cells.join("\t");
  };
}

/** JSON in a cell: COPY's text format writes a backslash twice. */
function changeJson<Value>(cell: string, change: (value: Value) => unknown): string {
  return JSON.stringify(change(JSON.parse(cell.replaceAll("\\\\", "\\")) as Value)).replaceAll("\\", "\\\\");
}
