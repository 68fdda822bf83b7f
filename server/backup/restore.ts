/** Reads backups (backup.ts): all of it lands, or nothing. */
import { Buffer } from "node:buffer";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { finished } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import type { Readable } from "node:stream";
import type postgres from "postgres";
import { InputError } from "../../gpu/mod.ts";
import { BACKUP_FORMAT, type BackupEnd, type BackupHeader, type BackupTable, type BackupTask } from "./backup.ts";
import type { RowChange } from "./moved_ids.ts";
import { migrateDatabase, openDatabase } from "../database/database.ts";
import { startEmbeddedPostgres } from "../database/embedded_postgres.ts";
import { openQueue, startQueue } from "../jobs/queue.ts";
import { ROOT, type Settings } from "../base/settings.ts";

/**
 * Restores into the database of the settings, which must hold nothing. Its tables are made as they were when the backup
 * was, and brought up to date afterwards. Throws InputError for a file that is no whole backup.
 */
export async function restoreBackup(
  settings: Settings,
  open: () => Readable,
  name: string,
): Promise<{ readonly rows: number; readonly tasks: number }> {
  await readingLines(open, name, (lines) => checkWhole(lines, name));
  return await readingLines(open, name, (lines, header) => restoreLines(settings, lines, header, name));
}

async function restoreLines(
  settings: Settings,
  lines: AsyncGenerator<Buffer>,
  header: BackupHeader,
  name: string,
): Promise<{ readonly rows: number; readonly tasks: number }> {
  const database = settings.databaseUrl === undefined
    ? await startEmbeddedPostgres(settings.home)
    : { url: settings.databaseUrl, stop: () => Promise.resolve() };
  const connection = openDatabase(database.url);
  try {
    await refuseUsed(connection.sql, settings);
    await migrateAs(database.url, header, name);
    const { end, tasks } = await connection.sql.begin(async (sql) => {
      // Counts that triggers keep come with the backup.
      await sql`select set_config('culprit.restoring', 'on', true)`;
      return await readTables(sql, lines, name);
    });
    await migrateDatabase(database.url);
    await queueTasks(database.url, tasks);
    return end;
  } finally {
    await connection.close();
    await database.stop();
  }
}

/** Reads a backup into tables that are there, in one transaction; nothing of it waits in the queue. */
export async function readBackupInto(
  sql: postgres.Sql,
  open: () => Readable,
  name: string,
  change?: RowChange,
): Promise<BackupEnd> {
  await readingLines(open, name, (lines) => checkWhole(lines, name));
  return await readingLines(
    open,
    name,
    (lines) => sql.begin(async (tx) => (await readTables(tx, lines, name, change)).end),
  );
}

/** One column of one of a backup's tables, as it is stored. */
export async function readColumn(
  open: () => Readable,
  name: string,
  { table, column }: { readonly table: string; readonly column: string },
): Promise<string[]> {
  return await readingLines(open, name, (lines) => columnOf(lines, name, { table, column }));
}

async function columnOf(
  lines: AsyncGenerator<Buffer>,
  name: string,
  { table, column }: { readonly table: string; readonly column: string },
): Promise<string[]> {
  const values: string[] = [];
  let here: BackupTable | undefined;
  for await (const text of lines) {
    if (here === undefined) {
      const value = parseEntry(text, name);
      if ("table" in value) here = value;
    } else if (text.equals(END_OF_TABLE)) {
      if (here.table === table) return values;
      here = undefined;
    } else if (here.table === table) {
      values.push(text.toString("utf8").split("\t")[here.columns.indexOf(column)] ?? "");
    }
  }
  return values;
}

/** Reads a backup's lines behind its header; the file is closed when that ends, whichever way. */
async function readingLines<Result>(
  open: () => Readable,
  name: string,
  read: (lines: AsyncGenerator<Buffer>, header: BackupHeader) => Promise<Result>,
): Promise<Result> {
  const lines = readLines(open(), name);
  try {
    return await read(lines, parseHeader((await lines.next()).value, name));
  } finally {
    await lines.return(undefined);
  }
}

/** Reads a backup to its end before anything is written: most broken ones are found without a database. */
async function checkWhole(lines: AsyncGenerator<Buffer>, name: string): Promise<void> {
  let [rows, tasks, inTable] = [0, 0, false];
  for await (const text of lines) {
    if (inTable) {
      if (text.equals(END_OF_TABLE)) inTable = false;
      else rows++;
      continue;
    }
    const value = parseEntry(text, name);
    if ("table" in value) inTable = true;
    else if ("queue" in value) tasks++;
    else if (value.rows === rows && value.tasks === tasks) return;
    else throw broken(name);
  }
  throw broken(name);
}

const END_OF_TABLE = Buffer.from("\\.");

async function refuseUsed(sql: postgres.Sql, { databaseUrl }: Settings): Promise<void> {
  const [found] = await sql`select to_regclass('public.jobs') is not null as made`;
  const used = found?.made === true &&
    (await sql`select 1 from models union all select 1 from jobs union all select 1 from failure_cases limit 1`)
        .length > 0;
  if (!used) return;
  throw new InputError(
    "it is not empty",
    databaseUrl === undefined ? "CULPRIT_HOME" : "DATABASE_URL",
    "name a new one, and nothing is lost",
  );
}

/** Makes the tables as they were: by the migrations that the backup knows. */
async function migrateAs(url: string, { migrations }: BackupHeader, name: string): Promise<void> {
  const known = await readdir(join(ROOT, "migrations"));
  const unknown = migrations.find((migration) => !known.includes(migration));
  if (unknown !== undefined) {
    throw new InputError(`it was written by a newer Culprit (${unknown})`, name, "restore it with that one");
  }
  const folder = await mkdtemp(join(tmpdir(), "culprit-migrations-"));
  try {
    for (const migration of migrations) {
      await cp(join(ROOT, "migrations", migration), join(folder, migration), { recursive: true });
    }
    await migrateDatabase(url, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readTables(
  sql: postgres.TransactionSql,
  lines: AsyncGenerator<Buffer>,
  name: string,
  change?: RowChange,
): Promise<{ readonly end: BackupEnd; readonly tasks: readonly BackupTask[] }> {
  const tasks: BackupTask[] = [];
  let rows = 0;
  for await (const text of lines) {
    const value = parseEntry(text, name);
    if ("table" in value) {
      const changed = change && ((row: Buffer) => Buffer.from(change(row.toString("utf8"), value)));
      rows += await readTable(sql, value, lines, { name, changed });
    } else if ("queue" in value) {
      tasks.push(value);
    } else if (value.rows === rows && value.tasks === tasks.length) {
      return { end: value, tasks };
    } else {
      throw broken(name);
    }
  }
  throw broken(name);
}

/** Bytes of one write. */
const WRITE_BYTES = 1 << 18;

async function readTable(
  sql: postgres.TransactionSql,
  { table, columns }: BackupTable,
  lines: AsyncGenerator<Buffer>,
  { name, changed = (row) => row }: { readonly name: string; readonly changed?: ((row: Buffer) => Buffer) | undefined },
): Promise<number> {
  const list = columns.map((column) => `"${column}"`).join(", ");
  // Its reason is what failed first.
  const refused = new AbortController();
  const fail = (error: Error): void => refused.abort(error);
  const asked = sql.unsafe(`copy "${table}" (${list}) from stdin`);
  // The driver answers the statement with the stream: what the database says of its rows later reaches nobody else.
  const query = asked as unknown as { reject: (error: Error) => void };
  const { reject } = query;
  query.reject = (error) => {
    fail(error);
    reject(error);
  };
  const copy = await asked.writable().catch((error: Error) => {
    throw refusalOf(error, table, name) ?? error;
  });
  copy.on("error", fail);
  let rows = 0;
  let held: Buffer[] = [];
  let bytes = 0;
  const write = async (): Promise<void> => {
    refused.signal.throwIfAborted();
    if (held.length > 0 && !copy.write(Buffer.concat(held))) {
      // The driver never asks for more of rows that were refused.
      const listening = new AbortController();
      const options = { signal: AbortSignal.any([listening.signal, refused.signal]) };
      await Promise.race([once(copy, "drain", options), once(copy, "close", options)])
        .finally(() => listening.abort());
    }
    held = [];
    bytes = 0;
  };
  try {
    for (;;) {
      const { done, value } = await lines.next();
      if (done) throw broken(name);
      if (value.equals(END_OF_TABLE)) break;
      const row = changed(value);
      held.push(row, NEWLINE);
      rows++;
      if ((bytes += row.length + 1) > WRITE_BYTES) await write();
    }
    await write();
  } catch (error) {
    // The transaction cannot end while the copy goes on.
    copy.destroy(error as Error);
    throw refusalOf(refused.signal.reason, table, name) ?? error;
  }
  copy.end();
  // A refusal of the last rows does not end the stream, but the statement that follows meets it.
  await setImmediate();
  await Promise.race([finished(copy), sql`select 1`]).catch((error) => {
    throw refusalOf(refused.signal.reason, table, name) ?? error;
  });
  const [identity] = await sql`select pg_get_serial_sequence(${table}, 'id') as sequence
    from information_schema.columns where table_schema = 'public' and table_name = ${table} and column_name = 'id'`;
  if (identity?.sequence) {
    await sql.unsafe(
      `select setval('${identity.sequence}', greatest((select max(id) from "${table}"), 1), exists(select 1 from "${table}"))`,
    );
  }
  return rows;
}

/** What the database refused, as people can mend it where the rows are to blame. */
function refusalOf(failure: Error | undefined, table: string, name: string): Error | undefined {
  const { code = "" } = (failure ?? {}) as { readonly code?: string };
  // Classes of data that is no value of its column, of rows that break a constraint, of tables that are not there.
  if (!/^(?:2[23]|42)/.test(code)) return failure;
  const mend = "take one that culprit backup wrote to its end";
  return new InputError(`its rows of ${table} were refused (${failure!.message})`, name, mend);
}

const NEWLINE = Buffer.from("\n");

/** What waited in the queue waits again. */
async function queueTasks(url: string, tasks: readonly BackupTask[]): Promise<void> {
  if (tasks.length === 0) return;
  const boss = await startQueue(url);
  try {
    for (const queue of new Set(tasks.map((task) => task.queue))) {
      await openQueue(boss, queue);
      const own = tasks.filter((task) => task.queue === queue)
        .map(({ data, priority, owner }) => ({ data, priority, ...(owner ? { group: { id: owner } } : {}) }));
      await boss.insert(queue, own);
    }
  } finally {
    await boss.stop({ graceful: false });
  }
}

/** Longest line, in bytes: gzip may hold a thousand times its size. */
const MOST_LINE_BYTES = 1 << 29;

/** Lines without their ends. The file is closed with the last line, and where whoever reads stops earlier. */
async function* readLines(file: Readable, name: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let bytes = 0;
  const unpacked = createGunzip();
  // What cannot be read ends the lines, which would wait for it otherwise.
  file.on("error", (error) => unpacked.destroy(error));
  try {
    for await (const part of file.pipe(unpacked) as AsyncIterable<Buffer>) {
      let start = 0;
      for (let at = part.indexOf(10); at >= 0; at = part.indexOf(10, start)) {
        yield rest.length === 0 ? part.subarray(start, at) : Buffer.concat([...rest, part.subarray(start, at)]);
        [rest, bytes] = [[], 0];
        start = at + 1;
      }
      rest.push(part.subarray(start));
      if ((bytes += part.length - start) > MOST_LINE_BYTES) throw broken(name);
    }
  } catch (error) {
    if (error instanceof Error && /^Z_/.test(String((error as { code?: unknown }).code))) throw broken(name);
    throw error;
  } finally {
    unpacked.destroy();
    file.destroy();
  }
}

function parseHeader(text: Buffer | undefined, name: string): BackupHeader {
  const header = text === undefined ? undefined : parse(text, name) as Partial<BackupHeader>;
  if (header?.format !== BACKUP_FORMAT || !Array.isArray(header.migrations)) throw broken(name);
  return header as BackupHeader;
}

/** What stands between the tables' rows. Throws InputError for what no backup holds. */
function parseEntry(text: Buffer, name: string): BackupTable | BackupTask | BackupEnd {
  const value = parse(text, name) as Partial<BackupTable & BackupTask & BackupEnd>;
  const isWord = (word: unknown) => typeof word === "string" && /^\w+$/.test(word);
  const isTable = isWord(value.table) && Array.isArray(value.columns) && value.columns.length > 0 &&
    value.columns.every(isWord);
  const isTask = typeof value.queue === "string" && typeof value.data === "object" && value.data !== null;
  const isEnd = Number.isInteger(value.rows) && Number.isInteger(value.tasks);
  if (isTable || isTask || isEnd) return value as BackupTable | BackupTask | BackupEnd;
  throw broken(name);
}

function parse(text: Buffer, name: string): object {
  try {
    const value: unknown = JSON.parse(text.toString("utf8"));
    if (typeof value === "object" && value !== null) return value;
  } catch { /* told below */ }
  throw broken(name);
}

function broken(name: string): InputError {
  return new InputError("it is no whole backup", name, "take one that culprit backup wrote to its end");
}
