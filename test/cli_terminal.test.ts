/** The command line as people see it on a terminal: 80 columns, bars from the first moment, and Ctrl-C. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { responses } from "../schema/tables/tables.ts";
import { addShippedBenchmarks } from "../server/benchmarks/benchmarks.ts";
import { ROOT } from "../server/base/settings.ts";
import { culprit } from "./command_line.ts";
import { testDatabase } from "./database.ts";

const database = testDatabase();
beforeAll(async () => {
  vi.stubEnv("DATABASE_URL", database.url);
  await addShippedBenchmarks(database.connection.db);
});
afterAll(() => void vi.unstubAllEnvs());

const MODEL = ["--model", "models/demo-0.3m"];
const CHAT = ["--chat", "Write a short story about a painter, and do not use the word house at all in any of it."];

function fits(text: string): void {
  expect(text.split("\n").filter((line) => [...line].length > 80)).toEqual([]);
}

test("the list of verbs and the help of each fit 80 columns, and examples can be copied", async () => {
  const { out } = await culprit(["--help"]);
  fits(out);
  const names = [...out.matchAll(/^ {2}([a-z]+(?: [a-z]+)?) {2,}\S/gm)].map(([, name]) => name!);
  expect(names.length).toBeGreaterThan(25);
  for (const name of names) {
    const help = await culprit([...name.split(" "), "--help"]);
    expect(help.code).toBe(0);
    fits(help.out);
    // A broken line ends as a shell has it, and none breaks inside quotes.
    const example = /example:\n {2}([\s\S]*)$/.exec(help.out)![1]!.trimEnd();
    for (const line of example.split("\n").slice(0, -1)) expect(line).toMatch(/ \\$/);
    for (const line of example.split("\n")) {
      expect(line.match(/"/g)?.length ?? 0, line).toSatisfy((n: number) => n % 2 === 0);
    }
  }
});

test.each([
  ["ask", [...CHAT, "--max-tokens", "12", "--at", "2", "--contrast", "text: the"]],
  ["attribute", [...CHAT, "--contrast", "text: the", "--components", "9", "--nodes", "1:5"]],
  ["graph", [...CHAT, "--contrast", "text: the", "--metrics"]],
  ["plan attribute", [...CHAT, "--contrast", "text: the"]],
  ["inspect", undefined],
  ["collect", ["--benchmark", "demo-math", "--limit", "4", "--max-tokens", "8"]],
  ["pairs", ["--max-tokens", "8", "--positions", "1", "--alternatives", "2"]],
])("what %s writes fits 80 columns", async (name, args) => {
  const given = args === undefined ? ["models/demo-0.3m"] : [...MODEL, ...args];
  const { code, out, err } = await culprit([...name.split(" "), ...given]);
  expect({ code, err }).toEqual({ code: 0, err });
  fits(name === "ask" ? out.slice(out.indexOf("\n\n")) : out);
});

test("collect shows where it is from the first moment, and how far the batch is", async () => {
  const args = ["collect", ...MODEL, "--benchmark", "demo-ifeval", "--limit", "6", "--max-tokens", "12"];
  const { code, err } = await culprit(args, [], { progress: true });
  expect(code).toBe(0);
  const bars = err.split("\r").map((bar) => bar.trimEnd()).filter((bar) => bar !== "");
  expect(bars[0]).toBe(`start    [${"-".repeat(24)}]   0 %  database`);
  expect(bars.find((bar) => bar.startsWith("load"))).toMatch(/ \d+\/\d+/);
  const first = bars.find((bar) => bar.startsWith("collect"));
  expect(first).toMatch(/^collect {2}\[-{24}\] {3}0 % {2}0\/6/);
  expect(bars.some((bar) => /0\/6.*(decode|prefill) \d+\/\d+/.test(bar))).toBe(true);
  for (const bar of bars) expect(bar.length).toBeLessThan(80);
});

test("Ctrl-C ends a run in the middle of its batch: one line, and what was stored before stays", async () => {
  const before = await database.connection.db.$count(responses);
  const interrupt = new AbortController();
  const args = ["collect", ...MODEL, "--benchmark", "demo-ifeval", "--max-tokens", "200"];
  const { code, err } = await culprit(args, [], {
    progress: true,
    signal: interrupt.signal,
    note: (text) => {
      said += text;
      if (/decode/.test(text)) interrupt.abort(new Error("interrupted by SIGINT"));
    },
  });
  expect([code, err]).toEqual([1, ""]);
  expect(said).toMatch(/\rinterrupted by SIGINT\n$|^interrupted by SIGINT\n$/m);
  expect(await database.connection.db.$count(responses)).toBe(before);
});
let said = "";

/** A process of the command line with a home of its own. */
function start(args: readonly string[]) {
  const home = mkdtempSync(join(tmpdir(), "culprit-terminal-"));
  chmodSync(home, 0o755);
  const { DATABASE_URL: _database, ...environment } = process.env;
  // Node's own kind of child says that it was killed by whatever signal it was sent.
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--config", join(ROOT, "deno.json"), join(ROOT, "server", "cli.ts"), ...args],
    cwd: ROOT,
    clearEnv: true,
    env: { ...environment as Record<string, string>, CULPRIT_HOME: home, PORT: "0" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const words = { out: "", err: "" };
  const read = async (name: "out" | "err", stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const part of stream) words[name] += decoder.decode(part, { stream: true });
  };
  read("out", child.stdout);
  read("err", child.stderr);
  return { child, home, words };
}

test("Ctrl-C ends a server whose clients hang on, with the database that it started", async () => {
  const { child, home, words } = start(["serve", "--json", "--no-worker"]);
  await vi.waitUntil(() => /listening.*\n/.test(words.out), { timeout: 100_000 });
  const { address } = JSON.parse(words.out.split("\n")[0]!) as { readonly address: string };
  const postmaster = Number(readFileSync(join(home, "postgres", "postmaster.pid"), "utf8").split("\n")[0]);
  // An upload that goes on for ever.
  const upload = request(`${address}/imports?name=a.jsonl`, {
    method: "POST",
    headers: { "content-type": "application/json", "transfer-encoding": "chunked" },
  });
  upload.on("error", () => {});
  upload.write(`{"a":`);
  await new Promise((done) => setTimeout(done, 500));
  child.kill("SIGINT");
  const { code, signal } = await child.status;
  expect(signal).toBeNull();
  // By itself, or at the end of what Ctrl-C waits for.
  if (code !== 0) expect(words.err).toMatch(/interrupted by SIGINT\n$/);
  upload.destroy();
  await vi.waitUntil(
    () => !existsSync(`/proc/${postmaster}`) && !existsSync(join(home, "postgres", "postmaster.pid")),
    {
      timeout: 60_000,
    },
  );
  rmSync(home, { recursive: true, force: true });
});
