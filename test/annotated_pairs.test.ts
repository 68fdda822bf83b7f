/** Pairs that annotators choose, computed by a worker; their numbers are those that transformers found for the demo. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq, sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openDevice } from "../gpu/device/dawn.ts";
import { loadModel } from "../gpu/loaded_model.ts";
import { loadTokenizer, type Tokenizer } from "../gpu/model/tokenizer.ts";
import { pairSearches } from "../schema/tables/search_tables.ts";
import { annotations, failureCases, jobs, responses, tokenPairs } from "../schema/tables/tables.ts";
import type { Candidate } from "../schema/tables/values.ts";
import { addModel } from "../server/models/add_model.ts";
import { importFile } from "../server/import/import_file.ts";
import { checkItemOf } from "../server/benchmarks/items.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { createServices } from "../server/http/services.ts";
import { readSettings, ROOT } from "../server/base/settings.ts";
import { storeResponses } from "../server/cases/store_responses.ts";
import { startSupervisor, type Supervisor } from "../server/worker/supervisor.ts";
import { type JobWatcher, startJobWatcher } from "../server/jobs/watch_job.ts";
import { testDatabase } from "./database.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const DEMO = join(ROOT, "models", "demo-1m");
/** Relative to the target's logit, as everywhere. */
const TOLERANCE = 1e-4;

const database = testDatabase();
let boss: PgBoss;
let watcher: JobWatcher;
let ask: ReturnType<typeof graphqlClient>;
let supervisor: Supervisor;
let tokenizer: Tokenizer;
let folder = "";
let modelId = 0;
let mined: Mined[] = [];

/** A line of failure-cases.jsonl. */
interface Mined {
  readonly benchmark: string;
  readonly task: string;
  readonly prompt: string;
  readonly inputIds: number[];
  readonly promptTokens: number;
  readonly completion: string;
  readonly completionIds: number[];
  readonly target: { readonly id: number; readonly text: string; readonly logit: number };
  readonly contrast: { readonly id: number; readonly text: string; readonly logit: number; readonly rank: number };
  readonly delta: number;
  readonly candidates: readonly Candidate[];
}

const linesOf = async (path: string) =>
  (await readFile(path, "utf8")).trim().split("\n").map((line) => JSON.parse(line));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-annotated-"));
  boss = await startQueue(database.url);
  watcher = await startJobWatcher(database.connection);
  const services = createServices({ settings: readSettings({}), connection: database.connection, boss, watcher });
  ask = graphqlClient(database, services);
  modelId = (await addModel(database.connection.db, DEMO, undefined)).id;
  tokenizer = await loadTokenizer(DEMO);
  mined = (await linesOf(join(DEMO, "failure-cases.jsonl"))).filter(({ benchmark }) => benchmark === "demo-math");
  supervisor = startSupervisor(database.url);
});
afterAll(async () => {
  await supervisor?.stop();
  await watcher?.stop();
  await boss?.stop({ graceful: false });
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  const { db } = database.connection;
  for (const table of [annotations, pairSearches, tokenPairs, failureCases, responses, jobs]) await db.delete(table);
  await db.execute(sql`delete from pgboss.job`);
});

type Row = typeof failureCases.$inferSelect;
const position = ({ inputIds, promptTokens }: Mined) => inputIds.length - promptTokens;

/** Stores a mined failure as an open case: its position and pair are not known. */
async function openCase(one: Mined, changes: { completionIds?: number[]; item?: null } = {}): Promise<Row> {
  const { db } = database.connection;
  const rows = await linesOf(join(ROOT, "models", "benchmarks", "demo-math.jsonl"));
  const answer = {
    modelId,
    benchmark: "demo-math",
    task: one.task,
    docHash: one.task,
    promptHash: "prompt",
    filter: "none",
    messages: [],
    prompt: one.prompt,
    promptIds: one.inputIds.slice(0, one.promptTokens),
    completion: one.completion,
    completionIds: one.completionIds,
    instructionPhrases: [],
    item: checkItemOf(rows[Number(one.task) - 1]),
    verdict: { passed: false, reason: "another answer" },
    source: "collected",
    metadata: { maxTokens: 96 },
    ...changes,
  } as const;
  await db.transaction((tx) => storeResponses(tx, [answer], () => tokenizer));
  return (await db.select().from(failureCases).orderBy(failureCases.id)).at(-1)!;
}

const ANNOTATE = `mutation ($input: AnnotateCaseInput!) { annotateCase(input: $input) {
  __typename ... on InputError { message } } }`;
const FIND = `mutation ($input: FindTokenPairsInput!) { findTokenPairs(input: $input) {
  __typename ... on InputError { message } } }`;

/** Says it, and waits for the job that computes the pair; gives the job's message. */
async function say(row: Row, annotator: string, at: number, contrastId: number): Promise<string | null> {
  const input = {
    failureCaseId: globalId("FailureCase", row.id),
    annotator,
    decision: "PAIR",
    position: at,
    contrastId,
  };
  expect((await ask(ANNOTATE, { input })).data.annotateCase).toEqual({ __typename: "Annotation" });
  return await jobEnds();
}

/** Waits for the newest job. */
async function jobEnds(): Promise<string | null> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    const [job] = await database.connection.db.select().from(jobs).orderBy(sql`${jobs.createdAt} desc`).limit(1);
    if (job?.status === "completed") return job.message;
    if (job?.status === "failed") throw new Error(job.errorMessage ?? "");
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("The job did not end in time");
}

async function stored(id: number) {
  const { db } = database.connection;
  const [row] = await db.select().from(failureCases).where(eq(failureCases.id, id));
  const pairs = await db.select().from(tokenPairs).where(eq(tokenPairs.failureCaseId, id)).orderBy(tokenPairs.id);
  return { row: row!, pairs };
}

test("a pair that one annotator chose appears with logits, rank, rollout and verdict, as transformers has them", async () => {
  for (const one of mined.slice(0, 3)) {
    const open = await openCase(one);
    expect(open).toMatchObject({ status: "open", prefix: "", delta: null });
    const message = await say(open, "Ada", position(one), one.contrast.id);
    const { row, pairs: [pair, ...more] } = await stored(open.id);
    expect(more).toEqual([]);
    expect(row).toMatchObject({ status: "clean", reviewer: "Ada", inputIds: one.inputIds, exclusionNote: null });
    expect(message).toBe(`${row.key}: clean, delta ${pair!.delta.toFixed(3)}`);
    expect(pair).toMatchObject({
      source: "annotation",
      position: one.inputIds.length,
      targetId: one.target.id,
      contrastId: one.contrast.id,
      contrastText: one.contrast.text,
      contrastRank: one.contrast.rank,
    });
    expect(Math.abs(pair!.targetLogit - one.target.logit)).toBeLessThan(TOLERANCE * one.target.logit);
    expect(Math.abs(pair!.contrastLogit - one.contrast.logit)).toBeLessThan(TOLERANCE * one.target.logit);
    expect(pair!.delta).toBe(pair!.targetLogit - pair!.contrastLogit);
    expect(pair!.candidates.map(({ id, rank, text }) => [id, rank, text]))
      .toEqual(one.candidates.map(({ id, rank, text }) => [id, rank, text]));
    // The chosen one was rolled out and checked; the others nobody asked for.
    const tried = pair!.candidates.filter(({ completion }) => completion !== null);
    const wanted = one.candidates.filter(({ id }) => id === one.target.id || id === one.contrast.id);
    expect(tried.map(({ id, completion, passed }) => [id, completion, passed]))
      .toEqual(wanted.map(({ id, completion, passed }) => [id, completion, passed]));
    expect(wanted.map(({ passed }) => passed)).toEqual([false, true]);
  }
});

test("a case that nothing can check is placed all the same; its rollout has no verdict", async () => {
  const [one] = mined;
  const open = await openCase(one!, { item: null });
  await say(open, "Ada", position(one!), one!.contrast.id);
  const { row, pairs: [pair] } = await stored(open.id);
  expect(row.status).toBe("clean");
  const chosen = pair!.candidates.find(({ id }) => id === one!.contrast.id);
  const known = one!.candidates.find(({ id }) => id === one!.contrast.id);
  expect(chosen).toMatchObject({ passed: null, completion: known!.completion });
});

test("a wrong token that the model would not have chosen leaves the case out, with what it would have chosen", async () => {
  const [one] = mined;
  const at = position(one!);
  // The answer as if sampled: the alternative stands where the argmax should.
  const completionIds = one!.completionIds.with(at, one!.contrast.id);
  const open = await openCase(one!, { completionIds });
  const message = await say(open, "Ada", at, one!.target.id);
  const { row, pairs } = await stored(open.id);
  const [target, contrast] = [one!.target, one!.contrast].map(({ text }) => JSON.stringify(text));
  expect(row).toMatchObject({
    status: "excluded",
    exclusion: "target_not_argmax",
    exclusionNote: `${contrast} at position ${at} is rank ${one!.contrast.rank}, the argmax is ${target}`,
    reviewer: "Ada",
  });
  expect(pairs).toEqual([]);
  expect(message).toBe(`${row.key}: target_not_argmax (${row.exclusionNote})`);
});

test("a delta of 1 or less is stored and leaves the case out", async () => {
  const device = await openDevice();
  const model = await loadModel(device, DEMO);
  // Where two tokens are nearly as good, somewhere in an answer.
  const places = await Promise.all(
    mined.slice(0, 40).map(async (one) => {
      const inputIds = [...one.inputIds.slice(0, one.promptTokens), ...one.completionIds];
      const [next] = await model.nextTokens([{ inputIds, from: one.promptTokens - 1, top: 2 }]);
      return { one, at: next!.findIndex(([best, second]) => best!.logit - second!.logit < 0.9), next: next! };
    }),
  );
  device.close();
  const close = places.find(({ one, at }) => at >= 0 && at < one.completionIds.length)!;
  const [best, second] = close.next[close.at]!;
  expect(close.one.completionIds[close.at]).toBe(best!.id);
  const open = await openCase(close.one);
  await say(open, "Ada", close.at, second!.id);
  const { row, pairs: [pair] } = await stored(open.id);
  expect(row).toMatchObject({ status: "excluded", exclusion: "delta_too_small", reviewer: "Ada" });
  expect(row.exclusionNote).toMatch(/^delta 0\.\d{3} of ".*" at position \d+ against ".*"$/);
  expect(pair).toMatchObject({ contrastRank: 1, delta: best!.logit - second!.logit });
});

test("annotators that disagree leave the case open until more than half say the same; no search takes it", async () => {
  const [one] = mined;
  const at = position(one!);
  const open = await openCase(one!);
  const vote = async (annotator: string, contrastId: number) => {
    const path = join(folder, `${annotator}.jsonl`);
    const line = { key: open.key, decision: "pair", position: at, contrast: { id: contrastId }, reason: "" };
    await writeFile(path, JSON.stringify(line));
    const options = { from: "annotations", path, name: path, annotator, at: undefined } as const;
    const { report } = await importFile(database.connection.db, { ...options, onBatch: () => Promise.resolve() });
    expect(report).toMatchObject({ inserted: 1, failedCount: 0 });
  };
  const other = one!.candidates.find(({ id }) => id !== one!.target.id && id !== one!.contrast.id)!;
  await vote("Ada", one!.contrast.id);
  await vote("Bob", other.id);
  expect((await stored(open.id)).row.status).toBe("open");
  await ask(FIND, { input: { model: "demo-1m" } });
  expect(await jobEnds()).toBe("0 clean, 0 excluded of 1 cases, 1 wait for another vote");
  const held = await stored(open.id);
  const said = [one!.contrast, other].map(({ text }) => `${JSON.stringify(text)} at position ${at}`);
  expect(held.row).toMatchObject({
    status: "open",
    exclusionNote: `annotators disagree: ${said[0]} (Ada) or ${said[1]} (Bob)`,
  });
  expect([held.pairs, await database.connection.db.$count(pairSearches)]).toEqual([[], 0]);
  await say(open, "Eve", at, one!.contrast.id);
  const { row, pairs: [pair, ...more] } = await stored(open.id);
  expect(row).toMatchObject({ status: "clean", reviewer: "Ada, Eve", exclusionNote: null });
  expect([pair!.contrastId, more]).toEqual([one!.contrast.id, []]);
});

test("imported votes decide when pairs are searched; the search takes the others", async () => {
  const [one, two, three] = mined;
  const rows = [await openCase(one!), await openCase(two!), await openCase(three!)];
  const path = join(folder, "votes.jsonl");
  await writeFile(
    path,
    [
      { key: rows[0]!.key, position: position(one!), contrast: { text: one!.contrast.text }, reason: "sum" },
      { key: rows[1]!.key, decision: "exclude", reason: "the task is broken" },
    ].map((line) => JSON.stringify(line)).join("\n"),
  );
  const options = { from: "annotations", path, name: path, annotator: "Ada", at: undefined } as const;
  await importFile(database.connection.db, { ...options, onBatch: () => Promise.resolve() });
  await ask(FIND, { input: { model: "demo-1m" } });
  expect(await jobEnds()).toBe("2 clean, 1 excluded of 3 cases");
  const [first, second, third] = await Promise.all(rows.map(({ id }) => stored(id)));
  expect(first).toMatchObject({ row: { status: "clean" }, pairs: [{ source: "annotation" }] });
  expect(second).toMatchObject({
    row: { exclusion: "annotator", exclusionNote: "the task is broken", reviewer: "Ada" },
    pairs: [],
  });
  expect(third).toMatchObject({ row: { status: "clean", reviewer: null }, pairs: [{ source: "search" }] });
});

const VISITED = `query ($id: ID!, $from: Int!, $count: Int!, $first: Int!) { node(id: $id) { ... on FailureCase {
  visitedPositionCount
  visitedPositions(from: $from, count: $count) {
    position proposedBy target { id text rank logit } triedCount recovered
    tried(first: $first) { rank id text logit completion passed endedEarly } } } } }`;

test("the evidence of every position that a search visited is read in windows", async () => {
  const one = mined.find((line) => position(line) > 2)!;
  const open = await openCase(one);
  const id = globalId("FailureCase", open.id);
  const read = (from: number, count: number, first = 10) => ask(VISITED, { id, from, count, first });
  expect((await read(0, 64)).data.node).toEqual({ visitedPositionCount: 0, visitedPositions: [] });
  await ask(FIND, { input: { model: "demo-1m" } });
  await jobEnds();
  const all = (await read(0, 64)).data.node;
  const at = position(one);
  expect(all.visitedPositionCount).toBe(at + 1);
  expect(all.visitedPositions.map((row: { position: number }) => row.position))
    .toEqual(Array.from({ length: at + 1 }, (_, index) => index));
  expect(all.visitedPositions.map((row: { target: { id: number } }) => row.target.id))
    .toEqual(one.completionIds.slice(0, at + 1));
  // Only the last recovers; what was tried there is what transformers found.
  expect(all.visitedPositions.map((row: { recovered: boolean }) => row.recovered))
    .toEqual([...Array.from({ length: at }, () => false), true]);
  const last = all.visitedPositions.at(-1);
  expect(last).toMatchObject({
    proposedBy: "OWN",
    target: { id: one.target.id, text: one.target.text, rank: 0 },
    triedCount: one.candidates.length - 1,
  });
  const early = new Map<number, number>(
    last.tried.filter(({ endedEarly }: Candidate) => endedEarly)
      .map(({ id, completion }: Candidate) => [id, completion!.length]),
  );
  // A completion that ended early is the beginning of theirs, and failed.
  const theirs = one.candidates.filter((candidate) => candidate.id !== one.target.id)
    .map(({ rank, id, completion, passed }) => [rank, id, completion!.slice(0, early.get(id)), passed]);
  const known = last.tried.map(({ rank, id, completion, passed }: Candidate) => [rank, id, completion, passed]);
  expect([...known].sort(([a], [b]) => a - b)).toEqual(theirs);
  // Those that passed come first.
  const verdicts: boolean[] = last.tried.map(({ passed }: Candidate) => passed);
  expect(verdicts).toEqual([...verdicts].sort((a, b) => Number(b) - Number(a)));
  expect(last.tried[0].id).toBe(one.contrast.id);

  expect((await read(1, 1, 2)).data.node.visitedPositions)
    .toEqual([{ ...all.visitedPositions[1], tried: all.visitedPositions[1].tried.slice(0, 2) }]);
  expect((await read(at + 1, 5)).data.node.visitedPositions).toEqual([]);
  expect((await read(0, 65)).errors?.[0]?.message).toMatch(/count is 65; give a count from 1 to 64/);
  expect((await read(-1, 5)).errors?.[0]?.message).toMatch(/from is -1/);
  expect((await read(0, 1, 101)).errors?.[0]?.message).toMatch(/first is 101; give a number from 1 to 100/);
  expect((await read(0, 64, 100)).errors?.[0]?.extensions).toMatchObject({ code: "TOO_COSTLY" });
});

test("another position of a placed case is a case of its own; what was left out by hand counts again when it is marked", async () => {
  const one = mined.find((line) => position(line) > 1)!;
  const open = await openCase(one);
  await say(open, "Ada", position(one), one.contrast.id);
  const before = await stored(open.id);
  const message = await say(open, "Ada", 0, one.contrast.id);
  expect(await stored(open.id)).toEqual(before);
  const [sibling] = await database.connection.db.select().from(failureCases)
    .where(eq(failureCases.key, `${open.key}@0`));
  expect(sibling).toMatchObject({ prefix: "", tokenCount: one.promptTokens, reviewer: "Ada" });
  expect(message).toContain(`${open.key}@0: `);

  const failureCaseId = globalId("FailureCase", open.id);
  await ask(ANNOTATE, { input: { failureCaseId, annotator: "Ada", decision: "EXCLUDE", reason: "unsure" } });
  expect((await stored(open.id)).row).toMatchObject({ status: "excluded", exclusion: "annotator" });
  await say(open, "Ada", position(one), one.contrast.id);
  expect(await stored(open.id)).toEqual(before);
});
