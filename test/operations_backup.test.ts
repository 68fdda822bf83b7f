/** Backups come back whole, with what waited in the queue; broken ones leave nothing. And what /metrics tells. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createReadStream, createWriteStream, type ReadStream } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";
import { createGzip, gunzipSync, gzipSync } from "node:zlib";
import { eq } from "drizzle-orm";
import postgres from "postgres";
import type { PgBoss } from "pg-boss";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attributions, failureCases, jobs } from "../schema/tables/tables.ts";
import { attributionRow } from "../server/attributions/attribution_row.ts";
import { writeBackup } from "../server/backup/backup.ts";
import { createHandler } from "../server/http/http.ts";
import { createAttributeJob } from "../server/attributions/attribute_job.ts";
import { engineName, readEngineName } from "../server/base/provenance.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { readColumn, restoreBackup } from "../server/backup/restore.ts";
import { readSettings, ROOT } from "../server/base/settings.ts";
import { culprit } from "./command_line.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { fakeResult } from "./fake_engine.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const database = testDatabase();
let folder = "";
let path = "";
let boss: PgBoss;
let jobId = "";
let pairId = 0;
const copies: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-backup-"));
  path = join(folder, "a.backup");
  boss = await startQueue(database.url);
  const { connection: { db, sql } } = database;
  const modelId = await storeModel(database, { dtype: "BF16" });
  pairId = await storePair(database, modelId, "case");
  const waiting = await storePair(database, modelId, "tab\tline\nback\\slash \\. \\N ‮ 😀");
  await db.update(failureCases).set({ reviewer: "\\." }).where(eq(failureCases.key, "case"));
  const result = fakeResult({ inputIds: [1, 2, 3, 4], target: 5, contrast: 6, rule: "attnlrp" });
  const texts = { targetText: "a", contrastText: "b", tokenTexts: ["a", "b", "c", "d"], segments: "SIQA" };
  const row = attributionRow({ tokenPairId: pairId, modelId, benchmark: "demo-ifeval", ...texts }, result);
  await db.insert(attributions).values(row);
  const request = { rule: "attnlrp", idempotencyKey: undefined } as const;
  jobId = (await createAttributeJob(db, boss, { ...request, tokenPairIds: [pairId, waiting] })).id;
  await pipeline(writeBackup(sql, () => {}), createGzip(), createWriteStream(path));
});
afterAll(async () => {
  await boss?.stop({ graceful: false });
  await rm(folder, { recursive: true, force: true });
  for (const name of copies) await database.connection.sql.unsafe(`drop database if exists ${name} with (force)`);
});

test("a table that comes at once and fills the reader's buffer does not stop the backup", async () => {
  const { db, sql } = database.connection;
  const [row] = await db.select().from(failureCases).where(eq(failureCases.key, "case"));
  for (const length of [20_000, 40_000, 60_000, 200_000]) {
    await db.update(failureCases).set({ prompt: "p".repeat(length) }).where(eq(failureCases.key, "case"));
    let bytes = 0;
    for await (const part of writeBackup(sql, () => {})) bytes += part.length;
    expect(bytes).toBeGreaterThan(length);
  }
  await db.update(failureCases).set({ prompt: row!.prompt }).where(eq(failureCases.key, "case"));
}, 60_000);

/** An empty database beside the test's own. */
async function emptyDatabase(): Promise<string> {
  const name = `test_copy_${crypto.randomUUID().replaceAll("-", "")}`;
  copies.push(name);
  await database.connection.sql.unsafe(`create database ${name}`);
  return Object.assign(new URL(database.url), { pathname: `/${name}` }).href;
}

const restore = (url: string, file = path) =>
  restoreBackup({ ...readSettings({}), databaseUrl: url }, () => createReadStream(file), "a.backup");

/** Every row of every table, as text. */
async function contents(url: string): Promise<Record<string, string[]>> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const tables = await sql<{ name: string }[]>`
      select tablename as name from pg_tables where schemaname = 'public' order by 1`;
    const all: Record<string, string[]> = {};
    for (const { name } of tables) {
      const rows = await sql.unsafe(`select t::text as row from "${name}" t order by 1`);
      all[name] = rows.map((row) => row["row"]);
    }
    return all;
  } finally {
    await sql.end();
  }
}

test("a backup comes back row for row, what waited waits again, and new rows get new ids", async () => {
  const url = await emptyDatabase();
  const { rows, tasks } = await restore(url);
  const restored = await contents(url);
  expect(restored).toEqual(await contents(database.url));
  expect(rows).toBe(Object.values(restored).reduce((sum, table) => sum + table.length, 0));
  expect(rows).toBeGreaterThan(8);
  expect(tasks).toBe(1);
  const sql = postgres(url, { max: 1 });
  try {
    expect(await sql`select name, data ->> 'jobId' as job from pgboss.job`).toEqual([{
      name: "attribute/weights/now",
      job: jobId,
    }]);
    const [next] = await sql`select nextval(pg_get_serial_sequence('failure_cases', 'id'))::int as id,
      (select max(id) from failure_cases) as most`;
    expect(next!["id"]).toBe(next!["most"] + 1);
  } finally {
    await sql.end();
  }
  await expect(restore(url)).rejects.toThrow("DATABASE_URL: it is not empty; name a new one");
});

test("whoever stops reading closes the file: a column that was found, a header that is none, a refusal", async () => {
  const opened: ReadStream[] = [];
  const open = (file: string) => () => {
    opened.push(createReadStream(file, { highWaterMark: 64 }));
    return opened.at(-1)!;
  };
  expect(await readColumn(open(path), "a.backup", { table: "models", column: "name" })).toEqual(["demo-1m"]);
  const other = join(folder, "other.backup");
  await writeFile(other, gzipSync(`hello\n${"x".repeat(1e5)}`, { level: 0 }));
  await expect(readColumn(open(other), "a.backup", { table: "models", column: "name" })).rejects.toThrow(
    "a.backup: it is no whole backup",
  );
  await expect(restoreBackup({ ...readSettings({}), databaseUrl: database.url }, open(path), "a.backup")).rejects
    .toThrow(
      "it is not empty",
    );
  await expect(readColumn(open(join(folder, "none")), "a.backup", { table: "models", column: "name" })).rejects.toThrow(
    "ENOENT",
  );
  expect(opened.length).toBe(5);
  for (const stream of opened) await expect.poll(() => stream.closed).toBe(true);
});

test("a backup that was cut or changed is refused, and leaves nothing", async () => {
  const whole = await readFile(path);
  const text = gunzipSync(whole).toString("utf8");
  const broken = {
    cut: whole.subarray(0, whole.length - 40),
    "without its end": gzipSync(text.slice(0, text.lastIndexOf("{"))),
    "without a row": gzipSync(text.replace(/\n[^\n{\\]*demo-1m[^\n]*/, "")),
    "a table without columns": gzipSync(text.replace(/"columns":\[[^\]]*\]/, '"columns":7')),
    "a column that is no word": gzipSync(text.replace(/"columns":\["id"/, '"columns":["id\\" from"')),
    "a number between tables": gzipSync(text.replace('{"table":"models"', '7\n{"table":"models"')),
    "a task that is none": gzipSync(text.replace(/\{"queue":"[^"]*"/, '{"queue":7')),
    "counts that are none": gzipSync(text.replace(/\{"rows":\d+/, '{"rows":"1e999"')),
    "another file": gzipSync("hello\n"),
    "no gzip": Buffer.from("hello\n"),
    empty: Buffer.alloc(0),
  };
  // Nothing is written before the whole file was read: one database does for all of them.
  const url = await emptyDatabase();
  for (const [name, bytes] of Object.entries(broken)) {
    const file = join(folder, "broken");
    await writeFile(file, bytes);
    await expect(restore(url, file), name).rejects.toThrow(/^a\.backup: it is no whole backup; take one that/);
    expect(Object.values(await contents(url)).flat(), name).toEqual([]);
  }
  // Rows that the database refuses: at once, with the last row, and in the middle of many.
  const [, pairs = ""] = /\{"table":"token_pairs".*\n([^]*?)\n\\\.\n/.exec(text) ?? [];
  const many = Array.from({ length: 20_000 }, (_, index) => pairs.split("\n")[0]!.replace(/^\d+/, String(100 + index)));
  const end = JSON.parse(text.slice(text.trimEnd().lastIndexOf("\n")));
  const refused = {
    "a value": text.replace("\tclean\t", "\tcleaned\t"),
    "a key": text.replace(pairs, pairs.replace(/^(\d+)\t\d+/, "$1\t9999")),
    "a table that is not there": text.replace('"table":"token_pairs"', '"table":"token_pair"'),
    "a row among many": text.replace(pairs, `${pairs}\n${many.join("\n")}`)
      .replace(JSON.stringify(end), JSON.stringify({ ...end, rows: end.rows + many.length })),
  };
  for (const [name, changed] of Object.entries(refused)) {
    expect(changed, name).not.toBe(text);
    const url = await emptyDatabase();
    const file = join(folder, "refused");
    await writeFile(file, gzipSync(changed));
    await expect(restore(url, file), name).rejects.toThrow(
      /a\.backup: its rows of (failure_cases|token_pairs?) were refused \(/,
    );
    expect(Object.values(await contents(url)).flat(), name).toEqual([]);
  }
  const newer = join(folder, "newer");
  await writeFile(newer, gzipSync(text.replace(/"migrations":\[/, '"migrations":["29990101000000_x",')));
  await expect(restore(await emptyDatabase(), newer)).rejects.toThrow(
    /written by a newer Culprit \(29990101000000_x\)/,
  );
});

test("culprit backup and culprit restore carry one database's contents into another", async () => {
  const before = process.env["DATABASE_URL"];
  const at = async (url: string, ...args: string[]) => {
    process.env["DATABASE_URL"] = url;
    return await culprit(args);
  };
  const file = join(folder, "cli.backup");
  const url = await emptyDatabase();
  try {
    const written = await at(database.url, "backup", file, "--json");
    const whole = await contents(database.url);
    const total = Object.values(whole).reduce((sum, table) => sum + table.length, 0);
    expect(written).toMatchObject({ code: 0, out: `${JSON.stringify({ total })}\n` });
    expect(await at(url, "restore", file, "--json")).toMatchObject({
      code: 0,
      out: `${JSON.stringify({ total, tasks: 1 })}\n`,
    });
    expect(await contents(url)).toEqual(whole);
    const again = await at(url, "restore", file);
    expect([again.code, again.err]).toEqual([2, expect.stringMatching(/^DATABASE_URL: it is not empty; /)]);
    const nowhere = await at(database.url, "backup", join(folder, "no", "such"));
    expect([nowhere.code, nowhere.err]).toEqual([2, expect.stringMatching(/it cannot be written \(ENOENT\); /)]);
    const missing = await at(url, "restore", join(folder, "missing"));
    expect([missing.code, missing.err]).toEqual([2, expect.stringMatching(/it cannot be read; /)]);
  } finally {
    if (before === undefined) delete process.env["DATABASE_URL"];
    else process.env["DATABASE_URL"] = before;
  }
});

test("results say what computed them, and the same again is recognised", async () => {
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  expect(engineName()).toMatch(new RegExp(`^${version.replaceAll(".", "\\.")}\\+[0-9a-f]{16}$`));
  const ask = graphqlClient(database);
  const { data, errors } = await ask(
    `query ($id: ID!) { node(id: $id) { ... on TokenPair { attribution(rule: ATTNLRP) {
    provenance { engine kernels adapter model rule dtype } } } } }`,
    { id: globalId("TokenPair", pairId) },
  );
  expect(errors).toBeUndefined();
  expect(data.node.attribution.provenance).toEqual({
    engine: version,
    kernels: engineName().split("+")[1],
    adapter: "fake",
    model: "weights",
    rule: "ATTNLRP",
    dtype: "BF16",
  });
  const { connection: { db } } = database;
  const [job] = await db.select().from(jobs).where(eq(jobs.id, jobId));
  expect(job).toMatchObject({ done: 1, total: 2, message: "1 of 2 were already stored" });
});

test("another kernel is another engine", async () => {
  const copy = join(folder, "project");
  await Deno.mkdir(join(copy, "gpu", "kernels"), { recursive: true });
  await writeFile(join(copy, "package.json"), '{"version":"0.1.0"}');
  const kernel = join(copy, "gpu", "kernels", "a.wgsl");
  await writeFile(kernel, "one");
  const first = readEngineName(copy);
  expect(readEngineName(copy)).toBe(first);
  await writeFile(kernel, "two");
  expect(readEngineName(copy)).not.toBe(first);
});

test("/metrics tells of queue, jobs, worker, adapter, memory and requests, in Prometheus' format", async () => {
  const { connection: { db, sql } } = database;
  const handle = createHandler({
    settings: readSettings({}),
    context: { db, services: {} as never },
    workerState: () => ({ kind: "ready", adapter: "llvmpipe", pid: 1, gpuBytes: 4096, restarts: 2 }),
  });
  const get = async (at: string) => await (await handle(new Request(`http://localhost${at}`))).text();
  await sql`update pgboss.queue set active_count = 1 where name = 'attribute'`;
  await sql`update pgboss.queue set queued_count = 3, active_count = 0 where name = 'attribute/weights/now'`;
  await get("/graphql?query={__typename}");
  const text = await get("/metrics");
  for (
    const line of [
      'culprit_queue_tasks{queue="attribute",state="waiting"} 3',
      'culprit_queue_tasks{queue="attribute",state="active"} 1',
      'culprit_jobs{kind="attribute",status="queued"} 1',
      'culprit_worker_ready{adapter="llvmpipe"} 1',
      "culprit_worker_gpu_bytes 4096",
      "culprit_worker_restarts 2",
      "culprit_database_up 1",
      'culprit_http_request_seconds_count{route="graphql",status="200"} 1',
      'culprit_graphql_operation_seconds_count{kind="query",failed="false"} 1',
    ]
  ) expect(text.split("\n")).toContain(line);
  // Each sample has its help and its type, and is a number.
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  for (const sample of samples) expect(sample).toMatch(/^[a-z_]+(\{[^}]*\})? [-+0-9.eE]+$/);
});
