/** Collecting answers and searching pairs as jobs: asked for in GraphQL, done by a worker that may be killed or stopped. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { eq, sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { GenerateRequest, GenerateResult, LoadedModel } from "../gpu/engine.ts";
import { openModelDirectory } from "../gpu/model/directory.ts";
import { loadTokenizer } from "../gpu/model/tokenizer.ts";
import { pairSearches } from "../schema/tables/search_tables.ts";
import { benchmarks, failureCases, jobs, responses, tokenPairs } from "../schema/tables/tables.ts";
import { addModel } from "../server/models/add_model.ts";
import { addBenchmark, findBenchmark } from "../server/benchmarks/benchmarks.ts";
import { openCheckers } from "../server/checkers/check.ts";
import { collect, type CollectedItem } from "../server/benchmarks/collect.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { createServices } from "../server/http/services.ts";
import { readSettings, ROOT } from "../server/base/settings.ts";
import { startSupervisor, type Supervisor } from "../server/worker/supervisor.ts";
import { type JobWatcher, startJobWatcher } from "../server/jobs/watch_job.ts";
import { refused } from "./command_line.ts";
import { testDatabase } from "./database.ts";
import { graphqlClient } from "./graphql_client.ts";

const DEMO = join(ROOT, "models", "demo-1m");
const database = testDatabase();
let boss: PgBoss;
let watcher: JobWatcher;
let ask: ReturnType<typeof graphqlClient>;
let supervisor: Supervisor | undefined;
let folder = "";
let modelId = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-collect-"));
  boss = await startQueue(database.url);
  watcher = await startJobWatcher(database.connection);
  const services = createServices({ settings: readSettings({}), connection: database.connection, boss, watcher });
  ask = graphqlClient(database, services);
  modelId = (await addModel(database.connection.db, DEMO, undefined)).id;
});
afterAll(async () => {
  await watcher?.stop();
  await boss?.stop({ graceful: false });
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  const { db } = database.connection;
  for (const table of [pairSearches, tokenPairs, failureCases, responses, jobs, benchmarks]) await db.delete(table);
  await db.execute(sql`delete from pgboss.job`);
});
afterEach(async () => {
  await supervisor?.stop();
  supervisor = undefined;
});

async function until<Value>(look: () => Promise<Value | undefined> | Value | undefined): Promise<Value> {
  for (const deadline = Date.now() + 100_000; Date.now() < deadline;) {
    const value = await look();
    if (value !== undefined) return value;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error("It did not happen in time");
}

/** The newest job, once it looks like this. */
const newestJob = (wanted: (job: typeof jobs.$inferSelect) => boolean) =>
  until(async () => {
    const [job] = await database.connection.db.select().from(jobs).orderBy(sql`${jobs.createdAt} desc`).limit(1);
    return job && wanted(job) ? job : undefined;
  });
const hasEnded = ({ status }: typeof jobs.$inferSelect) => status !== "queued" && status !== "running";
const ready = () =>
  until(() => {
    const state = supervisor!.state();
    return state.kind === "ready" ? state.pid : undefined;
  });

/** Failures of a search; tokens of a response at most, which those of this model have; rollouts of a wave, for six cases. */
const FAILURES = 8;
const MOST_TOKENS = 40;
const WAVE = 60;
/** A busy machine takes its time for three workers' starts. */
const LONG = { timeout: 300_000 };

const COLLECT = `mutation ($input: CollectFailuresInput!) { collectFailures(input: $input) {
  __typename ... on Job { kind status } ... on InputError { message where } } }`;
const FIND = `mutation ($input: FindTokenPairsInput!) { findTokenPairs(input: $input) {
  __typename ... on Job { id kind status } ... on InputError { message where } } }`;
const CANCEL = `mutation ($id: ID!) { cancelJob(id: $id) { __typename ... on Job { status } } }`;

/** A benchmark of items that the demo model fails, by their place in demo-math. */
async function failingBenchmark(count: number): Promise<string> {
  const all = (await readFile(join(ROOT, "models", "benchmarks", "demo-math.jsonl"), "utf8")).trim().split("\n");
  const failing = (await readFile(join(DEMO, "failure-cases.jsonl"), "utf8")).trim().split("\n")
    .map((line) => JSON.parse(line) as { benchmark: string; task: string })
    .filter(({ benchmark }) => benchmark === "demo-math").slice(0, count)
    .map(({ task }) => all[Number(task) - 1]);
  const path = join(folder, "failing.jsonl");
  await writeFile(path, failing.join("\n"));
  await addBenchmark(database.connection.db, path);
  return "failing";
}

test(
  "a worker killed in the middle of a search loses nothing: the job goes on and finds the same pairs",
  LONG,
  async () => {
    const { db } = database.connection;
    const benchmark = await failingBenchmark(FAILURES);
    const input = { model: "demo-1m", benchmark, maxTokens: MOST_TOKENS, promptTemplate: "plain" };
    // Before there is a worker, which may begin at once.
    const asked = await ask(COLLECT, { input });
    expect(asked).toEqual({ data: { collectFailures: { __typename: "Job", kind: "COLLECT", status: "QUEUED" } } });
    supervisor = startSupervisor(database.url);
    await ready();
    expect(await newestJob(hasEnded)).toMatchObject({
      status: "completed",
      done: FAILURES,
      total: FAILURES,
      errorMessage: null,
    });
    expect(await db.$count(failureCases)).toBe(FAILURES);

    const search = { model: "demo-1m", benchmarks: [benchmark], batch: WAVE };
    expect((await ask(FIND, { input: search })).data.findTokenPairs).toMatchObject({ kind: "FIND_PAIRS" });
    expect(await newestJob((job) => job.kind === "find_pairs" && hasEnded(job))).toMatchObject({
      status: "completed",
      done: FAILURES,
    });
    const pairsOf = async () => {
      const rows = await db.select().from(tokenPairs).innerJoin(
        failureCases,
        eq(failureCases.id, tokenPairs.failureCaseId),
      );
      return new Map(rows.map(({ token_pairs: pair, failure_cases: row }) => [row.key, {
        position: pair.position,
        pair: [pair.targetId, pair.contrastId, pair.delta],
        candidates: pair.candidates,
        status: row.status,
        prefix: row.prefix,
      }]));
    };
    const undisturbed = await pairsOf();
    expect(undisturbed.size).toBeGreaterThan(FAILURES - 2);

    for (const table of [pairSearches, tokenPairs]) await db.delete(table);
    await db.update(failureCases).set({
      status: "open",
      exclusion: null,
      exclusionNote: null,
      delta: null,
      prefix: "",
      inputIds: sql`${failureCases.inputIds}[1:${failureCases.promptTokens}]`,
      tokenTexts: sql`${failureCases.tokenTexts}[1:${failureCases.promptTokens}]`,
      segments: sql`left(${failureCases.segments}, ${failureCases.promptTokens})`,
      tokenCount: sql`${failureCases.promptTokens}`,
    });
    const victim = await ready();
    await ask(FIND, { input: { ...search, idempotencyKey: "second" } });
    const before = await newestJob(({ idempotencyKey, done }) => idempotencyKey === "second" && done >= 2);
    process.kill(victim, "SIGKILL");
    expect(before.done).toBeLessThan(FAILURES);
    // As if its heartbeat had been missed for long enough.
    await db.execute(sql`update pgboss.job set heartbeat_on = now() - interval '1 hour' where state = 'active'`);
    await boss.supervise();
    const job = await newestJob((one) => one.idempotencyKey === "second" && hasEnded(one));
    expect(job).toMatchObject({ status: "completed", message: expect.stringContaining("clean") });
    // The second attempt had only those left that the first had not decided.
    expect(job.total).toBeLessThan(FAILURES);
    expect(await pairsOf()).toEqual(undisturbed);
  },
);

test("a cancelled search keeps what it found, and can be asked for again", LONG, async () => {
  const { db } = database.connection;
  const benchmark = await failingBenchmark(FAILURES);
  supervisor = startSupervisor(database.url);
  await ask(COLLECT, { input: { model: "demo-1m", benchmark, maxTokens: MOST_TOKENS, promptTemplate: "plain" } });
  expect(await newestJob(hasEnded)).toMatchObject({ status: "completed" });
  const { id } = (await ask(FIND, { input: { model: "demo-1m", batch: WAVE } })).data.findTokenPairs;
  await newestJob(({ kind, done }) => kind === "find_pairs" && done >= 1);
  expect((await ask(CANCEL, { id })).data.cancelJob).toEqual({ __typename: "Job", status: "CANCELLED" });
  // The worker puts it down: it takes up the next job.
  await ask(FIND, { input: { model: "demo-1m", idempotencyKey: "next" } });
  const next = await newestJob((job) => job.idempotencyKey === "next" && hasEnded(job));
  expect(next).toMatchObject({ status: "completed" });
  expect(next.total).toBeLessThan(FAILURES);
  expect(await db.$count(failureCases, eq(failureCases.status, "open"))).toBe(0);
});

test("models and benchmarks that are not there are refused, and so are tokenizers that differ", async () => {
  const wrong = async (query: string, input: object) => Object.values((await ask(query, { input })).data)[0];
  expect(await wrong(COLLECT, { model: "nobody", benchmark: "demo-math" })).toMatchObject({ where: "model" });
  expect(await wrong(COLLECT, { model: DEMO, benchmark: "demo-math" })).toMatchObject({ where: "model" });
  expect(await wrong(COLLECT, { model: "demo-1m", benchmark: "nothing" })).toMatchObject({ where: "benchmark" });
  expect(await wrong(COLLECT, { model: "demo-1m", benchmark: "/etc/passwd" })).toMatchObject({ where: "benchmark" });
  expect(await wrong(FIND, { model: "demo-1m", sibling: "nobody" })).toMatchObject({ where: "sibling" });
});

test("the command line refuses what makes no sense before it opens anything", async () => {
  await refused(["pairs"], /^--model: is missing/);
  await refused(["collect", "--model", "m"], /^--benchmark: is missing/);
  await refused(["collect", "--model", "m", "--benchmark", "b", "--limit", "0"], /^--limit: "0" is no count/);
  await refused(["pairs", "--model", "m", "--positions", "two"], /^--positions: "two" is no count/);
  await refused(["pairs", "--model", "m", "--position-rule", "best"], /^--position-rule: "best" is no rule/);
  await refused(["pairs", "--model", "m", "--collect", "a", "--benchmark", "b"], /^--benchmark: is not for use with/);
  await refused(["pairs", "--model", "m", "--collect", ","], /^--collect: is empty/);
  await refused(["pairs", "models/demo-1m", "--model", "m"], /^culprit pairs: "models\/demo-1m" is not an option/);
});

/** A model that answers without a device: `answer` gives the new tokens. */
async function fakeModel(
  answer: (request: GenerateRequest) => GenerateResult,
  maxPositions?: number,
): Promise<LoadedModel> {
  const { config, close } = await openModelDirectory(DEMO);
  close();
  return {
    config: { ...config, ...(maxPositions === undefined ? {} : { maxPositions }) },
    generate: (requests: readonly GenerateRequest[]) => Promise.resolve(requests.map(answer)),
  } as unknown as LoadedModel;
}

test("answers are asked with the chat template, thinking off, checked, and stored once for each limit of tokens", async () => {
  const { db } = database.connection;
  const tokenizer = await loadTokenizer(DEMO);
  const checkers = openCheckers();
  const benchmark = await findBenchmark(db, "demo-math", "--benchmark");
  expect(benchmark).toMatchObject({ name: "demo-math", kind: "math", items: 500 });
  const rows = (await readFile(benchmark.path, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  const asked: GenerateRequest[][] = [];
  const model = await fakeModel((request) => {
    asked.at(-1)!.push(request);
    const prompt = tokenizer.decode(request.inputIds);
    const row = rows.find(({ problem }) => prompt.includes(problem));
    // The first two are answered rightly.
    const text = `It is \\boxed{${rows.indexOf(row) < 2 ? row.answer : "no"}}.`;
    return { ids: tokenizer.encode(text), stop: "eos", end: 2024, first: [] };
  });
  const run = async (settings: { maxTokens: number; limit: number }, loaded = model) => {
    const items: CollectedItem[] = [];
    const totals = await collect(benchmark, { promptTemplate: null, ...settings, batch: 3 }, {
      db,
      modelId,
      model: { ...loaded, generate: (requests) => (asked.push([]), loaded.generate(requests)) },
      tokenizer,
      checkers,
      options: {},
      onItems: (some) => Promise.resolve(void items.push(...some)),
    });
    return { items, totals };
  };
  const first = await run({ maxTokens: 64, limit: 5 });
  expect(first.totals).toEqual({
    total: 5,
    collected: 5,
    unchanged: 0,
    skipped: 0,
    passed: 2,
    failed: 3,
    undecided: 0,
  });
  expect(asked.map(({ length }) => length)).toEqual([3, 2]);
  expect(asked.flat().every(({ maxTokens }) => maxTokens === 64)).toBe(true);
  const rendered = tokenizer.chat([{ role: "user", content: rows[0].problem }], { thinking: false });
  expect(rendered).toContain("<think>\n\n</think>");
  expect(asked.flat().map(({ inputIds }) => tokenizer.decode(inputIds))).toContain(rendered);
  const stored = await db.select().from(responses).orderBy(responses.id);
  expect(
    stored.every(({ completionIds, completion }) =>
      completionIds.at(-1) === 2024 && completion === tokenizer.decode(completionIds.slice(0, -1))
    ),
  ).toBe(true);
  const cases = await db.select().from(failureCases);
  expect(cases.map(({ key }) => key).sort()).toEqual(
    stored.filter(({ passed }) => passed === false).map(({ key }) => key).sort(),
  );
  expect(cases[0]).toMatchObject({ status: "open", source: "collected", prefix: "", item: { kind: "math" } });

  // Known ones are not asked again, a higher limit asks those that are missing, another number of tokens all.
  expect((await run({ maxTokens: 64, limit: 7 })).totals).toMatchObject({
    collected: 2,
    unchanged: 5,
    passed: 2,
    failed: 5,
  });
  expect(asked.flat()).toHaveLength(7);
  expect((await run({ maxTokens: 32, limit: 5 })).totals).toMatchObject({ collected: 5, unchanged: 0 });
  expect(await db.$count(responses)).toBe(12);

  // A prompt that fills the context is left out, and said.
  const room = Math.max(...asked.flat().map(({ inputIds }) => inputIds.length));
  const { generate } = model;
  const small = { ...await fakeModel(() => ({ ids: [5], stop: "length", end: null, first: [] }), room), generate };
  const short = await run({ maxTokens: 16, limit: 5 }, small);
  expect(short.totals.skipped).toBeGreaterThan(0);
  expect(short.items.find(({ result }) => result === "skipped")?.reason).toMatch(
    /^the prompt has \d+ tokens, the model/,
  );
  await checkers.close();
});

test("an answer is checked without its thought, and both are stored, told apart", async () => {
  const { db } = database.connection;
  const tokenizer = await loadTokenizer(DEMO);
  const checkers = openCheckers();
  const benchmark = await findBenchmark(db, "demo-math", "--benchmark");
  const rows = (await readFile(benchmark.path, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  const asked: GenerateRequest[] = [];
  const answers = ["</think>\n\nIt is \\boxed{no}.", "</think>\n\nIt is \\boxed{ANSWER}.", ""];
  const model = await fakeModel((request) => {
    asked.push(request);
    const row = rows.find(({ problem }) => tokenizer.decode(request.inputIds).includes(problem));
    // All think the right answer; one writes another, and one never stops thinking.
    const thought = tokenizer.encode(`<think>\nIt is \\boxed{${row.answer}}.\n`);
    const rest = tokenizer.encode(answers[rows.indexOf(row)]!.replace("ANSWER", row.answer));
    const end = rest.length === 0 ? 0 : tokenizer.encode("</think>\n\n").length;
    const tokens = thought.length + end;
    return { ids: [...thought, ...rest], stop: "eos", end: 2024, first: [], thought: { tokens, inserted: end } };
  });
  const settings = { promptTemplate: null, maxTokens: 64, limit: 3, batch: 8, thinkingTokens: 30 };
  const parts = { db, modelId, model, tokenizer, checkers, options: {} };
  expect(await collect(benchmark, settings, parts)).toMatchObject({ collected: 3, passed: 1, failed: 2 });
  expect(asked.map(({ maxTokens, thought }) => [maxTokens, thought?.budget])).toEqual(Array(3).fill([64, 30]));
  expect(tokenizer.decode(asked[0]!.inputIds)).toMatch(/assistant\n$/);
  expect(tokenizer.decode(asked[0]!.thought!.ending)).toMatch(/ now\.\n<\/think>\n\n$/);
  const stored = await db.select().from(responses).orderBy(responses.id);
  expect(stored.every(({ key, thought }) => key.endsWith("/greedy-64-thinking-30") && thought?.budget === 30)).toBe(
    true,
  );
  const LIST =
    `{ responses(first: 9, orderBy: { by: KEY }) { nodes { completion answer thought { text budget tokens insertedTokens } } } }`;
  const { data } = await ask(LIST, {});
  const told: readonly { completion: string; answer: string; thought: { text: string; tokens: number } }[] =
    data.responses.nodes;
  expect(told.map(({ answer }) => answer).sort()).toEqual([
    "",
    "It is \\boxed{no}.",
    `It is \\boxed{${rows[1].answer}}.`,
  ].sort());
  for (const { completion, thought } of told) {
    expect(thought.text).toMatch(/^It is \\boxed\{.*\}\.$/);
    expect(completion).toContain(`<think>\n${thought.text}`);
  }
  const cases = await db.select().from(failureCases);
  expect(cases.map(({ metadata }) => metadata["thought"])).toEqual(
    stored.filter(({ passed }) => passed === false).map(({ thought }) => thought),
  );
  await checkers.close();
});
