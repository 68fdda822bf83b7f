/** The command as people type it: through npx, Node and Deno. */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../server/base/free_port.ts";
import { writeTinyModel, writeTinyTokenizer } from "./model_folder.ts";
import type { CommandResult } from "./command_line.ts";

const ROOT = new URL("..", import.meta.url).pathname;

let folder: string;
let model: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-launch-"));
  model = writeTinyModel(join(folder, "model"));
  writeTinyTokenizer(model);
});
afterAll(() => rmSync(folder, { recursive: true }));

function launch(command: string, args: readonly string[], stdin = ""): Promise<CommandResult> {
  const child = spawn(command, args, { cwd: ROOT });
  const parts: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  for (const name of ["stdout", "stderr"] as const) child[name].on("data", (part: Buffer) => parts[name].push(part));
  // A command may end before it has read all.
  child.stdin.on("error", () => {});
  child.stdin.end(stdin);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const out = Buffer.concat(parts.stdout).toString();
      // npm's own remarks on its settings are no words of ours.
      const err = Buffer.concat(parts.stderr).toString().replaceAll(/^npm .*\n/gm, "");
      resolve({ code: code ?? -1, out, err });
    });
  });
}

const npx = (args: readonly string[], stdin?: string) => launch("npx", ["culprit", ...args], stdin);
const LAUNCHER = join(ROOT, "server", "launch.mjs");

test("npx culprit inspect --json prints JSON alone and exits with 0", async () => {
  const { code, out, err } = await npx(["inspect", model, "--json"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(Object.keys(JSON.parse(out))).toEqual(["config", "parameters", "tensors"]);
});

test("npx culprit hands standard input and arguments on as they are", async () => {
  const { code, out, err } = await npx(["tokenize", "--model", model, "--json"], '{"text":"ab <|end|>"}\n');
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(JSON.parse(out)).toEqual({ ids: [8, 9, 10], tokens: ["ab", " ", "<|end|>"] });
});

test("npx culprit exits with 2 and one line for bad input", async () => {
  const args = ["attribute", "--model", model, "--prompt", "a  b", "--contrast", "text:abc"];
  const { code, out, err } = await npx(args);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toBe(
    '--contrast: "abc" is 2 tokens, not one: 8 "ab", 2 "c"; give a text that is exactly one token, or a token id\n',
  );
});

test("npx culprit attribute ends by itself, though its GPU device was alive", async () => {
  const ids = join(folder, "ids.json");
  writeFileSync(ids, "[0, 1, 2]");
  const { code, out } = await npx([
    "attribute",
    "--model",
    model,
    "--ids",
    ids,
    "--target",
    "3",
    "--contrast",
    "4",
    "--json",
  ]);
  expect(code).toBe(0);
  const { inputIds, relevance, target, contrast } = JSON.parse(out);
  expect({ inputIds, ids: [target.id, contrast.id], values: relevance.length })
    .toEqual({ inputIds: [0, 1, 2], ids: [3, 4], values: 3 });
});

test("a signal to the launcher ends the work with one line", async () => {
  const child = spawn("node", [LAUNCHER, "tokenize", "--model", model, "--json"], { cwd: ROOT });
  let err = "";
  child.stderr.on("data", (part: Buffer) => err += part);
  // Killed once the first answer is there, while it waits for the next line. Not by child.kill: under Deno that reports
  // the signal in place of the exit code.
  child.stdout.once("data", () => process.kill(child.pid!, "SIGTERM"));
  child.stdin.write('{"text":"a"}\n');
  const code = await new Promise((resolve) => child.on("close", resolve));
  expect({ code, err }).toEqual({ code: 1, err: "interrupted by SIGTERM\n" });
});

test("a reader that has seen enough is no failure", async () => {
  const lines = `{"text":"ab"}\n`.repeat(50_000);
  const script = `node "$0" tokenize --model "$1" --json | head -n 1; exit "\${PIPESTATUS[0]}"`;
  const { code, out, err } = await launch("bash", ["-c", script, LAUNCHER, model], lines);
  expect({ code, out, err }).toEqual({ code: 0, out: '{"ids":[8],"tokens":["ab"]}\n', err: "" });
});

test("without node_modules the launcher says what to do", async () => {
  const copy = join(folder, "copy");
  mkdirSync(join(copy, "server"), { recursive: true });
  for (const file of ["launch.mjs", "deno_binary.mjs"]) cpSync(join(ROOT, "server", file), join(copy, "server", file));
  cpSync(join(ROOT, "package.json"), join(copy, "package.json"));
  const { code, err } = await launch("node", [join(copy, "server", "launch.mjs"), "inspect"]);
  expect({ code, err }).toEqual({
    code: 1,
    err: `culprit: the dependencies are not installed; run npm ci in ${copy}\n`,
  });
});

test("a process that npm started ends with npm, whether a shell stands between the two or not", async () => {
  const script = join(folder, "child.mjs");
  writeFileSync(
    script,
    `import { onParentEnd } from ${JSON.stringify(join(ROOT, "server", "parent_watch.mjs"))};
     setInterval(() => {}, 1000);
     onParentEnd(() => process.exit(0));
     console.log(process.pid);`,
  );
  for (const command of [`node ${script}`, `node ${script}; true`]) {
    const parent = spawn(process.execPath, [
      "eval",
      `import { spawn } from "node:child_process";
       spawn("sh", ["-c", ${JSON.stringify(command)}], { stdio: "inherit" });`,
    ], { env: { ...process.env, npm_lifecycle_event: "start" }, stdio: ["ignore", "pipe", "inherit"] });
    const pid = Number(await new Promise<string>((done) => parent.stdout.once("data", (text) => done(String(text)))));
    const lives = () => existsSync(`/proc/${pid}`);
    await new Promise((go) => setTimeout(go, 1000));
    expect(lives()).toBe(true);
    parent.kill("SIGTERM");
    await expect.poll(lives, { timeout: 20_000 }).toBe(false);
  }
});

/** Processes by id: what they descend from, and when they began, which tells them from later ones of the same id. */
function processes(): ReadonlyMap<number, { readonly parent: number; readonly began: string }> {
  const found = new Map<number, { readonly parent: number; readonly began: string }>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // One that has ended stays in the list until its parent asks for it.
      if (fields[0] !== "Z") found.set(Number(name), { parent: Number(fields[1]), began: fields[19]! });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** A process and all that descend from it. */
function family(of: number): readonly (readonly [id: number, began: string])[] {
  const all = processes();
  const ids = new Set([of]);
  for (let grown = 0; grown !== ids.size;) {
    grown = ids.size;
    for (const [id, { parent }] of all) if (ids.has(parent)) ids.add(id);
  }
  return [...ids].flatMap((id) => all.has(id) ? [[id, all.get(id)!.began] as const] : []);
}

/** What a process was started with; empty where it has ended. */
function commandOf(id: number): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

const changed = (...path: string[]): number => statSync(join(ROOT, ...path)).mtimeMs;
/** Otherwise `npm start` would install anew, under the feet of the other tests. */
const INSTALLED = changed("node_modules", ".package-lock.json") >= changed("package-lock.json");

test.runIf(INSTALLED)(
  "SIGTERM to npm start, to npm alone, ends all: server, worker, import process, PostgreSQL",
  async () => {
    const home = join(folder, "home");
    mkdirSync(home);
    // Under root the database runs as another user, who must be able to enter.
    for (const path of [folder, home]) chmodSync(path, 0o755);
    const port = await freePort();
    const { DATABASE_URL: _database, CULPRIT_TOKENS: _tokens, ...environment } = process.env;
    const npm = spawn("npm", ["start"], {
      cwd: ROOT,
      stdio: "ignore",
      env: { ...environment, CULPRIT_HOME: home, PORT: `${port}` },
    });
    const ready = () => fetch(`http://127.0.0.1:${port}/ready`).then(({ ok, body }) => body?.cancel().then(() => ok));
    let all: ReturnType<typeof family> = [];
    const left = () => {
      const now = processes();
      return all.filter(([id, began]) => now.get(id)?.began === began).map(([id]) => id);
    };
    try {
      await expect.poll(() => ready().catch(() => false), { timeout: 200_000, interval: 200 }).toBe(true);
      // The database is nobody's child.
      const database = Number(readFileSync(join(home, "postgres", "postmaster.pid"), "utf8").split("\n")[0]);
      all = [...family(npm.pid!), ...family(database)];
      const commands = all.map(([id]) => commandOf(id)).join("\n");
      for (const part of ["start.mjs", "cli.ts", "worker.ts", "import_process.ts", "bin/postgres"]) {
        expect(commands).toContain(part);
      }
      process.kill(npm.pid!, "SIGTERM");
      await expect.poll(() => left().map(commandOf), { timeout: 60_000, interval: 200 }).toEqual([]);
    } finally {
      for (const [id] of family(npm.pid!)) process.kill(id, "SIGKILL");
      for (const id of left()) process.kill(id, "SIGKILL");
    }
  },
  300_000,
);
