import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { LoadedModel } from "../gpu/engine.ts";
import { openEngine } from "../gpu/mod.ts";
import { openModelDirectory } from "../gpu/model/directory.ts";
import { attributionGraphs } from "../schema/tables/analysis_tables.ts";
import { GRAPH_OPTIONS } from "../schema/tables/analysis_values.ts";
import type { BuildGraphRequest } from "../schema/services/attributions.ts";
import { attributions, failureCases, jobs, jobTasks, models, tokenPairs } from "../schema/tables/tables.ts";
import { performAttributes } from "../server/attributions/attribute_task.ts";
import { downloadGraph } from "../server/graphs/download.ts";
import { startPackConsumer } from "../server/jobs/consumer.ts";
import { freePort } from "../server/base/free_port.ts";
import { createGraphJob } from "../server/graphs/graph_job.ts";
import { createAttributeJob } from "../server/attributions/attribute_job.ts";
import { cancelJob } from "../server/jobs/jobs.ts";
import { askedBy } from "../server/base/asker.ts";
import { findTasks, startQueue } from "../server/jobs/queue.ts";
import { ROOT } from "../server/base/settings.ts";
import { startSupervisor, type Supervisor } from "../server/worker/supervisor.ts";
import { parseGraphFile } from "../web/src/graph/graph_data.ts";
import { testDatabase } from "./database.ts";
import { cacheOf } from "./fake_engine.ts";

/** More than a worker takes at once. */
const PAIRS = 80;
const TOKENS = 48;

const database = testDatabase();
let boss: PgBoss;
let supervisor: Supervisor | undefined;
let pairIds: number[] = [];

beforeAll(async () => {
  boss = await startQueue(database.url);
  const { db } = database.connection;
  const directory = join(ROOT, "test", "data", "golden", "qwen3-a");
  const model = await openModelDirectory(directory);
  model.close();
  const { config, parameters, hash } = model;
  const [{ id: modelId } = { id: 0 }] = await db.insert(models).values({
    name: "golden",
    directory,
    architecture: config.architecture,
    parameters,
    layers: config.layers,
    hidden: config.hidden,
    vocabulary: config.vocabulary,
    tokenizerHash: "none",
    hash,
  }).returning({ id: models.id });
  for (let index = 0; index < PAIRS; index++) {
    const inputIds = Array.from({ length: TOKENS }, (_, position) => (7 * position + 13 * index) % config.vocabulary);
    const [failureCase] = await db.insert(failureCases).values({
      modelId,
      key: `case/${index}`,
      benchmark: "golden",
      task: `${index}`,
      messages: [],
      prompt: "",
      prefix: "",
      completion: "",
      completionIds: [],
      instructionPhrases: [],
      metadata: {},
      inputIds,
      tokenTexts: inputIds.map(String),
      segments: `S${"Q".repeat(TOKENS - 1)}`,
      tokenCount: TOKENS,
      promptTokens: TOKENS,
      delta: 1,
      status: "excluded",
      exclusion: "delta_too_small",
      source: "imported",
      contentHash: "",
    }).returning({ id: failureCases.id });
    const [pair] = await db.insert(tokenPairs).values({
      failureCaseId: failureCase!.id,
      position: TOKENS,
      targetId: 1 + index,
      targetText: "t",
      targetLogit: 1,
      contrastId: 0,
      contrastText: "c",
      contrastLogit: 0,
      contrastRank: 1,
      delta: 1,
      source: "imported",
      candidates: [],
      contentHash: "",
    }).returning({ id: tokenPairs.id });
    pairIds.push(pair!.id);
  }
  pairIds = pairIds.sort((a, b) => a - b);
});
afterEach(async () => {
  await supervisor?.stop();
  supervisor = undefined;
});
afterAll(() => boss?.stop({ graceful: false }));

const startJob = async (pairs = PAIRS) =>
  (await createAttributeJob(database.connection.db, boss, {
    tokenPairIds: pairIds.slice(0, pairs),
    rule: "attnlrp",
    idempotencyKey: undefined,
  })).id;

async function until<Value>(look: () => Promise<Value | undefined> | Value | undefined): Promise<Value> {
  for (const deadline = Date.now() + 100_000; Date.now() < deadline;) {
    const value = await look();
    if (value !== undefined) return value;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error("It did not happen in time");
}

/** Leaves the pairs without attributions, to be computed again. */
async function clear(): Promise<void> {
  await database.connection.db.delete(jobTasks);
  await database.connection.db.delete(attributions);
}

async function jobRow(jobId: string): Promise<typeof jobs.$inferSelect> {
  const [row] = await database.connection.db.select().from(jobs).where(eq(jobs.id, jobId));
  return row!;
}

const finished = (jobId: string) =>
  until(async () => {
    const job = await jobRow(jobId);
    return job.status === "queued" || job.status === "running" ? undefined : job;
  });

const ready = () =>
  until(() => {
    const state = supervisor!.state();
    return state.kind === "ready" ? state.pid : undefined;
  });

/** What was stored, by pair. */
async function results(): Promise<Map<number, string>> {
  const rows = await database.connection.db.select({
    pair: attributions.tokenPairId,
    relevance: attributions.relevance,
  })
    .from(attributions);
  expect(rows).toHaveLength(new Set(rows.map(({ pair }) => pair)).size);
  return new Map(rows.map(({ pair, relevance }) => [pair, Buffer.from(relevance).toString("hex")]));
}

test("a worker killed in the middle loses nothing: its job is finished once, with the same numbers", async () => {
  const { db } = database.connection;
  supervisor = startSupervisor(database.url);
  await ready();
  expect(await finished(await startJob())).toMatchObject({ status: "completed", done: PAIRS, total: PAIRS });
  const undisturbed = await results();
  const provenance = () =>
    db.selectDistinct({ adapter: attributions.adapter, engine: attributions.engine }).from(attributions);
  const first = await provenance();
  expect(first).toHaveLength(1);
  expect(undisturbed.size).toBe(PAIRS);
  await clear();

  const victim = await ready();
  const jobId = await startJob();
  await until(async () => (await jobRow(jobId)).done >= 3 || undefined);
  await until(async () => (await findTasks(boss, "attribute", jobId)).find(({ state }) => state === "active"));
  const { done } = await jobRow(jobId);
  process.kill(victim, "SIGKILL");
  const job = await finished(jobId);
  expect(job).toMatchObject({ status: "completed", done: PAIRS, total: PAIRS });
  expect(await ready()).not.toBe(victim);
  // The same provenance gives the same numbers, to the last bit.
  expect(await provenance()).toEqual(first);
  expect(await results()).toEqual(undisturbed);
  const tasks = await findTasks(boss, "attribute", jobId);
  expect(tasks).toHaveLength(PAIRS);
  expect(tasks.every(({ state }) => state === "completed")).toBe(true);
  // Only tasks of the pack that it died over were tried again.
  expect(tasks.filter(({ retryCount }) => retryCount > 0).length).toBeLessThanOrEqual(PAIRS - done);
});

test("a worker whose supervisor stops hands its task back and leaves", async () => {
  await clear();
  supervisor = startSupervisor(database.url);
  const pid = await ready();
  const jobId = await startJob();
  await until(async () => (await jobRow(jobId)).done >= 1 || undefined);
  await supervisor.stop();
  expect(() => process.kill(pid, 0)).toThrow();
  const tasks = await findTasks(boss, "attribute", jobId);
  expect(tasks.filter(({ state }) => state === "active")).toEqual([]);
  expect(tasks.every(({ retryCount }) => retryCount === 0)).toBe(true);
  supervisor = startSupervisor(database.url);
  expect(await finished(jobId)).toMatchObject({ status: "completed", done: PAIRS });
});

/** A worker's first moments leave more behind than this, in megabytes. */
const LITTLE_WASTE = "0.001";
/** What two or three such workers do: a first pack takes eight. */
const FEW_PAIRS = 20;

test("a worker that gathered waste finishes its task and goes on in a fresh process", async () => {
  await clear();
  supervisor = startSupervisor(database.url, {
    environment: { ...process.env, CULPRIT_WORKER_WASTE: LITTLE_WASTE },
  });
  const first = await ready();
  const jobId = await startJob(FEW_PAIRS);
  await until(async () => await ready() !== first || undefined);
  expect(await finished(jobId)).toMatchObject({ status: "completed", done: FEW_PAIRS });
  expect((await findTasks(boss, "attribute", jobId)).every(({ retryCount }) => retryCount === 0)).toBe(true);
  expect(supervisor.state().restarts).toBe(0);
});

test("so does one that was started by the command", async () => {
  await clear();
  const child = spawn("node", [join(ROOT, "server", "launch.mjs"), "worker", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, DATABASE_URL: database.url, CULPRIT_WORKER_WASTE: LITTLE_WASTE },
  });
  const ended = new Promise<void>((done) => child.on("exit", () => done()));
  let out = "";
  child.stdout.on("data", (text: Uint8Array) => out += new TextDecoder().decode(text));
  const readyOnes = () => out.split("\n").filter((line) => line.includes('"ready"')).length;
  try {
    await until(() => readyOnes() === 1 || undefined);
    const jobId = await startJob(FEW_PAIRS);
    await until(() => readyOnes() >= 2 || undefined);
    expect(await finished(jobId)).toMatchObject({ status: "completed", done: FEW_PAIRS });
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
});

test("queued jobs of one model run in one pass, and each result is that of the pair alone", async () => {
  const { connection } = database;
  await clear();
  const engine = await openEngine();
  const loaded = await engine.loadModel(join(ROOT, "test", "data", "golden", "qwen3-a"));
  const passes: number[] = [];
  const counted: LoadedModel = {
    ...loaded,
    attributeMany: (requests, options) => {
      passes.push(requests.length);
      return loaded.attributeMany(requests, options);
    },
  };
  const ids: string[] = [];
  for (const [index, pair] of pairIds.slice(0, 6).entries()) {
    const request = { tokenPairIds: [pair], rule: "attnlrp", idempotencyKey: undefined } as const;
    ids.push(
      (await askedBy(
        { name: `run:${index % 3}`, scope: "run" },
        () => createAttributeJob(connection.db, boss, request),
      )).id,
    );
  }
  const parts = { connection, boss, cache: cacheOf(counted) };
  const consumer = await startPackConsumer(connection, boss, "attribute", (pack) => performAttributes(parts, pack));
  try {
    for (const id of ids) expect(await finished(id)).toMatchObject({ status: "completed", done: 1, total: 1 });
  } finally {
    await consumer.stop();
  }
  expect(passes).toEqual([6]);
  const rows = await connection.db.select({
    stored: attributions.relevance,
    delta: attributions.logitDifference,
    inputIds: failureCases.inputIds,
    target: tokenPairs.targetId,
    contrast: tokenPairs.contrastId,
  }).from(attributions)
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId));
  expect(rows).toHaveLength(6);
  for (const { stored, delta, ...request } of rows) {
    const alone = await loaded.attribute({ ...request, rule: "attnlrp" });
    expect(Math.abs(delta - alone.logitDifference)).toBeLessThanOrEqual(1e-6 * Math.abs(alone.logitDifference));
    const packed = new Float32Array(new Uint8Array(stored).buffer);
    expect(packed).toHaveLength(alone.nodeRelevance.length);
    const largest = alone.nodeRelevance.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const apart = packed.reduce((most, value, at) => Math.max(most, Math.abs(value - alone.nodeRelevance[at]!)), 0);
    expect(apart).toBeLessThanOrEqual(1e-6 * largest);
  }
  loaded.dispose();
  engine.close();
});

test("graphs are built once, stored with their attributions, and conserve relevance by column", async () => {
  const { db } = database.connection;
  await clear();
  supervisor = startSupervisor(database.url);
  const request: BuildGraphRequest = {
    tokenPairIds: pairIds.slice(0, 2),
    rule: "cplrp",
    options: { ...GRAPH_OPTIONS, mass: 1, minRelevance: 0, reach: "all", heads: true },
    idempotencyKey: undefined,
  };
  const build = async () => await finished((await createGraphJob(db, boss, request)).id);
  expect(await build()).toMatchObject({ status: "completed", done: 2, total: 2 });
  const rows = await db.select().from(attributionGraphs);
  expect(rows).toHaveLength(2);
  for (const { id, edges, summary } of rows) {
    const response = await downloadGraph(db, `/graphs/${id}.cgf`);
    const graph = parseGraphFile(await response!.arrayBuffer());
    expect(graph).toMatchObject({ rule: "cplrp", tokens: TOKENS, heads: 4 });
    expect(graph.transitions.reduce((sum, transition) => sum + transition.edges, 0)).toBe(edges);
    expect(graph.transitions.length).toBe(summary.transitions.length);
    for (const { source, sources, weights } of graph.transitions) {
      const sums = new Float64Array(TOKENS);
      sources.forEach((token, edge) => sums[token]! += weights[edge]!);
      const relevance = graph.relevance.subarray(source * TOKENS, (source + 1) * TOKENS);
      const largest = relevance.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      relevance.forEach((value, token) => expect(Math.abs(sums[token]! - value)).toBeLessThan(1e-4 * largest));
    }
  }
  // Stored graphs are kept, and every pair that has one counts as present.
  expect(await build()).toMatchObject({ status: "completed", done: 2 });
  expect((await db.select({ id: attributionGraphs.id }).from(attributionGraphs)).length).toBe(2);
  const missing = await createGraphJob(db, boss, { ...request, tokenPairIds: "missing" });
  expect((await jobRow(missing.id)).total).toBe(PAIRS - 2);
  await cancelJob(db, missing.id);
});

test("a worker that refuses its settings is not started again", async () => {
  const refused = Promise.withResolvers<void>();
  const own = startSupervisor(database.url, {
    onRefusal: refused.resolve,
    environment: { ...process.env, CULPRIT_ADAPTER: "no such adapter" },
  });
  await refused.promise;
  expect(own.state()).toEqual({ kind: "restarting", reason: "it refused its settings" });
  await own.stop();
});

test("a worker whose database is away when it starts is started again: the settings are not to blame", async () => {
  const away = Object.assign(new URL(database.url), { port: String(await freePort()) }).href;
  let refused = false;
  const own = startSupervisor(away, { onRefusal: () => refused = true });
  const state = await until(() => own.state().restarts ? own.state() : undefined);
  expect(state).toMatchObject({ kind: "restarting", reason: "it ended with exit code 1" });
  expect(refused).toBe(false);
  await own.stop();
});
