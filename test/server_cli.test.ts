import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { failureCases, models } from "../schema/tables/tables.ts";
import { testDatabase } from "./database.ts";

const database = testDatabase();
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-cli-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly note: string;
}

/** Runs `culprit` on the test's database. `onOut` is told what it has written so far. */
function culprit(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly onOut?: (out: string, kill: () => void) => void } = {},
): Promise<Outcome> {
  return new Promise((done, fail) => {
    const child = spawn("node", [join(ROOT, "server", "launch.mjs"), ...args], {
      cwd: ROOT,
      env: { ...process.env, DATABASE_URL: database.url, CULPRIT_HOME: folder, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let note = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
      // Not child.kill: Deno then reports no exit code.
      options.onOut?.(out, () => process.kill(child.pid!, "SIGTERM"));
    });
    child.stderr.on("data", (chunk) => note += chunk);
    child.on("error", fail);
    child.on("close", (code) => done({ code, out, note }));
  });
}

test("model add and import say what they did, and doing it again changes nothing", async () => {
  const { db } = database.connection;
  const add = ["model", "add", "models/demo-1m", "--json"];
  const added = await culprit(add);
  expect(added).toMatchObject({ code: 0 });
  const [item, totals] = added.out.trim().split("\n").map((line) => JSON.parse(line));
  expect(item).toMatchObject({ id: expect.any(String), kind: "model", status: "COMPLETED", name: "demo-1m" });
  expect(totals).toEqual({ total: 1, created: 1 });
  expect((await culprit(add)).out).toContain('"created":false');
  expect(await db.$count(models)).toBe(1);

  const all = await readFile(join(ROOT, "models", "demo-1m", "failure-cases.jsonl"), "utf8");
  const file = join(folder, "some.jsonl");
  await writeFile(file, all.split("\n").slice(0, 20).join("\n"));
  const first = await culprit(["import", "--from", "culprit", file, "--json"]);
  expect(first).toMatchObject({ code: 0 });
  const lines = (text: string) => text.trim().split("\n").map((line) => JSON.parse(line));
  expect(lines(first.out)).toHaveLength(21);
  expect(lines(first.out)[0]).toEqual({
    id: JSON.parse(all.split("\n")[0]!).key,
    kind: "failureCase",
    status: "COMPLETED",
    result: "inserted",
  });
  expect(lines(first.out).at(-1)).toEqual({ total: 20, inserted: 20, unchanged: 0, failed: 0 });
  const again = await culprit(["import", "--from", "culprit", file, "--json"]);
  expect(lines(again.out).at(-1)).toEqual({ total: 20, inserted: 0, unchanged: 20, failed: 0 });
  expect(await db.$count(failureCases)).toBe(20);

  await writeFile(file, all.split("\n")[20] + "\n{}\n");
  const broken = await culprit(["import", "--from", "culprit", file, "--json"]);
  expect(broken.code).toBe(2);
  expect(lines(broken.out)[1]).toMatchObject({ id: `${file}:2`, status: "FAILED", message: expect.any(String) });
  expect(lines(broken.out).at(-1)).toEqual({ total: 2, inserted: 1, unchanged: 0, failed: 1 });
  expect(broken.note).toMatch(/some\.jsonl:2: format: .*\n/);
});

test("logs of other harnesses are imported under a model that was added, with the counts of their answers", async () => {
  await culprit(["model", "add", "models/demo-1m"]);
  const folder = join(ROOT, "test", "data", "lm_eval", "Qwen__Qwen2.5-0.5B-Instruct-GPTQ-Int4");
  const unknown = await culprit(["import", "--from", "lm-eval", folder, "--json"]);
  expect(unknown).toMatchObject({ code: 2, out: "" });
  expect(unknown.note).toMatch(
    /there is no model "Qwen\/Qwen2\.5-0\.5B-Instruct-GPTQ-Int4"; say which .* --model NAME/,
  );
  const lines = async () => {
    const { code, out } = await culprit(["import", "--from", "lm-eval", folder, "--model", "demo-1m", "--json"]);
    expect(code).toBe(0);
    return out.trim().split("\n").map((line) => JSON.parse(line));
  };
  const first = await lines();
  expect(first).toHaveLength(11);
  expect(first[0]).toEqual({
    id: expect.stringMatching(/^ifeval\//),
    kind: "response",
    status: "COMPLETED",
    result: "inserted",
    passed: expect.any(Boolean),
  });
  const counts = { total: 10, failed: 0, responses: 10, passed: 3, failedResponses: 7, undecided: 0, disagreements: 0 };
  expect(first.at(-1)).toEqual({ ...counts, inserted: 10, unchanged: 0 });
  expect((await lines()).at(-1)).toEqual({ ...counts, inserted: 0, unchanged: 10 });
  const format = await culprit(["import", "--from", "csv", folder]);
  expect(format).toMatchObject({
    code: 2,
    note: expect.stringMatching(/^--from: "csv" is no format .*; give one of: auto, lm-eval,/),
  });
});

test("wrong settings and arguments end with 2 and one line", async () => {
  for (
    const [args, env, line] of [
      [["serve"], { PORT: "many" }, /^PORT: "many" is no port; give a number/],
      [["serve"], { HOST: "0.0.0.0" }, /^HOST: .*; set CULPRIT_TOKENS/],
      [["import", "--from", "csv", "x"], {}, /^--from: "csv" is no format/],
      [["model", "add", "/no/such"], {}, /^\/no\/such: there is no such folder/],
    ] as const
  ) {
    const { code, note } = await culprit(args, { env });
    expect([code, note.trim().split("\n").length], note).toEqual([2, 1]);
    expect(note).toMatch(line);
  }
});

test("serve answers at the address it prints, and ends without a trace when it is asked to", async () => {
  const asked: Promise<Response>[] = [];
  const { code, out } = await culprit(["serve", "--no-worker", "--json"], {
    env: { PORT: "0" },
    onOut: (text, kill) => {
      if (asked.length > 0 || !text.includes("\n")) return;
      const { address } = JSON.parse(text) as { address: string };
      asked.push(fetch(`${address.replace("localhost", "127.0.0.1")}/ready`).finally(kill));
    },
  });
  expect(out).toContain('"event":"listening"');
  const response = await asked[0]!;
  expect(await response.json()).toEqual({ database: "ready", worker: { kind: "elsewhere" } });
  expect(code).toBe(0);
});
