/**
 * Backups without pg_dump, which the embedded PostgreSQL does not bring: one snapshot of all tables in COPY's text
 * format, so that any later PostgreSQL reads it.
 *
 * Lines: a JSON header; for each table a JSON line, its rows, and `\.`; tasks that wait in the queue, one JSON line each;
 * a JSON line with the number of rows, which tells that the file is whole.
 */
import { Buffer } from "node:buffer";
import type postgres from "postgres";

export const BACKUP_FORMAT = "culprit-backup/1";

export interface BackupHeader {
  readonly format: typeof BACKUP_FORMAT;
  /** Names of the migrations that had been made, in order. */
  readonly migrations: readonly string[];
  readonly createdAt: string;
}
export interface BackupTable {
  readonly table: string;
  readonly columns: readonly string[];
}
export interface BackupTask {
  readonly queue: string;
  readonly priority: number;
  readonly data: object;
  /** Whose turn it takes (enqueue.ts). */
  readonly owner?: string | null;
}
export interface BackupEnd {
  readonly rows: number;
  readonly tasks: number;
}

/** Streams a backup. `onTable` is told the rows of each table. */
export async function* writeBackup(
  sql: postgres.Sql,
  onTable: (table: string, rows: number) => void,
): AsyncGenerator<Uint8Array> {
  const held = await sql.reserve();
  try {
    await held`begin isolation level repeatable read read only`;
    const migrations = await held<{ name: string }[]>`
      select name from drizzle.__drizzle_migrations order by created_at, id`;
    const header: BackupHeader = {
      format: BACKUP_FORMAT,
      migrations: migrations.map(({ name }) => name),
      createdAt: new Date().toISOString(),
    };
    yield line(header);
    let rows = 0;
    for (const table of await tablesInOrder(held)) {
      yield line(table);
      const list = table.columns.map((column) => `"${column}"`).join(", ");
      const stream = await held.unsafe(`copy "${table.table}" (${list}) to stdout`).readable();
      let own = 0;
      for await (const part of stream as AsyncIterable<Buffer>) {
        // COPY escapes line ends inside of values: each that is left ends a row.
        for (let at = part.indexOf(10); at >= 0; at = part.indexOf(10, at + 1)) own++;
        yield part;
      }
      // The driver (postgres 3.4.9) pauses its socket when this stream is full, and where that was the table's last part
      // it is never asked to go on.
      stream._read(0);
      yield Buffer.from("\\.\n");
      rows += own;
      onTable(table.table, own);
    }
    const tasks = await held<BackupTask[]>`
      select name as queue, priority, data, group_id as owner from pgboss.job where state in ('created', 'retry', 'active')
      order by created_on, id`;
    for (const { queue, priority, data, owner } of tasks) yield line({ queue, priority, data, owner });
    yield line({ rows, tasks: tasks.length } satisfies BackupEnd);
    await held`commit`;
  } catch (error) {
    await held`rollback`.catch(() => {});
    throw error;
  } finally {
    held.release();
  }
}

const line = (value: object): Uint8Array => Buffer.from(`${JSON.stringify(value)}\n`);

/** All tables with their columns; each after those that its foreign keys refer to. */
async function tablesInOrder(sql: postgres.ReservedSql): Promise<readonly BackupTable[]> {
  const columns = await sql<BackupTable[]>`
    select c.relname as table, array_agg(a.attname::text order by a.attnum) as columns
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and a.attgenerated = ''
    group by c.relname order by c.relname`;
  const references = await sql<{ source: string; target: string }[]>`
    select s.relname as source, t.relname as target
    from pg_constraint k join pg_class s on s.oid = k.conrelid join pg_class t on t.oid = k.confrelid
    where k.contype = 'f' and s.relnamespace = 'public'::regnamespace and s.oid <> t.oid`;
  const ordered: BackupTable[] = [];
  const left = new Map(columns.map((table) => [table.table, table]));
  while (left.size > 0) {
    const free = [...left.values()].filter(({ table }) =>
      !references.some(({ source, target }) => source === table && left.has(target))
    );
    if (free.length === 0) throw new Error(`The tables ${[...left.keys()].join(", ")} refer to each other`);
    for (const table of free) left.delete(table.table);
    ordered.push(...free);
  }
  return ordered;
}
