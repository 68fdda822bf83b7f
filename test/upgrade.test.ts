/**
 * A database that release 0.1 wrote is upgraded: what it shows is what it showed. `data/upgrade/release-0.1.json.gz` has
 * the rows of a database that commit a4cca14 made (four cases, attributed, with graphs, diagnosed and masked), and what
 * its own server answered to a query.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import postgres from "postgres";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type {} from "./database_setup.ts";
import type { Context, Services } from "../schema/services/services.ts";
import { type Connection, migrateDatabase, openDatabase } from "../server/database/database.ts";
import { createGraphQL } from "../server/http/graphql.ts";
import { summariseMasking } from "../server/masking/masking_job.ts";
import { ROOT } from "../server/base/settings.ts";

interface Release {
  readonly tables: Readonly<Record<string, { readonly columns: readonly string[]; readonly rows: string }>>;
  readonly sequences: Readonly<Record<string, number>>;
  readonly query: string;
  readonly answer: unknown;
}
const release = JSON.parse(
  gunzipSync(readFileSync(new URL("data/upgrade/release-0.1.json.gz", import.meta.url))).toString(),
) as Release;

/** The last migration that release 0.1 had. */
const LAST = release.tables['drizzle."__drizzle_migrations"']!.rows.trim().split("\n").length;
const name = `upgrade_${crypto.randomUUID().replaceAll("-", "")}`;
const url = Object.assign(new URL(inject("databaseUrl")), { pathname: `/${name}` }).href;
let connection: Connection;
let folder = "";

async function administer(statement: string): Promise<void> {
  const sql = postgres(inject("databaseUrl"), { max: 1, onnotice: () => {} });
  await sql.unsafe(statement);
  await sql.end();
}

/** Makes the tables as 0.1 made them, and fills in its rows. */
async function writeOldDatabase(): Promise<void> {
  const migrations = join(ROOT, "migrations");
  for (const one of readdirSync(migrations).sort().slice(0, LAST)) {
    cpSync(join(migrations, one), join(folder, one), { recursive: true });
  }
  await migrateDatabase(url, folder);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql`set session_replication_role = replica`;
  await sql`delete from drizzle.__drizzle_migrations`;
  for (const [table, { columns, rows }] of Object.entries(release.tables)) {
    const into = `copy ${table} (${columns.map((column) => `"${column}"`).join(",")}) from stdin`;
    await pipeline(Readable.from([rows]), await sql.unsafe(into).writable());
  }
  for (const [sequence, value] of Object.entries(release.sequences)) await sql`select setval(${sequence}, ${value})`;
  await sql.end();
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "culprit-upgrade-"));
  await administer(`create database ${name}`);
  await writeOldDatabase();
});
afterAll(async () => {
  await connection?.close();
  await administer(`drop database ${name} with (force)`);
  rmSync(folder, { recursive: true });
});

test("a database of release 0.1 is upgraded, and answers as release 0.1 did", async () => {
  await migrateDatabase(url);
  connection = openDatabase(url);
  const { db } = connection;
  const services: Pick<Services, "summariseMasking"> = {
    summariseMasking: (condition, budget, seed) => summariseMasking(db, condition, budget, seed),
  };
  const ask = createGraphQL({ db, services: services as Services } satisfies Context);
  const answer = await ask(
    new Request("http://localhost/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: release.query }),
    }),
  );
  expect(await answer.json()).toEqual({ data: release.answer });
  // Twice changes nothing, and ids go on where they were.
  await migrateDatabase(url);
  const [next] = await connection.sql<{ id: number }[]>`
    insert into benchmarks (name, kind, path, items, hash) values ('later', 'ifeval', 'x', 1, 'y') returning id`;
  expect(next!.id).toBe(release.sequences['public."benchmarks_id_seq"']! + 1);
});
