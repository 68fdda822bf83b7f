/** The reproduction's document and findings from its numbers, and the results that a new installation loads. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { gunzipSync } from "node:zlib";
import { and, desc, eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attributionGraphs, maskingExperiments, modelSeries, studies } from "../schema/tables/analysis_tables.ts";
import { attributions, failureCases, jobs, models, tokenPairs } from "../schema/tables/tables.ts";
import { attributionRow } from "../server/attributions/attribution_row.ts";
import { openModelDirectory } from "../gpu/model/directory.ts";
import { compareNumbers } from "../server/reproduction/compare.ts";
import { type DocumentParts, reproductionDocument } from "../server/reproduction/document.ts";
import { findingsOf } from "../server/reproduction/findings.ts";
import type { ReproductionNumbers } from "../server/reproduction/numbers.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { REPRODUCTION } from "../server/reproduction/study.ts";
import { ROOT } from "../server/base/settings.ts";
import { PRECOMPUTED } from "../server/database/precomputed.ts";
import { loadSnapshot, SNAPSHOT, WILD_SNAPSHOT, writeSnapshot } from "../server/backup/snapshot.ts";
import { addModel } from "../server/models/add_model.ts";
import { DEMO, FILES } from "../server/demo.ts";
import type { WildStudy } from "../server/wild/study.ts";
import { culprit } from "./command_line.ts";
import { isControl } from "../server/cases/controls.ts";
import { relativeError } from "./compare.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { fakeResult } from "./fake_engine.ts";

const interval = (value: number, half = 0.1) => ({
  value,
  low: value - half,
  high: value + half,
  confidence: 0.95,
  count: 30,
  method: "bca" as const,
});

/** Numbers in which every finding holds. */
const HOLDING: ReproductionNumbers = {
  format: "culprit-reproduction/1",
  study: REPRODUCTION,
  failures: [{ benchmark: "a", model: "m", answers: 100, failures: 40, clean: 10, excluded: 30, tokens: 50 }],
  diagnoses: [
    { benchmark: "a", outcome: "m_ia", pattern: "urt", count: 6 },
    { benchmark: "a", outcome: "m_ia", pattern: "oit", count: 1 },
    { benchmark: "a", outcome: "nc_ia_ag", pattern: null, count: 3 },
  ],
  sink: [{ layer: 0, share: 0.2, graphs: 9 }, { layer: 1, share: 0, graphs: 9 }],
  masking: [],
  maskingDifferences: ["cplrp", "gradient", "random", "lowest"].map((second) => ({
    replacement: "attention",
    second,
    difference: interval(0.3),
  })),
  series: (["scaling", "training"] as const).map((kind) => ({
    series: kind,
    kind,
    cases: "m",
    summary: {
      x: "first",
      y: "last",
      pairs: 30,
      both: 30,
      all: 30,
      counts: { corrected: 10, not_corrected: 10, undecided: 10 },
      members: [["first", 3], ["last", -1]].map(([label, value], position) => ({
        modelId: position,
        label: label as string,
        position,
        attributed: 30,
        delta: interval(value as number),
        failing: 0.5,
        segments: [],
      })),
    },
  })),
};

describe("findings", () => {
  test("hold where the numbers say so, and only there", () => {
    expect(findingsOf(HOLDING).map(({ verdict }) => verdict)).toEqual(Array(11).fill("holds"));
    const verdicts = (changes: Partial<ReproductionNumbers>) =>
      findingsOf({ ...HOLDING, ...changes }).map(({ verdict }) => verdict);
    const changed = (changes: Partial<ReproductionNumbers>) =>
      verdicts(changes).flatMap((verdict, index) => verdict === "holds" ? [] : [[index, verdict]]);
    expect(changed({ failures: [{ ...HOLDING.failures[0]!, clean: 20 }] })).toEqual([[0, "does not hold"]]);
    expect(changed({ diagnoses: [{ benchmark: "a", outcome: "nc_ia_ag", pattern: "oit", count: 3 }] }))
      .toEqual([[1, "does not hold"], [2, "does not hold"]]);
    expect(changed({ sink: [{ layer: 0, share: 0.05, graphs: 9 }, { layer: 1, share: 0.9, graphs: 9 }] }))
      .toEqual([[3, "does not hold"]]);
    // Zero inside the interval decides nothing; one replacement below zero does.
    const differences = (values: readonly number[]) =>
      values.map((value, index) => ({
        replacement: `r${index}`,
        second: "gradient",
        difference: interval(value),
      }));
    expect(changed({ maskingDifferences: differences([0.05]) }).slice(0, 2)).toEqual([[4, "undecided"], [
      5,
      "undecided",
    ]]);
    expect(changed({ maskingDifferences: differences([0.3, -0.3]) })[1]).toEqual([5, "does not hold"]);
  });

  test("of series ask the ends", () => {
    const [scaling, training] = HOLDING.series;
    const rising = { ...scaling!, summary: { ...scaling!.summary, members: scaling!.summary.members.toReversed() } };
    const verdicts = findingsOf({ ...HOLDING, series: [rising, training!] }).map(({ verdict }) => verdict);
    expect(verdicts.slice(8)).toEqual(["does not hold", "holds", "holds"]);
  });
});

describe("two runs", () => {
  test("agree with themselves and within the tolerance, and are told apart beyond it", () => {
    expect(compareNumbers(HOLDING, HOLDING)).toEqual([]);
    const failures = (clean: number) => ({ ...HOLDING, failures: [{ ...HOLDING.failures[0]!, clean }] });
    expect(compareNumbers(HOLDING, failures(12))).toEqual([]);
    expect(compareNumbers(HOLDING, failures(13))).toEqual(["a, clean: 10 is stored, now 13"]);
    expect(compareNumbers(HOLDING, { ...HOLDING, sink: [] })).toHaveLength(3);
  });
});

const NUMBERS = join(ROOT, "docs", "reproduction", "numbers.json");
describe.skipIf(!existsSync(NUMBERS))("docs/reproduction.md", () => {
  test("says what its numbers say, and shows figures that are there", () => {
    const parts = JSON.parse(readFileSync(NUMBERS, "utf8")) as DocumentParts;
    const document = readFileSync(join(ROOT, "docs", "reproduction.md"), "utf8");
    // The formatter moves line ends and widens tables.
    const words = (text: string) => text.replaceAll(/[\s|]+|-{2,}/g, " ").replaceAll("\\", "");
    expect(words(document)).toBe(words(reproductionDocument(parts)));
    const shown = [...document.matchAll(/\]\(reproduction\/([\w.-]+\.svg)\)/g)].map(([, name]) => name!);
    expect(shown.length).toBeGreaterThan(5);
    for (const name of shown) {
      const svg = readFileSync(join(ROOT, "docs", "reproduction", name), "utf8");
      expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" [\s\S]*<\/svg>\n$/);
    }
  });
});

const database = testDatabase();
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-snapshot-"));
  // A backup reads the queue's tables.
  await (await startQueue(database.url)).stop({ graceful: false });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("results that come with the project", () => {
  test("load into a new database, marked as computed before, once", async () => {
    const { connection } = database;
    const { db } = connection;
    const { id: modelId } = await addModel(db, join(ROOT, "models", "demo-1m"), undefined);
    const pairId = await storePair(database, modelId, "case\twith a tab");
    const texts = { targetText: "a", contrastText: "b", tokenTexts: ["a", "b", "c", "d"], segments: "SIQA" };
    const result = fakeResult({ inputIds: [1, 2, 3, 4], target: 5, contrast: 6, rule: "attnlrp" });
    const row = attributionRow({ tokenPairId: pairId, modelId, benchmark: "demo-ifeval", ...texts }, result);
    await db.insert(attributions).values(row);
    const path = join(folder, "results.backup");
    expect(await writeSnapshot(connection, path)).toBe(4);
    expect(gunzipSync(readFileSync(path)).toString()).not.toContain(ROOT);

    expect(await loadSnapshot(connection, path)).toBe(0);
    for (const table of [attributions, tokenPairs, failureCases, models]) await db.delete(table);
    expect(await loadSnapshot(connection, path)).toBe(4);
    const [model] = await db.select().from(models);
    expect(model).toMatchObject({ name: "demo-1m", directory: join(ROOT, "models", "demo-1m") });
    const [loaded] = await db.select().from(attributions);
    expect(loaded).toMatchObject({ adapter: PRECOMPUTED + row.adapter, tokenPairId: pairId });
    expect(loaded!.relevance).toEqual(row.relevance);
    const [failure] = await db.select().from(failureCases).where(eq(failureCases.modelId, model!.id));
    expect(failure!.key).toBe("case\twith a tab");
    // Ids go on after those that were loaded.
    expect(await storePair(database, model!.id, "another")).toBeGreaterThan(pairId);
    for (const table of [attributions, tokenPairs, failureCases, models]) await db.delete(table);
  });

  test("load behind what is there: ids and all that names them move, and it is the newest", async () => {
    const { connection } = database;
    const { db } = connection;
    const path = join(folder, "behind.backup");
    const store = async (name: string, label: string) => {
      const directory = `/a/b/models--org--${name}/snapshots/${"0".repeat(40)}/${name}.gguf`;
      const modelId = await storeModel(database, { name, directory });
      const pairId = await storePair(database, modelId, `${name}/1`);
      const members = [{ modelId, label, position: 0 }];
      await db.insert(modelSeries).values({ name: `series of ${name}`, kind: "quantisation", members });
      return { modelId, pairId };
    };
    const own = await store("own", 'with "quotes" and a \\ in it');
    await writeSnapshot(connection, path);
    for (const table of [modelSeries, tokenPairs, failureCases, models]) await db.delete(table);
    await store("other", "o");
    const third = await store("third", "t");

    expect(await loadSnapshot(connection, path)).toBe(4);
    const pairs = await db.select({ id: tokenPairs.id, key: failureCases.key, model: models.name }).from(tokenPairs)
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .innerJoin(models, eq(models.id, failureCases.modelId)).orderBy(tokenPairs.id);
    expect(pairs.map(({ key, model }) => [key, model])).toEqual(
      ["other", "third", "own"].map((name) => [`${name}/1`, name]),
    );
    expect(pairs[2]!.id).toBe(own.pairId + third.pairId);
    const [series] = await db.select().from(modelSeries).where(eq(modelSeries.name, "series of own"));
    expect(series!.members).toEqual([
      { modelId: own.modelId + third.modelId, label: 'with "quotes" and a \\ in it', position: 0 },
    ]);
    const [newest] = await db.select({ key: failureCases.key }).from(failureCases)
      .orderBy(desc(failureCases.createdAt), desc(failureCases.id)).limit(1);
    expect(newest!.key).toBe("own/1");
    // Where its model lies is said without the folders of the machine that computed it.
    const [row] = await db.select().from(models).where(eq(models.name, "own"));
    expect(row!.directory).toBe(`hub/models--org--own/snapshots/${"0".repeat(40)}/own.gguf`);
    // Once only: its model is there.
    expect(await loadSnapshot(connection, path)).toBe(0);
    for (const table of [modelSeries, tokenPairs, failureCases, models]) await db.delete(table);
  });

  test.skipIf(!existsSync(SNAPSHOT))("are those of the models that lie beside them", async () => {
    const { connection } = database;
    expect(await loadSnapshot(connection)).toBeGreaterThan(100);
    const rows = await connection.db.select().from(models);
    expect(rows.length).toBeGreaterThanOrEqual(3);
    for (const { name, directory, hash } of rows) {
      const model = await openModelDirectory(directory);
      model.close();
      expect([name, hash]).toEqual([model.name, model.hash]);
    }
    const adapters = await connection.db.selectDistinct({ adapter: attributions.adapter }).from(attributions);
    expect(adapters.length).toBeGreaterThan(0);
    for (const { adapter } of adapters) expect(adapter.startsWith(PRECOMPUTED)).toBe(true);
    expect(await connection.db.$count(studies)).toBe(2);
    expect(await connection.db.$count(jobs)).toBe(0);
  });

  test.skipIf(!existsSync(SNAPSHOT))(
    "hold the demo's failures, every clean pair attributed and diagnosed",
    async () => {
      const { sql } = database.connection;
      const keys = FILES.flatMap((file) =>
        readFileSync(join(DEMO, file), "utf8").trim().split("\n").map((line) =>
          (JSON.parse(line) as { key: string }).key
        )
      );
      const rows = await sql<{ key: string; diagnosed: boolean }[]>`
      select c.key, coalesce(bool_and(a.outcome is not null), false) as diagnosed from failure_cases c
      join models m on m.id = c.model_id and m.name = 'demo-1m'
      join token_pairs p on p.failure_case_id = c.id and p.delta > 1
      left join attributions a on a.token_pair_id = p.id and a.rule = 'attnlrp' and a.model_id = c.model_id
      where c.key = any(${keys}) group by c.key`;
      expect(rows.length).toBeGreaterThan(300);
      expect(rows.filter(({ diagnosed }) => !diagnosed)).toEqual([]);
      expect(await database.connection.db.$count(failureCases)).toBeGreaterThanOrEqual(new Set(keys).size);
      // The search of cases knows their tokens too.
      const [{ blank } = { blank: -1 }] = await sql<
        { blank: number }[]
      >`select count(*)::int as blank from failure_cases c
      where pair_tokens = '' and exists (select 1 from token_pairs p where p.failure_case_id = c.id)`;
      expect(blank).toBe(0);
    },
  );

  test.skipIf(!existsSync(WILD_SNAPSHOT))("a real model's lie in front of them, at most 12 MB", async () => {
    const { connection } = database;
    expect(statSync(WILD_SNAPSHOT).size).toBeLessThanOrEqual(12_000_000);
    expect(await loadSnapshot(connection, WILD_SNAPSHOT)).toBeGreaterThan(100);
    const newest = await connection.db.select({
      benchmark: failureCases.benchmark,
      model: models.name,
      hash: models.hash,
      directory: models.directory,
    })
      .from(failureCases).innerJoin(models, eq(models.id, failureCases.modelId))
      .orderBy(desc(failureCases.createdAt), desc(failureCases.id)).limit(100);
    const { numbers } = JSON.parse(readFileSync(join(ROOT, "docs", "in-the-wild", "numbers.json"), "utf8"));
    const { study } = numbers as { readonly study: WildStudy };
    for (const row of newest) expect(row).toMatchObject({ model: study.model, hash: study.modelHash });
    expect(newest.some(({ benchmark }) => isControl(benchmark))).toBe(false);
    expect(newest[0]!.directory).toMatch(/^hub\/models--[^/]+\/snapshots\//);
    const [{ ours } = { ours: -1 }] = await connection.sql<{ ours: number }[]>`
      select count(*)::int as ours from attributions where adapter not like ${`${PRECOMPUTED}%`}`;
    expect(ours).toBe(0);
    expect(await loadSnapshot(connection, WILD_SNAPSHOT)).toBe(0);
  });

  test.skipIf(!existsSync(SNAPSHOT))("are replaced by what is computed here, under the same ids", async () => {
    const { db } = database.connection;
    const [model] = await db.select().from(models).where(eq(models.name, REPRODUCTION.model));
    const read = async () => {
      const [row] = await db.select().from(attributions).innerJoin(
        attributionGraphs,
        eq(attributionGraphs.attributionId, attributions.id),
      ).where(and(eq(attributions.modelId, model!.id), eq(attributions.benchmark, "demo-math")))
        .orderBy(attributions.tokenPairId).limit(1);
      const { tokenPairId } = row!.attributions;
      const masks = await db.select().from(maskingExperiments).where(eq(maskingExperiments.tokenPairId, tokenPairId))
        .orderBy(maskingExperiments.id);
      return { ...row!, masks };
    };
    const before = await read();
    const [pair] = await db.select({ key: failureCases.key }).from(tokenPairs)
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .where(eq(tokenPairs.id, before.attributions.tokenPairId));
    const { budget, maxTokens, replacements } = REPRODUCTION;
    const settings = [
      "--budget",
      `${budget}`,
      "--max-tokens",
      `${maxTokens}`,
      "--replacements",
      replacements.join(","),
    ];
    const run = ["run", "--stages", "attribute,graph,mask", "--model", model!.name, "--key", pair!.key];
    const old = process.env["DATABASE_URL"];
    process.env["DATABASE_URL"] = database.url;
    try {
      const { code, err } = await culprit([...run, ...settings]);
      expect([code, err]).toEqual([0, ""]);
    } finally {
      if (old === undefined) delete process.env["DATABASE_URL"];
      else process.env["DATABASE_URL"] = old;
    }
    const after = await read();
    for (const { adapter } of [after.attributions, after.attribution_graphs, ...after.masks]) {
      expect(adapter.startsWith(PRECOMPUTED)).toBe(false);
    }
    expect(after.attributions).toMatchObject({
      id: before.attributions.id,
      outcome: before.attributions.outcome,
      pattern: before.attributions.pattern,
    });
    expect(after.attribution_graphs.id).toBe(before.attribution_graphs.id);
    expect(after.masks.map(({ id }) => id)).toEqual(before.masks.map(({ id }) => id));
    expect(after.masks.length).toBeGreaterThan(1);
    const relevance = ({ attributions: { relevance } }: typeof after) =>
      new Float32Array(Uint8Array.from(relevance).buffer);
    expect(relativeError(relevance(after), relevance(before))).toBeLessThan(1e-4);
  }, 240_000);
});
