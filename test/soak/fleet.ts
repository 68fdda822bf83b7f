/**
 * A server with its embedded PostgreSQL and its worker, and a second worker, as processes that can be killed. Whatever
 * a service manager would start again is started again: server and second worker. The rest must mend itself.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as wait } from "node:timers/promises";
import postgres from "postgres";
import { freePort } from "../../server/base/free_port.ts";
import { ROOT } from "../../server/base/settings.ts";
import { type Running, startProcess } from "./processes.ts";

/** Who can be killed: the server, its own worker, the worker beside it, the database's first process. */
export const VICTIMS = ["server", "worker", "second worker", "database"] as const;
export type Victim = (typeof VICTIMS)[number];

export interface Fleet {
  readonly address: string;
  /** Rows of a statement, asked again while the database is away. */
  ask<Row>(statement: string): Promise<readonly Row[]>;
  /** The data of a GraphQL operation, asked again while the server is away. Throws when it is refused. */
  graphql<Data>(query: string, variables?: Readonly<Record<string, unknown>>): Promise<Data>;
  /** Kills by SIGKILL. False when it was not there to be killed. */
  kill(victim: Victim): Promise<boolean>;
  /** Resolves when server, database and both workers are ready. Rejects after READY_MS. */
  ready(): Promise<void>;
  /** What processes said before they ended without having been killed or asked to. */
  crashes(): readonly string[];
  /** What the processes wrote on standard error, the last of it. */
  log(): string;
  stop(): Promise<void>;
}

/** How long a service manager waits, in milliseconds. */
const RESTART_MS = 300;
/** Longest wait for something to be there again: a start takes a second, and a minute on a machine that is busy. */
const READY_MS = 600_000;
const LOG_CHARACTERS = 100_000;
/** What is kept of a process that ended by itself. */
const LAST_CHARACTERS = 2000;

/**
 * `home` is an empty folder; `files` a folder that may be imported from. `databaseUrl` is another way to the embedded
 * database of this home, which somebody else started.
 */
export async function startFleet(home: string, files: string, databaseUrl = ""): Promise<Fleet> {
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const environment = {
    PORT: String(port),
    CULPRIT_HOME: home,
    CULPRIT_MODELS: `${join(ROOT, "models")}:${files}`,
    CULPRIT_RATE: "10000",
    DATABASE_URL: databaseUrl,
  };
  let log = "";
  const noted = (text: string): void => void (log = (log + text).slice(-LOG_CHARACTERS));
  const server = keep((log) => startProcess(["serve"], environment, log), noted);
  // The first to come makes the database.
  await server.started;
  const second = keep((log) => startProcess(["worker"], environment, log), noted);

  const pids: Readonly<Record<Victim, () => Promise<number | undefined>>> = {
    "server": () => Promise.resolve(server.pid()),
    "worker": async () => (await readiness(address))?.worker?.pid,
    "second worker": () => Promise.resolve(second.pid()),
    "database": async () => {
      const text = await readFile(join(home, "postgres", "postmaster.pid"), "utf8").catch(() => "");
      return Number(text.split("\n")[0]) || undefined;
    },
  };
  return {
    address,
    ask: (statement) => patiently(() => askDatabase(home, statement)),
    graphql: (query, variables = {}) => patiently(() => askServer(address, query, variables)),
    kill: async (victim) => {
      const pid = await pids[victim]().catch(() => undefined);
      try {
        if (pid !== undefined) process.kill(pid, "SIGKILL");
        return pid !== undefined;
      } catch {
        return false;
      }
    },
    ready: async () => {
      for (const deadline = Date.now() + READY_MS; Date.now() < deadline; await wait(100)) {
        const said = await readiness(address).catch(() => undefined);
        if (said?.ready && second.pid() !== undefined) return;
      }
      throw new Error(`It was not ready again in time:\n${log.slice(-3000)}`);
    },
    crashes: () => [...server.crashes(), ...second.crashes()],
    log: () => log,
    stop: async () => {
      await second.stop();
      await server.stop();
    },
  };
}

interface Kept {
  /** Resolves when it runs for the first time. */
  readonly started: Promise<void>;
  /** Its process while it is ready. */
  pid(): number | undefined;
  /** Its last words where it ended by itself: not at the start, where the database may be away, and not by SIGKILL. */
  crashes(): readonly string[];
  stop(): Promise<void>;
}

/** Starts a process again whenever it ends. */
function keep(start: (log: (text: string) => void) => Promise<Running>, noted: (text: string) => void): Kept {
  let running: Running | undefined;
  let stopped = false;
  const crashed: string[] = [];
  let said = "";
  const first = Promise.withResolvers<void>();
  const loop = (async () => {
    while (!stopped) {
      try {
        said = "";
        running = await start((text) => {
          said = (said + text).slice(-LAST_CHARACTERS);
          noted(text);
        });
        first.resolve();
        if (stopped) await running.stop();
        await running.ended;
        const { exitCode, signalCode } = running.child;
        if (!stopped && signalCode !== "SIGKILL") crashed.push(said);
        noted(`(ended with ${exitCode ?? signalCode})\n`);
      } catch (error) {
        noted(`(${error})\n`);
      }
      running = undefined;
      if (!stopped) await wait(RESTART_MS);
    }
  })();
  return {
    started: first.promise,
    pid: () => running?.pid,
    crashes: () => crashed,
    stop: async () => {
      stopped = true;
      await running?.stop();
      await loop;
    },
  };
}

async function readiness(address: string) {
  const answer = await fetch(`${address}/ready`);
  const { worker } = await answer.json() as { readonly worker?: { readonly kind: string; readonly pid?: number } };
  return { ready: answer.status === 200, worker };
}

/** Asked again for READY_MS while there is no answer. */
async function patiently<Result>(ask: () => Promise<Result>): Promise<Result> {
  for (const deadline = Date.now() + READY_MS;; await wait(200)) {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Refused || Date.now() > deadline) throw error;
    }
  }
}

class Refused extends Error {}

async function askDatabase<Row>(home: string, statement: string): Promise<readonly Row[]> {
  const { port, password } = JSON.parse(await readFile(join(home, "postgres", "culprit.json"), "utf8")) as {
    readonly port: number;
    readonly password: string;
  };
  const sql = postgres(`postgres://postgres:${password}@127.0.0.1:${port}/culprit`, {
    max: 1,
    onnotice: () => {},
    connect_timeout: 5,
  });
  try {
    return await sql.unsafe(statement) as unknown as readonly Row[];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function askServer<Data>(
  address: string,
  query: string,
  variables: Readonly<Record<string, unknown>>,
): Promise<Data> {
  const answer = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", "accept": "application/json" },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(20_000),
  });
  const { data, errors } = await answer.json() as { readonly data?: Data; readonly errors?: readonly unknown[] };
  if (errors === undefined && data) return data;
  const said = JSON.stringify(errors);
  // What mends itself is said by its code; all else is wrong.
  throw said.includes("DATABASE_UNAVAILABLE") ? new Error(said) : new Refused(said);
}
