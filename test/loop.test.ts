/** `npm run loop` on a demo model, from prompts to the document, with the trainer of docs/examples: where PYTHON has it. */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { and, eq, like } from "drizzle-orm";
import { models, responses } from "../schema/tables/tables.ts";
import { openHeldOut } from "../server/benchmarks/training_prompts/held_out.ts";
import { ROOT } from "../server/base/settings.ts";
import { loopDocument } from "../server/loop/document.ts";
import type { LoopNumbers } from "../server/loop/numbers.ts";
import { writeReport } from "../server/loop/report.ts";
import { openLoop, runStages } from "../server/loop/run.ts";
import { LOOP_SETTINGS, type LoopSettings, STAGES } from "../server/loop/settings.ts";
import { testDatabase } from "./database.ts";

const MODEL = join(ROOT, "models", "demo-0.3m");
const database = testDatabase();
let folder = "";
let before: string | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-loop-"));
  before = process.env["DATABASE_URL"];
  process.env["DATABASE_URL"] = database.url;
});
afterAll(async () => {
  if (before === undefined) delete process.env["DATABASE_URL"];
  else process.env["DATABASE_URL"] = before;
  await rm(folder, { recursive: true, force: true });
});

const SETTINGS: LoopSettings = {
  ...LOOP_SETTINGS,
  prompts: 36,
  pairs: 4,
  batch: 12,
  maxTokens: 48,
  alternatives: 6,
  positions: 12,
  arms: ["plain", "relevance"],
  seeds: 1,
  steps: 4,
  trainBatch: 2,
  rate: 1e-3,
  lora: 4,
  saveEvery: 2,
  evaluated: 6,
};

/** The first items of the demo benchmark as held-out prompts, and of the others some that are apart from them to train on. */
async function open(settings: LoopSettings) {
  const [heldOut, training] = [join(folder, "held.jsonl"), join(folder, "own.jsonl")];
  const text = await readFile(join(ROOT, "models", "benchmarks", "demo-ifeval.jsonl"), "utf8");
  const items = text.trim().split("\n");
  const { overlap } = openHeldOut(items.slice(0, 20).map((line) => JSON.parse(line).prompt));
  await writeFile(heldOut, items.slice(0, 20).join("\n"));
  const apart = items.slice(20).filter((line) => overlap(JSON.parse(line).prompt) < 0.5).slice(0, 36);
  await writeFile(training, apart.join("\n"));
  const notes: string[] = [];
  const loop = await openLoop({
    model: MODEL,
    heldOut,
    training,
    settings,
    home: join(folder, "home"),
    note: (text) => void notes.push(text),
  });
  return { loop, notes };
}

/** Without white space and marks of tables and emphasis, which the formatter changes. */
const words = (text: string) => text.replaceAll(/[\s|*_\\-]+/g, " ");

test.skipIf(!Deno.env.get("PYTHON"))("prompts, pairs, adapters and answers, each once; the document is its numbers'", {
  timeout: 900_000,
}, async () => {
  const { loop } = await open(SETTINGS);
  await runStages(loop, STAGES);
  const document = join(folder, "the-loop.md");
  await writeReport(loop, document);
  const numbers = JSON.parse(await readFile(join(folder, "the-loop", "numbers.json"), "utf8")) as LoopNumbers;
  expect(words(await readFile(document, "utf8"))).toBe(words(loopDocument(numbers)));
  expect(numbers.pairs.pairs).toBeGreaterThan(1);
  expect(numbers.pairs.answers % 12).toBe(0);
  expect(numbers.heldPairs).toBe(1);
  expect(numbers.runs.map(({ arm, seed }) => `${arm} ${seed}`)).toEqual(["plain 1", "relevance 1"]);
  for (const { result } of numbers.runs) expect(result.delta.after).toBeLessThan(result.delta.before);
  // Weights change the loss and nothing else: both start at the same pairs.
  const [plain, relevance] = numbers.runs.map(({ result }) => result);
  expect(relevance!.loss.last).not.toBeCloseTo(plain!.loss.last, 6);
  expect(relevance!.delta.before).toBe(plain!.delta.before);
  expect(numbers.accuracies!.prompts).toBe(6);
  const rows = numbers.accuracies!.rows;
  expect(rows.map(({ arm }) => arm)).toEqual([null, "plain", "relevance"]);
  // What the document counts is what the database has of the adapter's model.
  const { db } = database.connection;
  const [adapted] = await db.select().from(models).where(like(models.name, "%+relevance-1"));
  const own = and(eq(responses.modelId, adapted!.id), eq(responses.benchmark, "held"));
  expect(await db.$count(responses, own)).toBe(6);
  const passed = await db.$count(responses, and(own, eq(responses.passed, true)));
  expect(rows[2]!.measures.promptStrict.value).toBeCloseTo(passed / 6, 12);
  expect(numbers.series!.summary.members.map(({ label }) => label)).toEqual(["base", "2 steps", "4 steps"]);
  for (const name of numbers.figures) expect(existsSync(join(folder, "the-loop", name)), name).toBe(true);

  // Again: nothing is answered, searched or trained anew.
  const stored = await db.$count(responses);
  const again = await open(SETTINGS);
  await runStages(again.loop, STAGES);
  expect(await db.$count(responses)).toBe(stored);
  expect(again.notes.filter((note) => note.startsWith("trained"))).toEqual([]);
  await expect(open({ ...SETTINGS, steps: 5 }).then(({ loop }) => runStages(loop, ["train"]))).rejects.toThrow(
    /plain-1\.json: was made with other settings; name another --home/,
  );
});

test("prompts that are made stand in the home; what stands among the held-out ones is not trained on", async () => {
  const { loop } = await open(SETTINGS);
  const made = await openLoop({ ...loop, training: null });
  await runStages(made, ["prompts"]);
  expect((await readFile(made.promptFile, "utf8")).trim().split("\n")).toHaveLength(36);
  await runStages(loop, ["prompts"]);
  const lines = await readFile(loop.promptFile, "utf8");
  await writeFile(loop.promptFile, `${lines}\n${(await readFile(loop.heldOut, "utf8")).split("\n")[3]}`);
  await expect(runStages(loop, ["prompts"])).rejects.toThrow(
    /own\.jsonl: item 37: ".*" is a held-out prompt, or nearly one; take out what stands in .*held\.jsonl/,
  );
});

test("a run without a model's folder or without pairs is one line", async () => {
  const { loop } = await open(SETTINGS);
  await expect(openLoop({ ...loop, model: join(folder, "none") })).rejects.toThrow(/none: is no model's folder; give/);
  await expect(openLoop({ ...loop, settings: { ...SETTINGS, arms: [] } })).rejects.toThrow(/^--arms: is empty; name/);
  await expect(runStages({ ...loop, home: join(folder, "empty") }, ["train"])).rejects.toThrow(
    /there are no pairs to train on; run the stages collect and weights first/,
  );
});
