/** Studies: series, the same pairs on every member, what is corrected, and what a second run computes. */
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq, sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { AttributionRequest } from "../gpu/engine.ts";
import type { Services } from "../schema/services/services.ts";
import { modelSeries, studies, studyPairs } from "../schema/tables/analysis_tables.ts";
import { attributions, failureCases, jobs, jobTasks, models, tokenPairs } from "../schema/tables/tables.ts";
import { performAttribute } from "../server/attributions/attribute_task.ts";
import { type Consumer, startConsumer } from "../server/jobs/consumer.ts";
import type { ModelCache, StoredModel } from "../server/models/model_cache.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { createServices } from "../server/http/services.ts";
import { readSettings } from "../server/base/settings.ts";
import { readSeriesFile } from "../server/studies/series_file.ts";
import { movementOf } from "../server/studies/movement.ts";
import { summariseStudy, verdictOf } from "../server/studies/summary.ts";
import { readQuantised } from "../server/wild/quantisation.ts";
import { mean } from "../server/base/statistics/bootstrap.ts";
import { type JobWatcher, startJobWatcher } from "../server/jobs/watch_job.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { cacheOf, fakeResult } from "./fake_engine.ts";
import { type Answer, globalId, graphqlClient } from "./graphql_client.ts";

const database = testDatabase();
let boss: PgBoss;
let watcher: JobWatcher;
let services: Services;
let ask: ReturnType<typeof graphqlClient>;
let consumer: Consumer | undefined;
let modelIds: number[] = [];
let pairIds: number[] = [];
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-study-"));
  boss = await startQueue(database.url);
  watcher = await startJobWatcher(database.connection);
  services = createServices({ settings: readSettings({}), connection: database.connection, boss, watcher });
  ask = graphqlClient(database, services);
});
afterAll(async () => {
  await watcher?.stop();
  await boss?.stop({ graceful: false });
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  const { db } = database.connection;
  for (
    const table of [studyPairs, studies, modelSeries, jobTasks, attributions, jobs, tokenPairs, failureCases, models]
  ) await db.delete(table);
  await db.execute(sql`delete from pgboss.job`);
  modelIds = [];
  for (const [index, name] of ["small", "middle", "large"].entries()) {
    modelIds.push(await storeModel(database, { name, hash: name, parameters: 10 ** index }));
  }
  pairIds = [];
  for (let index = 0; index < 5; index++) pairIds.push(await storePair(database, modelIds[0]!, `case/${index}`));
  await storePair(database, modelIds[0]!, "case/not clean", { delta: 0.5 });
});
afterEach(async () => {
  await consumer?.stop();
  consumer = undefined;
});

/** Deltas of the pairs on each model, [models][pairs]. */
const DELTAS = [[2, 2, 2, 0.5, 3], [1, -3, 2, -2, 0], [0, -2, 1.5, -2, -1]];
/** Models whose relevance stands in another order, and of which pairs. */
const TURNED: Readonly<Record<string, readonly number[]>> = { large: [0, 1] };
let attributed: string[] = [];

/** Starts a worker whose models give DELTAS; its requests know their pair by the order in which they come. */
async function work(): Promise<void> {
  attributed = [];
  const { connection } = database;
  let pairId = 0;
  const model = ({ id, name }: StoredModel) => ({
    attributeMany: ([request]: readonly [AttributionRequest]) => {
      attributed.push(`${name}/${pairIds.indexOf(pairId)}`);
      const delta = DELTAS[modelIds.indexOf(id)]![pairIds.indexOf(pairId)]!;
      const result = fakeResult(request);
      const turned = TURNED[name]?.includes(pairIds.indexOf(pairId)) ?? false;
      const nodeRelevance = turned ? result.nodeRelevance.toReversed() : result.nodeRelevance;
      return Promise.resolve([{ ...result, nodeRelevance, logitDifference: delta }]);
    },
  });
  const cache: ModelCache = {
    ...cacheOf(undefined as never),
    lease: () => ({ get: (stored) => Promise.resolve(model(stored) as never), release: () => {} }),
  };
  consumer = await startConsumer(connection, boss, "attribute", (attempt) => {
    pairId = attempt.task.tokenPairId;
    return performAttribute({ connection, boss, cache }, attempt);
  });
}

async function ended(jobId: string): Promise<typeof jobs.$inferSelect> {
  for await (const _ of services.watchJob(jobId, 0)) { /* until it ends */ }
  const [row] = await database.connection.db.select().from(jobs).where(eq(jobs.id, jobId));
  return row!;
}

const ADD = `mutation ($input: AddModelSeriesInput!) { addModelSeries(input: $input) {
  __typename ... on ModelSeries { name members { label position model { name } } }
  ... on InputError { message what where mend } } }`;
// deno-lint-ignore no-explicit-any
const data = ({ data, errors }: Answer): any => data ?? expect(errors).toBeUndefined();
const addSeries = async (members: readonly string[]) =>
  data(await ask(ADD, { input: { name: "sizes", kind: "SCALING", members: members.map((model) => ({ model })) } }))
    .addModelSeries;
const RUN = `mutation ($input: RunStudyInput!) { runStudy(input: $input) {
  __typename ... on Job { id total kind } ... on InputError { what where mend } } }`;
const runStudy = async (input: object) => data(await ask(RUN, { input: { series: "sizes", ...input } })).runStudy;
const jobIdOf = (id: string) => atob(id).replace("Job:", "");

describe("series", () => {
  test("members stand in the order of their positions, parameters when nothing is said", async () => {
    expect(await addSeries(["large", "small"])).toEqual({
      __typename: "ModelSeries",
      name: "sizes",
      members: [
        { label: "small", position: 1, model: { name: "small" } },
        { label: "large", position: 100, model: { name: "large" } },
      ],
    });
    // The same name takes the new members.
    expect((await addSeries(["small", "middle", "large"])).members).toHaveLength(3);
    expect(await database.connection.db.$count(modelSeries)).toBe(1);
  });

  test("models whose tokenizers differ are refused by one line that names two", async () => {
    await storeModel(database, { name: "stranger", tokenizerHash: "another tokenizer" });
    expect(await addSeries(["small", "middle", "stranger"])).toMatchObject({
      __typename: "InputError",
      what: "stranger has another tokenizer than small (another toke and tokenizer)",
      where: "members",
    });
    expect(await addSeries(["small", "small"])).toMatchObject({ what: "the model small stands in it twice" });
    expect(await addSeries(["small", "nobody"])).toMatchObject({ what: 'there is no model "nobody"' });
  });

  test("a file of series adds the models that lie beside it", async () => {
    const { db } = database.connection;
    const demo = join(import.meta.dirname as string, "..", "models", "demo-1m");
    for (const name of ["step-1", "step-2"]) await cp(demo, join(folder, name), { recursive: true });
    const path = join(folder, "series.json");
    const write = (json: unknown) => writeFile(path, JSON.stringify(json));
    await write({
      other: "fields are passed over",
      series: [{ name: "steps", kind: "training", members: [{ model: "step-2", position: 2 }, { model: "step-1" }] }],
    });
    const [stored] = await readSeriesFile(db, path);
    expect(stored).toMatchObject({
      kind: "training",
      members: [{ label: "step-1", position: 1 }, { label: "step-2", position: 2 }],
    });
    await write({ name: "steps", kind: "sideways", members: [] });
    await expect(readSeriesFile(db, path)).rejects.toThrow(/^.*series\.json: .* in a series; give \{"name"/);
  });
});

describe("a study", () => {
  beforeEach(async () => {
    await addSeries(["small", "middle", "large"]);
  });

  test("attributes clean pairs on every member, and again only what is missing", async () => {
    const { db } = database.connection;
    await work();
    const first = await runStudy({});
    expect(first).toMatchObject({ __typename: "Job", kind: "STUDY" });
    expect(await ended(jobIdOf(first.id))).toMatchObject({ status: "completed", done: 15, total: 15 });
    // Member after member, so that a model is loaded once.
    expect(attributed.map((name) => name.split("/")[0])).toEqual(
      ["small", "middle", "large"].flatMap((name) => Array(5).fill(name)),
    );
    attributed = [];
    await db.delete(jobTasks).where(eq(jobTasks.tokenPairId, pairIds[2]!));
    await db.delete(attributions).where(eq(attributions.tokenPairId, pairIds[2]!));
    const again = await runStudy({});
    expect(await ended(jobIdOf(again.id))).toMatchObject({ status: "completed", done: 15, total: 15 });
    expect(attributed).toEqual(["small/2", "middle/2", "large/2"]);
    expect(await db.$count(studies)).toBe(1);
    // A member that joins the series is the only one computed.
    modelIds.push(await storeModel(database, { name: "huge", hash: "huge", parameters: 1000 }));
    DELTAS.push([0, 0, 0, 0, 0]);
    await addSeries(["small", "middle", "large", "huge"]);
    attributed = [];
    await ended(jobIdOf((await runStudy({})).id));
    DELTAS.pop();
    expect(new Set(attributed)).toEqual(new Set([0, 1, 2, 3, 4].map((index) => `huge/${index}`)));
  });

  test("says what the last member corrects, and pages its scatter by one statement", async () => {
    await work();
    const job = await runStudy({ name: "mine" });
    await ended(jobIdOf(job.id));
    const query = `query ($after: String, $x: String) { studies(name: "mine") { totalCount nodes { name pairs rule
      series { name } job { id }
      summary { x y pairs both all corrected notCorrected undecided
        members { label attributed failing delta { value low high count } segments { verdict count instruction query } } }
      points(first: 2, after: $after, x: $x) { pageInfo { hasNextPage endCursor } nodes { x y verdict key tokenPairId } }
    } } }`;
    const answer = await ask(query);
    expect(answer.errors).toBeUndefined();
    const [study] = answer.data.studies.nodes;
    expect(study).toMatchObject({
      name: "mine",
      pairs: 5,
      rule: "ATTNLRP",
      series: { name: "sizes" },
      job: { id: job.id },
    });
    // y > 1: pair 2; x > 1 and y < -1: pair 1; pair 3 had x = 0.5, pair 4 has y = -1 exactly.
    expect(study.summary).toMatchObject({
      x: "small",
      y: "large",
      pairs: 5,
      both: 5,
      all: 5,
      corrected: 1,
      notCorrected: 1,
      undecided: 3,
    });
    for (const [index, member] of study.summary.members.entries()) {
      const deltas = DELTAS[index]!;
      expect(member.delta.value).toBeCloseTo(mean(deltas), 12);
      expect(member.delta.low).toBeLessThan(mean(deltas));
      expect(member.delta.high).toBeGreaterThan(mean(deltas));
      expect(member.failing).toBe(deltas.filter((delta) => delta > 1).length / 5);
      // Relevance 0, 1, 2, 3 of tokens S, I, Q, A, over 3.
      expect(member.segments[0]).toMatchObject({ verdict: null, count: 5 });
      if (member.label in TURNED) continue;
      expect(member.segments[0].instruction).toBeCloseTo(1 / 3, 12);
      expect(member.segments[0].query).toBeCloseTo(2 / 3, 12);
      expect(member.segments.slice(1).map(({ count }: { count: number }) => count)).toEqual([1, 1, 3]);
    }
    const keys = study.points.nodes.map(({ key }: { key: string }) => key);
    expect(study.points.nodes[1]).toMatchObject({
      x: 2,
      y: -2,
      verdict: "CORRECTED",
      tokenPairId: globalId("TokenPair", pairIds[1]!),
    });
    let { pageInfo } = study.points;
    while (pageInfo.hasNextPage) {
      const page = (await ask(query, { after: pageInfo.endCursor })).data.studies.nodes[0].points;
      keys.push(...page.nodes.map(({ key }: { key: string }) => key));
      pageInfo = page.pageInfo;
    }
    expect(keys).toEqual([0, 1, 2, 3, 4].map((index) => `case/${index}`));

    database.countStatements();
    const only = await ask(
      `{ studies(name: "mine") { nodes { points(y: "middle", verdict: CORRECTED) { nodes { key x y } } } } }`,
    );
    expect(only.data.studies.nodes[0].points.nodes).toEqual([{ key: "case/1", x: 2, y: -3 }]);
    // The list of studies, the study with its series, and the page.
    expect(database.countStatements()).toHaveLength(3);
    const wrong = await ask(query, { x: "tiny" });
    expect(wrong.errors?.[0]?.message).toMatch(/no member "tiny".*small, middle, large/);
  });

  test("of quantised files says which failures are the first one's own, and whose relevance moves", async () => {
    const members = ["small", "middle", "large"].map((model, position) => ({ model, label: model, position }));
    await ask(ADD, { input: { name: "files", kind: "QUANTISATION", members } });
    await work();
    await ended(jobIdOf((await runStudy({ series: "files", name: "files" })).id));
    const query = `query ($from: String) { studies(name: "files") { nodes { series { kind } movements(from: $from) {
      from label pairs corrected notCorrected undecided moved { value low high count } most { key x y moved } } } } }`;
    const answer = await ask(query);
    expect(answer.errors).toBeUndefined();
    const [{ series, movements }] = answer.data.studies.nodes;
    expect(series).toEqual({ kind: "QUANTISATION" });
    expect(movements).toMatchObject([
      { from: "small", label: "middle", pairs: 5, corrected: 1, notCorrected: 1, undecided: 3, moved: { value: 0 } },
      { from: "small", label: "large", pairs: 5, corrected: 1, notCorrected: 1, undecided: 3, moved: { count: 5 } },
    ]);
    // 0 1 2 3 of 6 against 11 10 9 8 of 38, in two of five pairs.
    const apart = (11 / 38 + (10 / 38 - 1 / 6) + (2 / 6 - 9 / 38) + (3 / 6 - 8 / 38)) / 2;
    const [, { moved, most }] = movements;
    expect(moved.value).toBeCloseTo(2 / 5 * apart, 6);
    expect(most.map(({ key }: { key: string }) => key)).toEqual([0, 1, 2, 3, 4].map((index) => `case/${index}`));
    expect(most[0]).toMatchObject({ x: 2, y: 0 });
    expect(most[0].moved).toBeCloseTo(apart, 6);
    expect((await ask(query, { from: "large" })).data.studies.nodes[0].movements[0]).toMatchObject({
      from: "large",
      label: "small",
      corrected: 0,
    });
    expect((await ask(query, { from: "tiny" })).errors?.[0]?.message).toMatch(/no member "tiny"/);
    // A run in the wild finds the studies that its model is a member of.
    const { db } = database.connection;
    expect(await readQuantised(db, "middle", 1)).toMatchObject([
      { series: "files", label: "small", pairs: 5, counts: null, moved: null },
      { series: "files", label: "middle", pairs: 5, counts: { corrected: 1, not_corrected: 1, undecided: 3 } },
      { series: "files", label: "large", pairs: 5, moved: { count: 5 } },
    ]);
    expect(await readQuantised(db, "stranger", 1)).toEqual([]);
  });

  test("refuses names of other studies, pairs of another tokenizer, and selections of nothing", async () => {
    await runStudy({ name: "one" });
    expect(await runStudy({ name: "one", rule: "CPLRP" })).toMatchObject({ __typename: "InputError", where: "name" });
    const stranger = await storeModel(database, { name: "stranger", tokenizerHash: "other" });
    const pair = await storePair(database, stranger, "strange");
    expect(await runStudy({ tokenPairIds: [globalId("TokenPair", pair)] })).toMatchObject({
      what: expect.stringMatching(/^stranger has another tokenizer than small/),
    });
    expect(await runStudy({ benchmark: "none such" })).toMatchObject({ what: "no clean token pair fits" });
    expect(await runStudy({ series: "none such" })).toMatchObject({ what: 'there is no series "none such"' });
    // What was refused left nothing behind.
    expect(await database.connection.db.$count(studies)).toBe(1);
  });

  test("a key asks once", async () => {
    const [first, again] = [await runStudy({ idempotencyKey: "k" }), await runStudy({ idempotencyKey: "k" })];
    expect(again.id).toBe(first.id);
    expect(await database.connection.db.$count(jobs)).toBe(1);
  });
});

test("relevance moves from token to token, from sign to sign, and not by its scale", () => {
  expect(movementOf([1, 2, -1], [10, 20, -10])).toBeCloseTo(0, 12);
  expect(movementOf([1, 0], [0, 3])).toBe(1);
  expect(movementOf([1, 1], [1, -1])).toBeCloseTo(0.5, 12);
  expect(movementOf([0, 0], [1, 0])).toBeNull();
});

test("verdicts are those of the method at their borders", () => {
  expect([[1.1, -1.1], [1, -2], [2, -1], [2, 1.1], [0, 1.1], [2, 1], [-2, -2]].map(([x, y]) => verdictOf(x!, y!)))
    .toEqual(["corrected", "undecided", "undecided", "not_corrected", "not_corrected", "undecided", "undecided"]);
});

test("means compare members over the pairs that all of them have", () => {
  const [a, b] = [{ modelId: 1, label: "a", position: 0 }, { modelId: 2, label: "b", position: 1 }];
  const numbers = [[1, 1, 4], [1, 2, 2], [2, 1, 100]].map(([tokenPairId, modelId, delta]) => ({
    tokenPairId: tokenPairId!,
    modelId: modelId!,
    delta: delta!,
    segments: null,
  }));
  const summary = summariseStudy(numbers, [a, b], [a, b], { pairs: 3, seed: 1 });
  expect(summary).toMatchObject({ pairs: 3, both: 1, all: 1, members: [{ attributed: 2 }, { attributed: 1 }] });
  expect(summary.members.map(({ delta }) => delta?.value)).toEqual([4, 2]);
  expect(summary.members[0]!.segments[0]).toEqual({ verdict: null, count: 0, means: null });
  expect(summariseStudy([], [a, b], [a, b], { pairs: 0, seed: 1 }).members[0]).toMatchObject({
    delta: null,
    failing: null,
  });
});
