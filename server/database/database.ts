/** The connection to PostgreSQL, and the migrations. */
import { join } from "node:path";
import { sql as raw } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { relations } from "../../schema/tables/relations.ts";
import { ARRAY_TYPES } from "./array_types.ts";
import { startEmbeddedPostgres } from "./embedded_postgres.ts";
import { guardTransactions } from "./guard_transactions.ts";
import { ROOT, type Settings } from "../base/settings.ts";

export interface Connection {
  readonly url: string;
  readonly db: Database;
  /** The driver itself, for LISTEN and NOTIFY. */
  readonly sql: postgres.Sql;
  close(): Promise<void>;
}

/** A transaction of Drizzle: what is written through it lands together or not at all. */
export type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];

/** The oldest PostgreSQL that is tested. */
const OLDEST_VERSION = 15;

/** Connections of a server at once; a worker does with fewer, and leaves those that it does not use. */
const MOST_CONNECTIONS = 10;
export const WORKER_CONNECTIONS = 6;
const IDLE_SECONDS = 20;

/** Connects. `onStatement` sees each statement with its parameters, for tests that count and explain them. */
export function openDatabase(
  url: string,
  onStatement?: (statement: string, parameters: readonly unknown[]) => void,
  most = MOST_CONNECTIONS,
): Connection {
  const sql = guardTransactions(postgres(url, {
    max: most,
    types: ARRAY_TYPES,
    ...(most < MOST_CONNECTIONS ? { idle_timeout: IDLE_SECONDS } : {}),
    onnotice: () => {},
    connection: { application_name: "culprit" },
    ...(onStatement ? { debug: (_connection, statement, parameters) => onStatement(statement, parameters) } : {}),
  }));
  return { url, sql, db: drizzle({ client: sql, relations }), close: () => sql.end({ timeout: 5 }) };
}

/** Any number, the same in every process: one at a time migrates. */
const MIGRATION_LOCK = 1_131_754_096;

/** Brings the tables up to date. Safe to call from several processes at once. */
export async function migrateDatabase(url: string, folder = join(ROOT, "migrations")): Promise<void> {
  const sql = guardTransactions(postgres(url, { max: 1, onnotice: () => {} }));
  try {
    const [row] = await sql<{ version: number }[]>`select current_setting('server_version_num')::int as version`;
    const version = Math.floor((row?.version ?? 0) / 10_000);
    if (version < OLDEST_VERSION) {
      throw new InputError(
        `it is PostgreSQL ${version}`,
        "DATABASE_URL",
        `give a PostgreSQL ${OLDEST_VERSION} or newer`,
      );
    }
    const db = drizzle({ client: sql });
    await db.execute(raw`select pg_advisory_lock(${MIGRATION_LOCK})`);
    await migrate(db, { migrationsFolder: folder });
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** A database that is up to date, and how to leave it. */
export interface RunningDatabase {
  readonly url: string;
  /** Stops the embedded database unless somebody else uses it. Close connections first. */
  stop(): Promise<void>;
}

/** Starts or joins the embedded database unless DATABASE_URL names one, and migrates it. */
export async function startDatabase(settings: Settings): Promise<RunningDatabase> {
  const { databaseUrl, home } = settings;
  const database = databaseUrl === undefined
    ? await startEmbeddedPostgres(home)
    : { url: databaseUrl, stop: () => Promise.resolve() };
  try {
    await migrateDatabase(database.url);
  } catch (error) {
    await database.stop();
    const { code } = error as { readonly code?: string };
    if (databaseUrl === undefined || !code || !UNREACHABLE.has(code)) throw error;
    throw new InputError(
      `the database cannot be reached (${code})`,
      "DATABASE_URL",
      "start it or correct the address, or unset the variable for the embedded one",
    );
  }
  return database;
}

/** Error codes of a connection that never came about. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "CONNECT_TIMEOUT",
  "28P01",
  "28000",
  "3D000",
]);
