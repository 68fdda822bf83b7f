import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { migrateDatabase, openDatabase } from "../server/database/database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../server/database/embedded_postgres.ts";
import { ROOT } from "../server/base/settings.ts";

let home = "";
const running: EmbeddedPostgres[] = [];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "culprit-postgres-"));
});
afterEach(async () => {
  for (const database of running.splice(0)) await database.stop().catch(() => {});
});
afterAll(() => rm(home, { recursive: true, force: true }));

async function start(): Promise<EmbeddedPostgres> {
  const database = await startEmbeddedPostgres(home, { flags: ["-c fsync=off"] });
  running.push(database);
  return database;
}

async function ask<Row>(url: string, statement: string): Promise<Row[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 5 });
  try {
    return await sql.unsafe(statement) as unknown as Row[];
  } finally {
    await sql.end();
  }
}

const postmaster = async () =>
  Number((await readFile(join(home, "postgres", "postmaster.pid"), "utf8")).split("\n")[0]);

test("starts that come together share one database, and the last to leave stops it", async () => {
  const [first, second] = await Promise.all([start(), start()]);
  expect(second.url).toBe(first.url);
  const user = postgres(first.url, { max: 1 });
  await user`select 1`;
  await second.stop();
  expect(await user`select 1 as alive`).toEqual([{ alive: 1 }]);
  await user.end();
  await first.stop();
  await expect(ask(first.url, "select 1")).rejects.toThrow();
});

test("whoever has no connection open is not left without the database by one who leaves", async () => {
  const [quiet, leaving] = [await start(), await start()];
  const pid = await postmaster();
  await leaving.stop();
  expect(await ask(quiet.url, "select 1 as alive")).toEqual([{ alive: 1 }]);
  expect(await postmaster()).toBe(pid);
  await quiet.stop();
  await expect(ask(quiet.url, "select 1")).rejects.toThrow();
});

test("so it is after the database was killed and started again", { timeout: 120_000 }, async () => {
  const [quiet, leaving] = [await start(), await start()];
  const killed = await postmaster();
  const held = (pid: number) =>
    ask<{ held: number }>(
      quiet.url,
      "select count(*)::int as held from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted",
    ).then(([row]) => row!.held === 2 && pid !== killed, () => false);
  process.kill(killed, "SIGKILL");
  while (!await postmaster().then(held, () => false)) await new Promise((go) => setTimeout(go, 100));
  await leaving.stop();
  expect(await ask(quiet.url, "select 1 as alive")).toEqual([{ alive: 1 }]);
  await quiet.stop();
  await expect(ask(quiet.url, "select 1")).rejects.toThrow();
});

test("who joins while another one stops the database gets it all the same", { timeout: 240_000 }, async () => {
  for (let round = 0; round < 5; round++) {
    const first = await start();
    const [, joined] = await Promise.all([
      first.stop(),
      new Promise((go) => setTimeout(go, 30 * round)).then(start),
    ]);
    expect(await ask(joined.url, "select 1 as alive")).toEqual([{ alive: 1 }]);
    await joined.stop();
  }
});

test("what was stored is there after a restart, at the same address", async () => {
  const first = await start();
  await ask(first.url, "create table kept as select 7 as value");
  await first.stop();
  await expect(ask(first.url, "select 1")).rejects.toThrow();
  const second = await start();
  expect(second.url).toBe(first.url);
  expect(await ask(second.url, "select value from kept")).toEqual([{ value: 7 }]);
});

test("a database whose starter was killed is taken over", async () => {
  const starter = spawn(process.execPath, [
    "eval",
    `import { startEmbeddedPostgres } from "${join(ROOT, "server", "database", "embedded_postgres.ts")}";
     await startEmbeddedPostgres(${JSON.stringify(home)}); console.log("started"); setInterval(() => {}, 1000);`,
  ], { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((done, fail) => {
    starter.stdout.once("data", done);
    starter.once("exit", (code) => fail(new Error(`The starter ended with ${code}`)));
  });
  const pid = await postmaster();
  starter.kill("SIGKILL");
  await new Promise((done) => starter.once("exit", done));
  const database = await start();
  expect(await postmaster()).toBe(pid);
  await database.stop();
  await expect(ask(database.url, "select 1")).rejects.toThrow();
});

test("a remembered port that another program took is replaced", async () => {
  const first = await start();
  await first.stop();
  const squatter = await new Promise<Server>((done) => {
    const server = createServer();
    server.listen(Number(new URL(first.url).port), "127.0.0.1", () => done(server));
  });
  try {
    const second = await start();
    expect(second.url).not.toBe(first.url);
    expect(await ask(second.url, "select 1 as alive")).toEqual([{ alive: 1 }]);
  } finally {
    squatter.close();
  }
});

test.each(["", "garbled\n\n", "\0\0\0"])("a postmaster.pid that names no process is mended: %j", async (text) => {
  const first = await start();
  await first.stop();
  await writeFile(join(home, "postgres", "postmaster.pid"), text);
  const second = await start();
  expect(await ask(second.url, "select 1 as alive")).toEqual([{ alive: 1 }]);
  // While it runs nothing is taken from it.
  const pid = await readFile(join(home, "postgres", "postmaster.pid"), "utf8");
  await writeFile(join(home, "postgres", "postmaster.pid"), text);
  await expect(start()).rejects.toThrow(/postmaster\.pid: it names no process, though a PostgreSQL runs on these data/);
  await writeFile(join(home, "postgres", "postmaster.pid"), pid);
  await second.stop();
});

test.each(["null", "{}", '{"port":"x","password":"y"}', "{"])("a culprit.json of %s is one line", async (text) => {
  const path = join(home, "postgres", "culprit.json");
  const kept = await readFile(path, "utf8");
  await writeFile(path, text);
  await expect(start()).rejects.toThrow(/culprit\.json: the database's password is not there; put it back, or move /);
  await writeFile(path, kept);
});

test("migrations that come together run once", async () => {
  const { url } = await start();
  await Promise.all([migrateDatabase(url), migrateDatabase(url), migrateDatabase(url)]);
  const migrations = await readdir(join(ROOT, "migrations"));
  expect(await ask(url, "select count(*)::int as runs from drizzle.__drizzle_migrations"))
    .toEqual([{ runs: migrations.length }]);
});

test("arrays of all columns are read and written from a connection's first statement on", async () => {
  const { url } = await start();
  await migrateDatabase(url);
  const types = await ask<{ oid: number; name: string }>(
    url,
    `select distinct a.atttypid::int as oid, format_type(a.atttypid, null) as name
     from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and t.typcategory = 'A'`,
  );
  expect(types.map(({ name }) => name).sort()).toEqual(["double precision[]", "integer[]", "text[]"]);
  // Nothing has been asked by this connection, so the driver knows of no type but what was given.
  const asked = openDatabase(url);
  const { parsers, serializers } = asked.sql.options;
  for (const { oid, name } of types) {
    expect(parsers[oid]?.("{}"), name).toEqual([]);
    expect(serializers[oid]?.([]), name).toBe("{}");
  }
  const integers = [0, -1, 2147483647, null];
  const doubles = [0.1, -1e-300, 1.7976931348623157e308, Infinity, -Infinity, NaN, null];
  const texts = ["", " ", "a,b", '"', "\\", '\\"', "{}", "NULL", "null", "a\nb\tc", "Ġthe", "\u{1F600}'", null];
  const ids = ["0b8a1b5e-0000-4000-8000-000000000001", null];
  try {
    const [read] = await asked.sql`
      select ${integers}::integer[] as integers, ${doubles}::float8[] as doubles, ${texts}::text[] as texts,
        ${ids}::uuid[] as ids`;
    expect(read).toEqual({ integers, doubles, texts, ids });
    // What came back is what PostgreSQL holds, not what was sent.
    const [held] = await asked.sql`
      select to_jsonb(${texts}::text[]) as texts, array_length(${doubles}::float8[], 1) as doubles`;
    expect(held).toEqual({ texts, doubles: doubles.length });
  } finally {
    await asked.close();
  }
});
