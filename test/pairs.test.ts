/**
 * From a benchmark to clean token pairs by one command, on the demo model; every clean pair is verified again without
 * the search: single, unbatched generation, the checker, and the numbers that transformers computed.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { LoadedModel } from "../gpu/engine.ts";
import { loadTokenizer, type Tokenizer } from "../gpu/model/tokenizer.ts";
import { pairSearches } from "../schema/tables/search_tables.ts";
import { failureCases, responses, tokenPairs } from "../schema/tables/tables.ts";
import { type Checkers, openCheckers } from "../server/checkers/check.ts";
import { ROOT } from "../server/base/settings.ts";
import { storedCase } from "../server/search/stored_case.ts";
import { culprit as runCommand } from "./command_line.ts";
import { testDatabase } from "./database.ts";
import { sharedEngine } from "./shared_device.ts";

const DEMO = join(ROOT, "models", "demo-1m");
/** Items of each benchmark. */
const LIMIT = 20;
const MAX_TOKENS = 96;

const database = testDatabase();
let folder = "";
let model: LoadedModel;
let tokenizer: Tokenizer;
let checkers: Checkers;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-pairs-"));
  vi.stubEnv("DATABASE_URL", database.url);
  vi.stubEnv("CULPRIT_HOME", folder);
  [model, tokenizer] = [await (await sharedEngine()).loadModel(DEMO), await loadTokenizer(DEMO)];
  checkers = openCheckers();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await checkers?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `culprit` on the test's database; gives its lines of JSON. */
async function culprit(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, out, err } = await runCommand([...args, "--json"]);
  if (code !== 0) throw new Error(`${code}: ${err}`);
  return out.trim().split("\n").map((line) => JSON.parse(line));
}

/** What models/recipe/mine.py found with transformers, by benchmark and task. */
async function minedByTransformers() {
  const lines = (await readFile(join(DEMO, "failure-cases.jsonl"), "utf8")).trim().split("\n");
  return new Map(lines.map((line) => {
    const mined = JSON.parse(line);
    return [`${mined.benchmark}/${Number(mined.task)}`, mined];
  }));
}

const place = ({ benchmark, task }: { readonly benchmark: string; readonly task: string }) =>
  `${benchmark}/${Number(task)}`;

test("one command collects, searches and says what became of each failure", async () => {
  const { db } = database.connection;
  const args = ["pairs", "--model", DEMO, "--collect", "demo-ifeval,demo-math"];
  const settings = ["--limit", `${LIMIT}`, "--max-tokens", `${MAX_TOKENS}`];
  const lines = await culprit(...args, ...settings);
  const totals = lines.at(-1)!;
  const stored = await db.select().from(responses);
  expect(stored).toHaveLength(2 * LIMIT);
  expect(
    stored.every(({ passed, source, completionIds }) =>
      passed !== null && source === "collected" && completionIds.length > 0
    ),
  ).toBe(true);
  const failed = stored.filter(({ passed }) => passed === false);
  const cases = await db.select().from(failureCases);
  expect(new Set(cases.map(({ key }) => key))).toEqual(new Set(failed.map(({ key }) => key)));
  expect(cases.filter(({ status }) => status === "open")).toEqual([]);
  const clean = cases.filter(({ status }) => status === "clean");
  expect(clean.length).toBeGreaterThan(5);
  expect(totals).toMatchObject({ total: cases.length, cases: cases.length, clean: clean.length });
  // A line for each answer and each case, then the totals.
  expect(lines.filter(({ kind }) => kind === "response")).toHaveLength(2 * LIMIT);
  expect(lines.filter(({ kind, status }) => kind === "failureCase" && status === "COMPLETED")).toHaveLength(
    cases.length,
  );
  for (const row of totals["table"] as { benchmark: string; failures: number; clean: number; excluded: object }[]) {
    const own = cases.filter(({ benchmark }) => benchmark === row.benchmark);
    expect([row.failures, row.clean]).toEqual([own.length, own.filter(({ status }) => status === "clean").length]);
    expect(Object.values(row.excluded).reduce((sum, count) => sum + count, 0)).toBe(row.failures - row.clean);
  }
  for (const { status, exclusion, exclusionNote } of cases) {
    expect(status === "clean" ? [exclusion, exclusionNote] : [typeof exclusion, typeof exclusionNote])
      .toEqual(status === "clean" ? [null, null] : ["string", "string"]);
  }

  // The same once more generates nothing and changes nothing.
  const again = await culprit(...args, ...settings);
  expect(again.filter(({ kind }) => kind === "response").every(({ result }) => result === "unchanged")).toBe(true);
  expect(again.at(-1)).toMatchObject({ total: 0, counts: { rollouts: 0 } });
  expect(await db.select().from(responses)).toEqual(stored);
});

test("every clean pair recovers when it is computed alone, and transformers found the same", async () => {
  const { db } = database.connection;
  const mined = await minedByTransformers();
  const rows = await db.select({ row: failureCases, pair: tokenPairs, search: pairSearches }).from(failureCases)
    .innerJoin(tokenPairs, eq(tokenPairs.failureCaseId, failureCases.id))
    .innerJoin(pairSearches, eq(pairSearches.failureCaseId, failureCases.id))
    .where(eq(failureCases.status, "clean"));
  let [compared, early] = [0, 0];
  for (const { row, pair, search } of rows) {
    const { inputIds, promptTokens, completionIds, item } = row;
    const position = inputIds.length - promptTokens;
    expect(pair.position).toBe(inputIds.length);
    const roll = async (force: number) => {
      const request = { inputIds, force, maxTokens: MAX_TOKENS - position, top: 11 };
      const [result] = await model.generate([request]);
      return { ...result!, whole: tokenizer.decode([...inputIds.slice(promptTokens), ...result!.ids]) };
    };
    const right = await roll(pair.contrastId);
    expect((await checkers.check(item!, right.whole)).passed, row.key).toBe(true);
    const wrong = await roll(pair.targetId);
    expect(wrong.whole).toBe(row.completion);
    expect((await checkers.check(item!, wrong.whole)).passed).toBe(false);
    // The model's own choice, the rank of the contrast, and the difference that makes the case clean.
    expect(right.first[0]?.id).toBe(pair.targetId);
    expect(completionIds[position]).toBe(pair.targetId);
    expect(right.first[pair.contrastRank]?.id).toBe(pair.contrastId);
    const logits = await model.logits(inputIds);
    expect(pair.delta).toBe(logits[pair.targetId]! - logits[pair.contrastId]!);
    expect(pair.delta).toBeGreaterThan(1);
    // Better-ranked alternatives were tried and do not recover; neither does anything earlier.
    expect(pair.candidates.map(({ rank }) => rank)).toEqual(Array.from({ length: 11 }, (_, rank) => rank));
    expect(pair.candidates.filter(({ rank }) => rank < pair.contrastRank).map(({ passed }) => passed)).not.toContain(
      true,
    );
    const visited = search.state["visited"] as { position: number; tried: { passed: boolean }[] }[];
    expect(visited.map((one) => one.position)).toEqual(Array.from({ length: position + 1 }, (_, at) => at));
    expect(visited.slice(0, -1).flatMap(({ tried }) => tried).filter(({ passed }) => passed)).toEqual([]);

    const theirs = mined.get(place(row));
    if (!theirs || theirs.inputIds.length !== inputIds.length) continue;
    compared++;
    expect({ inputIds, target: pair.targetId, contrast: pair.contrastId }).toEqual({
      inputIds: theirs.inputIds,
      target: theirs.target.id,
      contrast: theirs.contrast.id,
    });
    expect(Math.abs(pair.targetLogit - theirs.target.logit) / theirs.target.logit).toBeLessThan(1e-4);
    expect(Math.abs(pair.contrastLogit - theirs.contrast.logit) / theirs.target.logit).toBeLessThan(1e-4);
    // One that failed may end where that was certain.
    const upTo = (length: number | undefined) => ({ id, passed, completion }: typeof pair.candidates[0]) =>
      [id, passed, completion?.slice(0, length)] as const;
    const lengths = pair.candidates.map(({ endedEarly, completion }) => endedEarly ? completion!.length : undefined);
    expect(pair.candidates.map(upTo(undefined)))
      .toEqual(theirs.candidates.map((one: typeof pair.candidates[0], at: number) => upTo(lengths[at])(one)));
    early += lengths.filter((length) => length !== undefined).length;
  }
  expect(compared).toBeGreaterThan(0.8 * rows.length);
  expect(early).toBeGreaterThan(3);
});

test("rollouts end early only where no thought can end in the response", async () => {
  const [row] = await database.connection.db.select().from(failureCases)
    .where(eq(failureCases.benchmark, "demo-ifeval"));
  const parts = { tokenizer, model: { id: 1, name: "demo-1m", hash: "", tokenizerHash: "", loaded: model } };
  const endsEarly = (change: Partial<typeof failureCases.$inferSelect>) =>
    storedCase({ ...row!, ...change }, checkers, parts).decided !== undefined;
  // Thinking was off: the model's template closes the thought before the response begins.
  expect(row!.prompt).toMatch(/<\/think>\s*$/);
  expect(endsEarly({})).toBe(true);
  expect(endsEarly({ prompt: row!.prompt.replace(/<think>\s*<\/think>\s*$/, "") })).toBe(false);
  expect(endsEarly({ completion: `So.</think>${row!.completion}` })).toBe(false);
  expect(endsEarly({ metadata: { ...row!.metadata, thought: { budget: 8, tokens: 3, inserted: 0 } } })).toBe(false);
  expect(endsEarly({ item: null })).toBe(false);
});
