/**
 * The results that come with the project, so that a fresh installation shows them at once: a backup (backup.ts) without
 * what belongs to one server. Each result says that it was computed before, and where.
 */
import { Buffer } from "node:buffer";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { inArray } from "drizzle-orm";
import { addModel } from "../models/add_model.ts";
import { HUB_SNAPSHOT } from "../models/held_models.ts";
import { type BackupEnd, type BackupHeader, type BackupTable, writeBackup } from "./backup.ts";
import type { Connection } from "../database/database.ts";
import { models } from "../../schema/tables/tables.ts";
import { PRECOMPUTED } from "../database/precomputed.ts";
import { isControl } from "../cases/controls.ts";
import { movedIds, type RowChange } from "./moved_ids.ts";
import { readBackupInto, readColumn } from "./restore.ts";
import { ROOT } from "../base/settings.ts";

export const SNAPSHOT: string = join(ROOT, "models", "results.backup");
/** Results of a real model, which is too large to come with the project (docs/in-the-wild.md). */
export const WILD_SNAPSHOT: string = join(ROOT, "models", "in-the-wild.backup");

/** Tables of results; jobs, workers, benchmarks and audits belong to the server that holds them. */
const TABLES: ReadonlySet<string> = new Set([
  "models",
  "responses",
  "failure_cases",
  "token_pairs",
  "attributions",
  "attribution_graphs",
  "diagnoses",
  "causal_marks",
  "labels",
  "traces",
  "masking_experiments",
  "ablation_experiments",
  "model_series",
  "studies",
  "study_pairs",
]);

/** Writes all results that the database holds as the snapshot. */
export async function writeSnapshot({ sql }: Pick<Connection, "sql">, path: string = SNAPSHOT): Promise<number> {
  const draft = `${path}.part`;
  let rows = 0;
  try {
    await pipeline(
      Readable.from(writeBackup(sql, () => {})),
      (stream: AsyncIterable<Buffer>) => resultLines(stream, (count) => rows = count),
      createGzip({ level: 9 }),
      createWriteStream(draft),
    );
    await rename(draft, path);
    return rows;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Lines of a backup, less the tables that stay at home; adapters are marked, paths become relative. */
async function* resultLines(stream: AsyncIterable<Buffer>, onRows: (rows: number) => void): AsyncGenerator<Buffer> {
  let table: BackupTable | undefined;
  let header: BackupHeader | undefined;
  let rows = 0;
  for await (const line of linesOf(stream)) {
    if (table === undefined) {
      const value = JSON.parse(line) as BackupHeader | BackupTable | BackupEnd | { readonly queue: string };
      if ("format" in value) yield encode(header = { ...value, createdAt: new Date(0).toISOString() });
      else if ("table" in value) {
        table = value;
        if (TABLES.has(value.table)) yield encode(value);
      } else if ("rows" in value) yield encode({ rows, tasks: 0 });
    } else if (line === "\\.") {
      if (TABLES.has(table.table)) yield Buffer.from("\\.\n");
      table = undefined;
    } else if (TABLES.has(table.table)) {
      rows++;
      yield Buffer.from(`${atHome(line, table)}\n`);
    }
  }
  if (header === undefined) throw new Error("The backup has no header");
  onRows(rows);
}

function atHome(line: string, { table, columns }: BackupTable): string {
  const cells = line.split("\t");
  const change = (column: string, to: (value: string) => string) => {
    const at = columns.indexOf(column);
    if (at >= 0) cells[at] = to(cells[at]!);
  };
  change("adapter", (name) => name.startsWith(PRECOMPUTED) ? name : PRECOMPUTED + name);
  if (table === "models") change("directory", shownPlace);
  change("job_id", () => "\\N");
  return cells.join("\t");
}

/** Where a model lies, without the names of this machine's folders: below the project, below a hub's cache, or its own name. */
function shownPlace(directory: string): string {
  if (directory.startsWith(`${ROOT}/`)) return directory.slice(ROOT.length + 1);
  const place = HUB_SNAPSHOT.exec(directory)?.groups?.["place"];
  return place === undefined ? basename(directory) : `hub/${place}`;
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const part of stream) {
    rest = Buffer.concat([rest, part]);
    let start = 0;
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10, start)) {
      yield rest.toString("utf8", start, at);
      start = at + 1;
    }
    rest = rest.subarray(start);
  }
}

const encode = (value: object): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);

/**
 * Loads a snapshot, all of it or nothing, behind what the database holds: the newest results there are then its own.
 * Returns its rows; 0 when there is no such file, or when the database has a model of one of its names. Throws when its
 * tables are no longer those of the database.
 */
export async function loadSnapshot(
  { db, sql }: Pick<Connection, "db" | "sql">,
  path: string = SNAPSHOT,
): Promise<number> {
  if (!existsSync(path)) return 0;
  const open = () => createReadStream(path);
  const names = await readColumn(open, path, { table: "models", column: "name" });
  if ((await db.$count(models, inArray(models.name, names))) > 0) return 0;
  const move = await movedIds(sql);
  const { rows } = await readBackupInto(sql, open, path, atTime(move, new Date()));
  for (const { name, directory } of await db.select().from(models).where(inArray(models.name, names))) {
    const place = resolve(ROOT, directory);
    // A model that is too large to come with the project has its results here, and its files where people get them.
    if (place.startsWith(ROOT + sep) && existsSync(place)) await addModel(db, place, name);
  }
  return rows;
}

/** Rows are stored at this time, controls a minute before: the newest cases are failures. */
function atTime(move: RowChange, time: Date): RowChange {
  const [now, before] = [time, new Date(time.getTime() - 60_000)].map((date) => date.toISOString());
  return (row, table) => {
    const cells = move(row, table).split("\t");
    const at = table.columns.indexOf("created_at");
    const benchmark = table.table === "failure_cases" ? cells[table.columns.indexOf("benchmark")] : undefined;
    if (at >= 0) cells[at] = benchmark !== undefined && isControl(benchmark) ? before! : now!;
    return cells.join("\t");
  };
}
