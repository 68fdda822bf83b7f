/** `npm run wild` on a demo model: stages that go on where they were, the stored files, the document, and --check. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { and, eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labels } from "../schema/tables/analysis_tables.ts";
import { attributions, failureCases, responses, tokenPairs } from "../schema/tables/tables.ts";
import { ROOT } from "../server/base/settings.ts";
import { proportionInterval } from "../server/base/statistics/proportion.ts";
import { pairsOf } from "../server/jobs/pair_selection.ts";
import { checkRun, readStoredRun, tenth } from "../server/wild/check.ts";
import { studyOf } from "../server/wild/compute.ts";
import { drawControl } from "../server/wild/control.ts";
import { randomStream } from "../server/base/statistics/random.ts";
import { wildDocument, wildFindings, type WildParts } from "../server/wild/document.ts";
import { compareReference } from "../server/wild/reference.ts";
import type { StoredResult } from "../server/wild/results.ts";
import { folderOf, runWild } from "../server/wild/run.ts";
import { controlName } from "../server/cases/controls.ts";
import { limitsOf, STAGES, stagesOf, WILD_SETTINGS } from "../server/wild/study.ts";
import { PROOF_RANKINGS } from "../server/traces/proof.ts";
import { testDatabase } from "./database.ts";

const MODEL = join(ROOT, "models", "demo-0.3m");
const database = testDatabase();
let folder = "";
let home: string | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-wild-"));
  home = process.env["DATABASE_URL"];
  process.env["DATABASE_URL"] = database.url;
});
afterAll(async () => {
  if (home === undefined) delete process.env["DATABASE_URL"];
  else process.env["DATABASE_URL"] = home;
  await rm(folder, { recursive: true, force: true });
});

const SETTINGS = {
  ...WILD_SETTINGS,
  batch: 8,
  alternatives: 4,
  positions: 6,
  pairsEach: 3,
  graphsEach: 2,
  maskedEach: 1,
  weightedEach: 1,
  ablatedEach: 1,
  controlsEach: 1,
  budget: 2,
  replacements: ["attention"],
};

/** One run in the test's database, of so many items. */
async function run(limit: number, stages: readonly (typeof STAGES)[number][] = STAGES): Promise<string[]> {
  const notes: string[] = [];
  await runWild({
    request: {
      model: MODEL,
      benchmarks: ["demo-ifeval"],
      limits: limitsOf(`demo-ifeval=${limit}`),
      maxTokens: 48,
      settings: SETTINGS,
    },
    stages,
    home: join(folder, "home"),
    document: join(folder, "wild.md"),
    snapshot: null,
    note: (text) => void notes.push(text),
  });
  return notes;
}

/** Without white space and marks of tables and emphasis, which the formatter changes. */
const words = (text: string) => text.replaceAll(/[\s|*_\\-]+/g, " ");

test("items are asked for by benchmark, or of each", () => {
  expect(limitsOf(undefined)).toEqual({ named: new Map(), others: undefined });
  expect(limitsOf("64")).toEqual({ named: new Map(), others: 64 });
  expect(limitsOf("ifeval=140, gsm8k=0,32")).toEqual({ named: new Map([["ifeval", 140], ["gsm8k", 0]]), others: 32 });
  for (const wrong of ["", "many", "ifeval=", "=3", "1,2", "ifeval=1,ifeval=2", "-3"]) {
    expect(() => limitsOf(wrong)).toThrow(/^--limit: .* is no limit;/);
  }
});

test("a limit of a benchmark that is not asked is refused", async () => {
  const request = { model: MODEL, benchmarks: ["demo-ifeval"], limits: limitsOf("ifeval=3"), maxTokens: 48 };
  await expect(studyOf({ ...request, settings: SETTINGS })).rejects.toThrow(
    '--limit: "ifeval" is not asked; give of: demo-ifeval',
  );
});

describe("npm run wild", () => {
  test("runs in pieces that go on, and writes what the database holds", async () => {
    const { db } = database.connection;
    await run(8, ["collect"]);
    const first = await db.select({ id: responses.id, key: responses.key }).from(responses).orderBy(responses.id);
    expect(first).toHaveLength(8);
    // A sample by chance, not the first ones of the file.
    const places = first.map(({ key }) => Number(/^demo-ifeval\/(\d+)\//.exec(key)?.[1]));
    expect(places.some((place) => place > 50)).toBe(true);
    await run(16);
    const all = await db.select({ id: responses.id, key: responses.key }).from(responses).orderBy(responses.id);
    expect(all).toHaveLength(16);
    expect(all.slice(0, 8)).toEqual(first);

    const document = join(folder, "wild.md");
    const parts = JSON.parse(await readFile(join(folder, "wild", "numbers.json"), "utf8")) as WildParts;
    expect(words(await readFile(document, "utf8"))).toBe(words(wildDocument(parts)));
    const { numbers } = parts;
    const failed = await db.$count(responses, eq(responses.passed, false));
    expect(numbers.answers).toMatchObject([{ benchmark: "demo-ifeval", answers: 16, failed }]);
    expect(numbers.failures).toMatchObject([{ benchmark: "demo-ifeval", failures: failed }]);
    const clean = await db.$count(
      failureCases,
      and(eq(failureCases.benchmark, "demo-ifeval"), eq(failureCases.status, "clean")),
    );
    expect(numbers.failures[0]!.clean).toBe(clean);
    expect(numbers.exclusions.reduce((sum, { count }) => sum + count, 0)).toBe(failed);
    expect(numbers.diagnoses.reduce((sum, { count }) => sum + count, 0)).toBe(Math.min(2, clean));
    expect(numbers.controls.reduce((sum, { count }) => sum + count, 0)).toBe(1);
    expect(numbers.masking.length).toBeGreaterThan(0);
    expect(numbers.readers).toEqual([]);
    expect(numbers.sinkIntervals).toHaveLength(5);
    expect(numbers.weights).toMatchObject([{ pairs: 1 }]);
    const outcomes = new Set(numbers.diagnoses.map(({ outcome }) => outcome).filter((one) => one !== "nc_ia_m_ag"));
    expect(new Set(numbers.ablations.groups.map(({ outcome }) => outcome))).toEqual(outcomes);
    for (const { summaries } of numbers.ablations.groups) {
      expect(summaries.map(({ unit, ranking, cases }) => `${unit} ${ranking} ${cases}`)).toEqual(
        ["heads", "neurons"].flatMap((unit) => ["attnlrp", "random", "lowest"].map((name) => `${unit} ${name} 1`)),
      );
    }
    // A handful of cases decides nothing, whatever their intervals are.
    expect(wildFindings(numbers).slice(1).map(({ verdict }) => verdict)).toEqual(Array(8).fill("undecided"));
    for (const name of parts.figures) expect(existsSync(join(folder, "wild", name)), name).toBe(true);

    // Readers see the failures that were diagnosed, and nothing of the diagnosis.
    const readings = join(folder, "home", "readings");
    const text = await readFile(join(readings, "labels", "cases.md"), "utf8");
    const form = (await readFile(join(readings, "labels", "form.jsonl"), "utf8")).trim().split("\n");
    expect(form).toHaveLength(Math.min(2, clean));
    for (const line of form) expect(text).toContain(`. ${JSON.parse(line).key}\n`);
    expect(text).toMatch(/⟦[^⟧]* [+−][01]\.\d\d⟧/);
    expect(text).not.toMatch(/M-IA|NC-IA|URT|OIT|m_ia/);
    expect(await readFile(join(readings, "sentences", "cases.md"), "utf8")).toMatch(/\[1\]\n~~~~\n/);

    // Pairs drawn by a seed stand in one order, whatever the limit.
    const drawn = (limit: number | null, seed: number | undefined) =>
      pairsOf(db, { selection: "clean", model: "demo-0.3m", benchmarks: ["demo-ifeval"], key: null, limit, seed });
    const order = await drawn(null, 1);
    expect(await drawn(2, 1)).toEqual(order.slice(0, 2));
    expect(order.toSorted((a, b) => a - b)).toEqual(await drawn(null, undefined));
    expect([await drawn(null, 2), await drawn(null, 3)]).not.toEqual([order, order]);

    // The same again computes nothing.
    const rows = await db.select({ id: attributions.id, at: attributions.createdAt }).from(attributions);
    await run(16, ["collect", "attribute"]);
    expect(await db.select({ id: attributions.id, at: attributions.createdAt }).from(attributions)).toEqual(rows);
  }, 600_000);

  test("says what readers say, and what was proved of traces", async () => {
    const { db } = database.connection;
    const form = await readFile(join(folder, "home", "readings", "labels", "form.jsonl"), "utf8");
    const { key } = JSON.parse(form.split("\n")[0]!) as { key: string };
    const [read] = await db.select({
      pair: tokenPairs.id,
      outcome: attributions.outcome,
      pattern: attributions.pattern,
    })
      .from(tokenPairs).innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .innerJoin(attributions, eq(attributions.tokenPairId, tokenPairs.id)).where(eq(failureCases.key, key));
    const { pair, outcome, pattern } = read!;
    await db.insert(labels).values([
      { tokenPairId: pair, reader: "same", outcome: outcome!, pattern },
      { tokenPairId: pair, reader: "other", outcome: outcome === "m_ia" ? "nc_ia_ag" : "m_ia", pattern: null },
    ]);
    // So does what was proved of traces, from the files of the home.
    const settings = { rule: "attnlrp", replacement: "attention", counts: [1, 4], rollouts: 0, seed: 1 };
    const header = { model: "demo-0.3m", benchmark: "demo-ifeval", error: "answer", settings };
    const curve = (from: number) => [1, 4].map((count) => ({ count, delta: 2, flipped: count >= from, passed: false }));
    const rankings = Object.fromEntries(PROOF_RANKINGS.map((name) => [name, curve(name === "chain" ? 1 : 4)]));
    const proved = { key: "a", delta: 3, steps: 2, repeats: true, rankings, lostAt: null, places: null };
    const proofs = [header, proved, { key: "b", repeats: false }, { ...proved, key: "c" }];
    await mkdir(join(folder, "home", "proofs"), { recursive: true });
    await writeFile(
      join(folder, "home", "proofs", "p.jsonl"),
      // The last line was being written when the run was stopped.
      `${proofs.map((row) => `${JSON.stringify(row)}\n`).join("")}{"key":"cut`,
    );
    // Others of the same failures: with other settings, of another model, and one that somebody only begins to write.
    const file = (name: string, first: unknown, rows: readonly unknown[]) =>
      writeFile(
        join(folder, "home", "proofs", name),
        [first, ...rows].map((row) => typeof row === "string" ? row : `${JSON.stringify(row)}\n`).join(""),
      );
    const other = { ...header, settings: { ...settings, replacement: "remove" } };
    await file("a-removed.jsonl", other, [proved, "null\n", '{"key": 1}\n', { ...proved, key: "short", rankings: {} }]);
    await file("b-copy.jsonl", other, [proved]);
    await file("c-other.jsonl", { ...header, model: "nobody" }, [proved]);
    await file("d-elsewhere.jsonl", { ...header, benchmark: "../../demo" }, [proved]);
    await file("e-begun.jsonl", '{"model": "demo-0.3m", "bench', []);
    await file("f-empty.jsonl", "", []);
    await run(16, ["report"]);
    const again = JSON.parse(await readFile(join(folder, "wild", "numbers.json"), "utf8")) as WildParts;
    const told = again.numbers.readers.map(({ benchmark, one, other, outcome: { observed } }) => (
      { benchmark, one, other, observed }
    ));
    const removed = { settings: { replacement: "remove" }, tried: 1 };
    const [plain, ownName] = ["traces-demo-ifeval-answer", expect.stringMatching(/^traces-demo-ifeval-answer-\w{8}$/)];
    expect(again.proofs.map((one) => ({ ...one, file: one.file.replace(/\.jsonl$/, "") }))).toMatchObject([
      { ...removed, file: ownName },
      { ...removed, file: `${again.proofs[0]!.file.replace(/\.jsonl$/, "")}-2` },
      { file: "traces-.._.._demo-answer", tried: 1 },
      { file: plain, tried: 3, summary: { cases: 2 } },
    ]);
    const written = await readFile(join(folder, "wild.md"), "utf8");
    expect(written).toMatch(/3 failures, error at the final answer's first wrong token; 2 of them/);
    expect(written).toMatch(/\| chain +\| 1\.00 +\| 1\.00 +\| 1\.000/);
    expect(written).toMatch(/\| random +\| 0\.00 +\| 1\.00 +\| 0\.500/);
    expect(existsSync(join(folder, "wild", "traces-demo-ifeval-answer.jsonl"))).toBe(true);
    expect(told).toEqual([null, "demo-ifeval"].flatMap((benchmark) => [
      { benchmark, one: null, other: "other", observed: 0 },
      { benchmark, one: null, other: "same", observed: 1 },
      { benchmark, one: "other", other: "same", observed: 0 },
    ]));
  }, 300_000);

  test("--check agrees with what is stored, and sees what was changed", async () => {
    const stored = await readStoredRun(folderOf(join(folder, "wild.md")));
    const report = await checkRun(MODEL, stored, () => {});
    expect(report.gaps).toEqual([]);
    expect(report).toMatchObject({ answers: 2, sameAnswers: 2, pairs: 1, diagnoses: 1, sameDiagnoses: 1 });
    const [drawn] = tenth(stored.results, SETTINGS.seed);
    const changed = {
      ...stored,
      answers: stored.answers.map((one) => ({ ...one, completionIds: one.completionIds.toReversed() })),
      results: stored.results.map((one) => ({
        ...one,
        logitDifference: one.logitDifference + 0.1,
        outcome: one.outcome === null ? null : one.outcome === "m_ia" ? "nc_ia_ag" as const : "m_ia" as const,
      })),
    };
    const { gaps } = await checkRun(MODEL, changed, () => {});
    expect(gaps).toHaveLength(3);
    expect(gaps[0]).toMatch(/^\d of 2 answers are the same; others: /);
    expect(gaps[1]).toContain(`${drawn!.key}: delta `);
    expect(gaps[2]).toMatch(/^0 of 1 diagnoses are the same; /);
  }, 300_000);

  test("names its stages", () => {
    expect(stagesOf("mask, collect")).toEqual(["collect", "mask"]);
    expect(() => stagesOf("colect")).toThrow(/"colect" is no stage.*--stages|--stages.*"colect" is no stage/);
    expect(controlName("gsm8k")).toBe("gsm8k-passed");
  });
});

describe("a control", () => {
  const tokenizer = {
    encode: (text: string) => [...text].map((letter) => letter.charCodeAt(0)),
    decode: (ids: readonly number[]) => String.fromCharCode(...ids),
    token: (id: number) => String.fromCharCode(id),
  };
  const ranked = (...pairs: readonly (readonly [number, number])[]) =>
    pairs.map(([id, logit]) => ({ id, logit, logProbability: logit - 10 }));

  test("is a place at which the model chose the token, with a contrast that lies more than 1 below", () => {
    const next = [
      ranked([66, 9], [65, 1]), // another choice than the answer's
      ranked([66, 9], [67, 8.5]), // too near
      ranked([67, 9], [68, 8.5], [69, 3]),
    ];
    for (const seed of [1, 2, 3, 4]) {
      expect(drawControl([80], [65, 66, 67], next, tokenizer, randomStream(seed, "control"))).toEqual({
        position: 2,
        target: { id: 67, logit: 9 },
        contrast: { id: 69, logit: 3, rank: 2 },
      });
    }
    expect(drawControl([80], [65, 66], next.slice(0, 2), tokenizer, randomStream(1, "control"))).toBeUndefined();
  });
});

test("another implementation's relevance is compared by case, as a share of its largest", () => {
  const result = (key: string, relevance: readonly number[], logitDifference = 2) =>
    ({ key, target: 1, contrast: 2, relevance, logitDifference }) as unknown as StoredResult;
  const stored = [result("a", [4, -1]), result("b", [0, 1]), result("c", [5, 5])];
  const numbers = compareReference([result("a", [4, -2], 2.5), result("b", [0, 1]), result("d", [9, 9])], stored);
  expect(numbers).toEqual({ cases: 2, worst: 0.25, median: 0.25, delta: 0.5 });
  expect(compareReference([{ ...result("a", [4, -1]), contrast: 3 }], stored)).toBeNull();
});

describe("a share's interval", () => {
  // Of 15 of 20 and of none of 10 at 95 %, computed apart in Python from the formula of his paper.
  test("is Wilson's", () => {
    const some = proportionInterval(15, 20)!;
    expect([some.low, some.high].map((value) => value.toFixed(4))).toEqual(["0.5313", "0.8881"]);
    const none = proportionInterval(0, 10)!;
    expect([none.low, none.high].map((value) => value.toFixed(4))).toEqual(["0.0000", "0.2775"]);
    expect(proportionInterval(0, 0)).toBeNull();
  });
});

const DOCUMENT = join(ROOT, "docs", "in-the-wild.md");
describe.skipIf(!existsSync(DOCUMENT))("docs/in-the-wild.md", () => {
  test("says what its numbers say, and its files take at most 12 MB", async () => {
    const numbers = join(folderOf(DOCUMENT), "numbers.json");
    const parts = JSON.parse(readFileSync(numbers, "utf8")) as WildParts;
    expect(words(readFileSync(DOCUMENT, "utf8"))).toBe(words(wildDocument(parts)));
    let bytes = 0;
    for (const { name } of Deno.readDirSync(folderOf(DOCUMENT))) {
      bytes += (await stat(join(folderOf(DOCUMENT), name))).size;
    }
    expect(bytes).toBeLessThan(12e6);
    const { results, cases, answers } = await readStoredRun(folderOf(DOCUMENT));
    expect(answers.length).toBe(parts.numbers.answers.reduce((sum, row) => sum + row.answers, 0));
    for (const { key } of results) expect(cases.has(key), key).toBe(true);
  });
});
