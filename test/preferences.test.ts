/** Preference export: weights against LXT and transformers (test/reference/dpo_weights.py), and files that trainers read. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { eq, like } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../gpu/engine.ts";
import { openEngine } from "../gpu/mod.ts";
import { loadTokenizer, type Tokenizer } from "../gpu/model/tokenizer.ts";
import { preferences } from "../schema/tables/analysis_tables.ts";
import {
  goesByRelevance,
  PREDICTION_FORMULAS,
  RELEVANCE_FORMULAS,
  WEIGHT_FORMULAS,
  type WeightFormula,
} from "../schema/tables/analysis_values.ts";
import type { Services } from "../schema/services/services.ts";
import { failureCases, jobs, tokenPairs } from "../schema/tables/tables.ts";
import { addModel } from "../server/models/add_model.ts";
import { performAnalyse } from "../server/worker/analyse_task.ts";
import { openCheckers } from "../server/checkers/check.ts";
import { type Consumer, startConsumer } from "../server/jobs/consumer.ts";
import { importFile } from "../server/import/import_file.ts";
import { createModelCache } from "../server/models/model_cache.ts";
import { downloadPreferences } from "../server/preferences/preference_job.ts";
import { preferencePair } from "../server/preferences/pair.ts";
import { ownReader } from "../server/models/reading.ts";
import { fileOf, readRows } from "../server/preferences/read.ts";
import { PREFERENCE_FORMATS, type PreferenceRow, type RowOptions } from "../server/preferences/rows.ts";
import {
  chooseWeights,
  divergenceShares,
  relevanceShare,
  uncertaintyShares,
  weightsOf,
} from "../server/preferences/weights.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { createServices } from "../server/http/services.ts";
import { readSettings, ROOT } from "../server/base/settings.ts";
import { mean } from "../server/base/statistics/bootstrap.ts";
import { type JobWatcher, startJobWatcher } from "../server/jobs/watch_job.ts";
import { testDatabase } from "./database.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const DEMO = join(ROOT, "models", "demo-1m");
const FORMULA = "instruction-share/1";

interface Weighed {
  readonly ids: readonly number[];
  readonly weights: Readonly<Record<WeightFormula, readonly number[]>>;
}
interface Golden {
  readonly key: string;
  readonly segments: string;
  readonly chosen: Weighed;
  readonly rejected: Weighed;
}
const golden = JSON.parse(await readFile(join(ROOT, "test", "data", "preferences.json"), "utf8")) as readonly Golden[];

const database = testDatabase();
let folder = "";
let boss: PgBoss;
let watcher: JobWatcher;
let services: Services;
let ask: ReturnType<typeof graphqlClient>;
let engine: Engine;
let consumer: Consumer;
let tokenizer: Tokenizer;
let pairIds: number[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-preferences-"));
  const { connection } = database;
  const { db } = connection;
  await addModel(db, DEMO, undefined);
  // The golden cases, and the shortest others.
  const keys = new Set(golden.map(({ key }) => key));
  const lines = (await readFile(join(DEMO, "failure-cases-divergence.jsonl"), "utf8")).trim().split("\n");
  const chosen = lines.filter((line) => keys.has(JSON.parse(line).key)).concat(lines.slice(5, 9));
  const path = join(folder, "cases.jsonl");
  await writeFile(path, [...new Set(chosen)].join("\n"));
  await importFile(db, {
    path,
    name: path,
    from: "culprit",
    plain: false,
    at: undefined,
    onBatch: () => Promise.resolve(),
    onLines: () => Promise.resolve(),
  });
  pairIds = (await db.select({ id: tokenPairs.id }).from(tokenPairs).orderBy(tokenPairs.id)).map(({ id }) => id);
  boss = await startQueue(database.url);
  watcher = await startJobWatcher(connection);
  services = createServices({ settings: readSettings({}), connection, boss, watcher });
  ask = graphqlClient(database, services);
  engine = await openEngine();
  tokenizer = await loadTokenizer(DEMO);
  const parts = { connection, boss, cache: createModelCache(engine), checkers: openCheckers() };
  consumer = await startConsumer(connection, boss, "analyse", (attempt) => performAnalyse(parts, attempt));
});
afterAll(async () => {
  await consumer?.stop();
  engine?.close();
  await watcher?.stop();
  await boss?.stop({ graceful: false });
  await rm(folder, { recursive: true, force: true });
});

describe("weights", () => {
  test("shares count Instruction tokens, or the prompt's, among those that are not special", () => {
    const relevance = Float32Array.from([100, -3, 2, 5, 0]);
    expect(relevanceShare(relevance, "SIQAQ", "instruction-share/1")).toBeCloseTo(0.3, 12);
    expect(relevanceShare(relevance, "SIQAQ", "prompt-share/1")).toBeCloseTo(0.5, 12);
    expect(relevanceShare(new Float32Array(2), "IQ", "instruction-share/1")).toBe(0);
  });

  test("no token weighs less than a tenth of the mean, and the mean is 1", () => {
    const weights = weightsOf([0, 0.9, 0.3]);
    // Mean 0.4, floor 0.04, mean of the raised 1.24 / 3.
    expect(weights.map((weight) => weight.toFixed(10))).toEqual(
      [0.04, 0.9, 0.3].map((share) => (share * 3 / 1.24).toFixed(10)),
    );
    expect(weightsOf([0, 0])).toEqual([1, 1]);
  });

  test("the token where completions part weighs ten of those behind it, and never more than 10", () => {
    // 11 tokens: shares 1 and ten of 0.1, mean 2 / 11.
    expect(weightsOf(divergenceShares(11)).map((weight) => weight.toFixed(10))).toEqual(
      [5.5, ...Array.from({ length: 10 }, () => 0.55)].map((weight) => weight.toFixed(10)),
    );
    expect(weightsOf(divergenceShares(1))).toEqual([1]);
    expect(weightsOf(divergenceShares(5000))[0]).toBeCloseTo(5000 / 500.9, 9);
  });

  test("uncertainty is what the likeliest token leaves to others; a model that is sure everywhere weighs all alike", () => {
    const shares = uncertaintyShares([Math.log(0.9), Math.log(0.4), -1e-9, 1e-7]);
    expect(shares.map((share) => share.toFixed(12))).toEqual([0.1, 0.6, 1e-9, 0].map((share) => share.toFixed(12)));
    // Mean 0.175, floor 0.0175, mean of the raised 0.735 / 4.
    expect(weightsOf(shares).map((weight) => weight.toFixed(7))).toEqual(
      [0.1, 0.6, 0.0175, 0.0175].map((share) => (share * 4 / 0.735).toFixed(7)),
    );
    expect(weightsOf(uncertaintyShares([0, 0, 0]))).toEqual([1, 1, 1]);
  });

  test("baselines: all 1, or the same weights in an order that the seed fixes", () => {
    const weights = Array.from({ length: 20 }, (_, index) => index);
    expect(new Set(chooseWeights(weights, "uniform", 1, "a"))).toEqual(new Set([1]));
    const shuffled = chooseWeights(weights, "shuffled", 1, "a");
    expect(shuffled.toSorted((a, b) => a - b)).toEqual(weights);
    expect(shuffled).not.toEqual(weights);
    expect(chooseWeights(weights, "shuffled", 1, "a")).toEqual(shuffled);
    expect(chooseWeights(weights, "shuffled", 2, "a")).not.toEqual(shuffled);
    expect(chooseWeights(weights, "shuffled", 1, "b")).not.toEqual(shuffled);
  });
});

test("pairs that cannot be exported say why", async () => {
  const { db } = database.connection;
  const [one] = await db.select({ row: failureCases, pair: tokenPairs }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId)).where(eq(failureCases.key, golden[0]!.key));
  const source = { ...one!.row, ...one!.pair };
  const pair = (change: Partial<typeof source>) => preferencePair({ ...source, ...change }, tokenizer);
  expect(pair({})).toMatchObject({ chosenIds: golden[0]!.chosen.ids.slice(0, -1) });
  const candidates = (change: object) => source.candidates.map((candidate) => ({ ...candidate, ...change }));
  expect(pair({ candidates: candidates({ passed: false }) })).toBe("no_passing_rollout");
  expect(pair({ candidates: candidates({ completion: null }) })).toBe("no_passing_rollout");
  expect(pair({ candidates: candidates({ completion: "another text" }) })).toBe("rollout_differs");
  expect(pair({ completionIds: source.completionIds.slice(0, 2) })).toBe("no_completion");
  // " p" + "ain" + "ter" would come back from its text as " painter".
  const split = [" p", "ain", "ter"].flatMap((text) => tokenizer.encode(text));
  expect(tokenizer.decode(split)).toBe(" painter");
  expect(split).not.toEqual(tokenizer.encode(" painter"));
  const before = source.inputIds.length - source.promptTokens;
  expect(pair({ targetId: split[0]!, completionIds: [...source.completionIds.slice(0, before), ...split] }))
    .toBe("tokenises_otherwise");
  expect(pair({ inputIds: [...source.inputIds.slice(0, -1), ...tokenizer.encode(" s"), ...tokenizer.encode("ad")] }))
    .not.toMatchObject({ chosenIds: expect.anything() });
});

describe("an export", () => {
  let jobId = "";
  let weighted: PreferenceRow[] = [];
  /** By every formula, though one was asked for. */
  let formulas: (readonly [WeightFormula, readonly PreferenceRow[]])[] = [];
  const options = (change: Partial<RowOptions> = {}): RowOptions => ({
    format: "trl-weighted",
    weights: "relevance",
    seed: 1,
    ...change,
  });
  const read = (change: Partial<RowOptions> = {}, formula: WeightFormula = FORMULA) =>
    readRows({ db: database.connection.db, reader: ownReader() }, pairIds, formula, options(change));

  beforeAll(async () => {
    const answer = await ask(
      `mutation ($ids: [ID!]) { exportPreferences(input: { tokenPairIds: $ids }) {
        __typename ... on Job { id kind total } ... on InputError { message } } }`,
      { ids: pairIds.map((id) => globalId("TokenPair", id)) },
    );
    expect(answer.data?.exportPreferences).toMatchObject({ kind: "EXPORT_PREFERENCES", total: pairIds.length });
    jobId = atob(answer.data.exportPreferences.id).replace("Job:", "");
    for await (const _ of services.watchJob(jobId, 0)) { /* until it ends */ }
    const [job] = await database.connection.db.select().from(jobs).where(eq(jobs.id, jobId));
    expect(job).toMatchObject({ status: "completed", done: pairIds.length });
    weighted = [...(await read()).rows];
    formulas = await Promise.all(
      WEIGHT_FORMULAS.map(async (formula) => [formula, (await read({}, formula)).rows] as const),
    );
  });

  test.each(golden)(
    "weights of $key are those of LXT's relevance and transformers' probabilities",
    async ({ key, segments, chosen, rejected }) => {
      const [stored] = await database.connection.db.select().from(failureCases).where(eq(failureCases.key, key));
      expect(stored!.segments).toBe(segments);
      for (const [formula, rows] of formulas) {
        const row = rows.find((one) => one["key"] === key)!;
        for (const [side, { ids, weights }] of [["chosen", chosen], ["rejected", rejected]] as const) {
          expect(row[`${side}_ids`]).toEqual(ids);
          const largest = Math.max(...weights[formula]);
          for (const [index, weight] of (row[`${side}_weights`] as number[]).entries()) {
            const difference = Math.abs(weight - weights[formula][index]!) / largest;
            expect(difference, `${formula} ${side} ${index}`).toBeLessThan(1e-4);
          }
        }
      }
    },
  );

  test("has a row for every pair, whose text gives the ids again, with a weight each of every formula", () => {
    for (const [formula, rows] of formulas) {
      expect(rows, formula).toHaveLength(pairIds.length);
      for (const row of rows) {
        const { prompt, prompt_ids: context } = row as { prompt: string; prompt_ids: number[] };
        expect(tokenizer.encode(prompt)).toEqual(context);
        for (const side of ["chosen", "rejected"]) {
          const ids = row[`${side}_ids`] as number[];
          const weights = row[`${side}_weights`] as number[];
          expect(tokenizer.encode(prompt + row[side])).toEqual([...context, ...ids]);
          expect(weights).toHaveLength(ids.length);
          expect(mean(weights)).toBeCloseTo(1, 9);
        }
        expect(row).toMatchObject({ formula, weights: "relevance", tokenizer_hash: tokenizer.hash });
        expect(row["marks"] === "none").toBe(!goesByRelevance(formula));
      }
    }
  });

  test("computes nothing twice", async () => {
    const { db } = database.connection;
    const before = await db.select().from(preferences).orderBy(preferences.id);
    const again = await services.exportPreferences({
      tokenPairIds: "clean",
      formula: FORMULA,
      idempotencyKey: undefined,
    });
    for await (const _ of services.watchJob(again, 0)) { /* until it ends */ }
    expect(await db.select().from(preferences).orderBy(preferences.id)).toEqual(before);
  });

  test("what needs no relevance is weighed without an attribution, and goes by no marks", async () => {
    const { db } = database.connection;
    const [pair] = pairIds as [number];
    const own = eq(preferences.tokenPairId, pair);
    const read = async () => {
      const rows = await db.select().from(preferences).where(own).orderBy(preferences.formula);
      return rows.map(({ id: _id, createdAt: _createdAt, ...row }) => row);
    };
    const weigh = async (formula: WeightFormula) => {
      const id = await services.exportPreferences({ tokenPairIds: [pair], formula, idempotencyKey: undefined });
      for await (const _ of services.watchJob(id, 0)) { /* until it ends */ }
      const [job] = await db.select().from(jobs).where(eq(jobs.id, id));
      expect(job).toMatchObject({ status: "completed", done: 1 });
      return await read();
    };
    const all = await read();
    expect(all.map(({ formula }) => formula)).toEqual([...WEIGHT_FORMULAS].sort());
    for (const { formula, marksOrigin } of all) {
      expect(marksOrigin === null).toBe(!goesByRelevance(formula as WeightFormula));
    }
    await db.delete(preferences).where(own);
    // Had tokens been attributed, all formulas would be stored.
    const cheap = all.filter(({ formula }) => PREDICTION_FORMULAS.some((one) => one === formula));
    expect(await weigh("divergence/1")).toEqual(cheap);
    expect(await weigh("uncertainty/1")).toEqual(cheap);
    expect(await weigh(RELEVANCE_FORMULAS[1])).toEqual(all);
  });

  test("Parquet holds what JSON lines hold, and names the tokenizer", async () => {
    for (const format of PREFERENCE_FORMATS) {
      const rows = await read({ format });
      const bytes = fileOf(rows, options({ format }), "parquet");
      const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
      expect(await parquetReadObjects({ file }), format).toEqual(rows.rows);
      expect(parquetMetadata(file).key_value_metadata).toContainEqual({ key: "tokenizer_hash", value: tokenizer.hash });
      const text = new TextDecoder().decode(fileOf(rows, options({ format }), "jsonl"));
      expect(text.trim().split("\n").map((line) => JSON.parse(line))).toEqual(rows.rows);
    }
  });

  test("TIS-DPO rows hold negated chosen weights, one for each token of the text alone, and no end token", async () => {
    const { rows, leftOut } = await read({ format: "tis-dpo" });
    expect(rows.length + Object.values(leftOut).reduce((sum, count) => sum + count, 0)).toBe(pairIds.length);
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) {
      const full = weighted.find((one) => one["key"] === row["key"])!;
      for (const [side, sign] of [["chosen", -1], ["rejected", 1]] as const) {
        const weights = row[`${side}_weight`] as number[];
        expect(row[side]).not.toContain("<|im_end|>");
        expect(weights).toHaveLength(tokenizer.encode(row[side] as string).length);
        expect(weights).toEqual((full[`${side}_weights`] as number[]).slice(0, weights.length).map((w) => sign * w));
      }
    }
  });

  test("shuffled rows hold the same weights, uniform ones 1", async () => {
    const [shuffled, uniform] = [await read({ weights: "shuffled" }), await read({ weights: "uniform" })];
    const sorted = (row: PreferenceRow) => (row["chosen_weights"] as number[]).toSorted((a, b) => a - b);
    expect(shuffled.rows.map(sorted)).toEqual(weighted.map(sorted));
    expect(shuffled.rows).not.toEqual(weighted);
    expect(shuffled.rows[0]!["weights"]).toBe("shuffled, seed 1");
    expect(new Set(uniform.rows.flatMap((row) => row["rejected_weights"]))).toEqual(new Set([1]));
  });

  test("GraphQL counts rows and reasons, and says where to download", async () => {
    const { db } = database.connection;
    const [{ id } = { id: 0 }] = await db.select({ id: tokenPairs.id }).from(tokenPairs)
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .where(like(failureCases.key, "%math%")).limit(1);
    const [pair] = await db.select().from(tokenPairs).where(eq(tokenPairs.id, id));
    await db.update(tokenPairs).set({ candidates: [] }).where(eq(tokenPairs.id, id));
    const answer = await ask(
      `query ($id: ID!) { job(id: $id) { preferences { formula pairs rows leftOut { reason count }
        jsonl: download(format: TRL) parquet: download(format: TIS_DPO, file: PARQUET, weights: SHUFFLED, seed: 7) } } }`,
      { id: globalId("Job", jobId) },
    );
    const found = answer.data.job.preferences;
    expect(found).toMatchObject({
      formula: "INSTRUCTION_SHARE_1",
      pairs: pairIds.length,
      rows: pairIds.length - 1,
      leftOut: [{ reason: "no_passing_rollout", count: 1 }],
    });
    await db.update(tokenPairs).set({ candidates: pair!.candidates }).where(eq(tokenPairs.id, id));
    const get = (path: string) => downloadPreferences(db, ownReader(), new URL(path, "http://localhost"));
    const lines = (await (await get(found.jsonl))!.text()).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual((await read({ format: "trl" })).rows);
    const file = await (await get(found.parquet))!.arrayBuffer();
    expect(await parquetReadObjects({ file })).toEqual(
      (await read({ format: "tis-dpo", weights: "shuffled", seed: 7 })).rows,
    );
    expect((await get(found.jsonl.replace("relevance", "heavy")))!.status).toBe(400);
    expect((await get(found.jsonl.replace(jobId, crypto.randomUUID())))!.status).toBe(404);
    expect(await get("/preferences/../etc")).toBeUndefined();
  });

  // What needs trl, datasets and torch runs where a Python that has them is named.
  test.skipIf(!Deno.env.get("PYTHON"))("trainers read it: ids of every row, a step of TRL, the example of docs", {
    timeout: 600_000,
  }, async () => {
    const paths: string[] = [];
    for (
      const [format, kind] of [
        ["trl", "jsonl"],
        ["trl-weighted", "jsonl"],
        ["trl-weighted", "parquet"],
        ["tis-dpo", "jsonl"],
      ] as const
    ) {
      const path = join(folder, `${format}.${kind}`);
      await writeFile(path, fileOf(await read({ format }), options({ format }), kind));
      paths.push(path);
    }
    const script = join(ROOT, "test", "reference", "dpo_check.py");
    const { stdout } = await promisify(execFile)(Deno.env.get("PYTHON")!, [script, DEMO, ...paths], {
      env: { ...Deno.env.toObject(), HF_HUB_OFFLINE: "1", HF_HOME: join(folder, "hf") },
      maxBuffer: 2 ** 24,
    });
    expect(JSON.parse(stdout.trim().split("\n").at(-1)!)).toMatchObject({ rows: pairIds.length });
  });

  test.skipIf(!Deno.env.get("PYTHON"))("GRPO: the example's gradient is the weighted formula's, step by step", {
    timeout: 600_000,
  }, async () => {
    const path = join(folder, "grpo.jsonl");
    const rows = (await read()).rows.filter((row) => row["benchmark"] === "demo-ifeval");
    await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const script = join(ROOT, "test", "reference", "grpo_check.py");
    const items = join(ROOT, "models", "benchmarks", "demo-ifeval.jsonl");
    const check = `${Deno.execPath()} run -A ${join(ROOT, "server", "cli.ts")} check --benchmark ifeval`;
    const { stdout } = await promisify(execFile)(Deno.env.get("PYTHON")!, [script, DEMO, path, items, check], {
      env: { ...Deno.env.toObject(), HF_HUB_OFFLINE: "1", HF_HOME: join(folder, "hf") },
      maxBuffer: 2 ** 24,
    });
    expect(JSON.parse(stdout.trim().split("\n").at(-1)!).steps).toHaveLength(6);
  });
});
