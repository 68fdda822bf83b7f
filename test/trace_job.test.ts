/** Traces over GraphQL: asked, computed by a real worker on the demo model, read in windows, and equal to the engine's. */
import { join } from "node:path";
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, beforeAll, expect, test } from "vitest";
import { failureCases, jobs, tokenPairs } from "../schema/tables/tables.ts";
import { traces } from "../schema/tables/trace_tables.ts";
import { loadTokenizer, openEngine } from "../gpu/mod.ts";
import { downloadTrace } from "../server/traces/download.ts";
import { createPlanner, type Planner } from "../server/planning/planner.ts";
import { planWork } from "../server/planning/plan_work.ts";
import { cutCompletion } from "../server/traces/cut_steps.ts";
import { stepsOfRow } from "../server/traces/stored_steps.ts";
import { plannedSeeds } from "../server/traces/trace.ts";
import { createTraceJob } from "../server/traces/trace_job.ts";
import { ROOT } from "../server/base/settings.ts";
import { segmentsOf } from "../server/cases/segments.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { addModel } from "../server/models/add_model.ts";
import { startSupervisor, type Supervisor } from "../server/worker/supervisor.ts";
import { testDatabase } from "./database.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const DEMO = join(ROOT, "models", "demo-1m");
const database = testDatabase();
let boss: PgBoss;
const ask = graphqlClient(database, {
  trace: async (request) => (await createTraceJob(database.connection.db, boss, request)).id,
  planWork: (request) => planWork(database.connection.db, planner, request),
});
let planner: Planner;
let pairId: number;
let tokens: number;
let promptTokens: number;
let supervisor: Supervisor;

beforeAll(async () => {
  const { db } = database.connection;
  boss = await startQueue(database.url);
  const { id: modelId } = await addModel(db, DEMO, undefined);
  const tokenizer = await loadTokenizer(DEMO);
  const promptIds = tokenizer.encode(tokenizer.chat([{ role: "user", content: "What is 2 + 2? Be brief." }]));
  const prefixIds = tokenizer.encode("First 2 and 2. Then\n2 + 2 = 4\nSo it is ", { continues: true });
  const inputIds = [...promptIds, ...prefixIds];
  [tokens, promptTokens] = [inputIds.length, promptIds.length];
  const [target, contrast] = [tokenizer.single("5", "target"), tokenizer.single("4", "contrast")];
  const [row] = await db.insert(failureCases).values({
    modelId,
    key: "traces/1",
    benchmark: "traces",
    task: "1",
    messages: [],
    prompt: tokenizer.decode(promptIds),
    prefix: "",
    completion: "5",
    completionIds: [...prefixIds, target],
    instructionPhrases: [],
    metadata: { maxTokens: prefixIds.length + 4 },
    inputIds,
    promptTokens: promptIds.length,
    tokenTexts: inputIds.map((id) => tokenizer.token(id)),
    segments: segmentsOf(tokenizer, inputIds, promptIds.length, []),
    tokenCount: inputIds.length,
    delta: 2,
    status: "clean",
    source: "imported",
    item: { kind: "gsm8k", answer: "4" },
    contentHash: "traces/1",
  }).returning({ id: failureCases.id });
  const [pair] = await db.insert(tokenPairs).values({
    failureCaseId: row!.id,
    position: inputIds.length,
    targetId: target,
    targetText: "5",
    targetLogit: 5,
    contrastId: contrast,
    contrastText: "4",
    contrastLogit: 3,
    contrastRank: 1,
    delta: 2,
    source: "imported",
    candidates: [],
    contentHash: "traces/1",
  }).returning({ id: tokenPairs.id });
  pairId = pair!.id;
  supervisor = startSupervisor(database.url);
  planner = createPlanner();
});
afterAll(async () => {
  await planner?.stop();
  await supervisor?.stop();
  await boss?.stop({ graceful: false });
});

const TRACE = `mutation Trace($input: TraceInput!) {
  trace(input: $input) { __typename ... on Job { id kind about } ... on InputError { message } }
}`;

async function trace(input: Record<string, unknown>): Promise<typeof jobs.$inferSelect> {
  const { db } = database.connection;
  const asked = (await ask(TRACE, { input: { tokenPairIds: [globalId("TokenPair", pairId)], ...input } })).data.trace;
  expect(asked.kind, JSON.stringify(asked)).toBe("TRACE");
  for (const deadline = Date.now() + 100_000; Date.now() < deadline;) {
    const rows = await db.select().from(jobs).where(eq(jobs.kind, "trace")).orderBy(jobs.createdAt);
    if (rows.every(({ finishedAt }) => finishedAt !== null)) return rows.at(-1)!;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("The job did not end in time");
}

const ROW = "row { value tokens absolute own special signed shares weight signedWeight lost signedLost }";
async function readTraces() {
  const query = `query Read($id: ID!) { node(id: $id) { ... on TokenPair { traces {
    rule boundaries promptTokens tokenCount sentences { start end text }
    steps { index kind start end text weight signedWeight ${ROW} }
    error ${ROW.slice(3)} heat signedHeat: heat(signed: true) direct: relevance second: relevance(step: 1)
    window: relevance(step: 1, from: 3, count: 4) reach { step completion rollouts { id text rank passed } } lostAt strongest(count: 3) { position text share signed }
  } } } }`;
  return (await ask(query, { id: globalId("TokenPair", pairId) })).data.node.traces;
}
const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
const within = (values: readonly number[], { start, end }: { start: number; end: number }) => values.slice(start, end);

test("a trace is computed, stored once, and its numbers fit together", async () => {
  expect((await trace({})).errorMessage).toBe(null);
  await trace({});
  const found = await readTraces();
  expect(found).toHaveLength(1);
  const [one] = found;
  expect(one).toMatchObject({ rule: "ATTNLRP", boundaries: null, promptTokens, tokenCount: tokens, reach: null });
  expect(one.sentences.map(({ text }: { text: string }) => text)).toEqual(["What is 2 + 2?", "Be brief."]);
  expect(one.steps.map(({ text, kind }: { text: string; kind: string }) => [kind, text])).toEqual([
    ["SENTENCE", "First 2 and 2."],
    ["SENTENCE", "Then"],
    ["LINE", "2 + 2 = 4"],
    ["LINE", "So it is"],
  ]);
  expect(one.steps[0].start).toBe(promptTokens);
  expect(one.steps.at(-1).end).toBe(tokens);
  const rows = [...one.steps.map(({ row }: { row: unknown }) => row), one.error];
  for (const [index, row] of rows.entries()) {
    expect(row.shares).toHaveLength(one.sentences.length + index);
    expect(sum(row.shares) + row.own + row.special).toBeCloseTo(1, 9);
  }
  const columns = [...one.sentences, ...one.steps];
  const weights = columns.map((column) => sum(within(one.heat, column)));
  one.steps.forEach(({ weight }: { weight: number }, index: number) => {
    expect(weights[one.sentences.length + index]).toBeCloseTo(weight, 5);
  });
  expect(sum(one.sentences.map((_: unknown, at: number) => weights[at]!)) + sum(rows.map(({ lost }) => lost)))
    .toBeCloseTo(1, 5);
  // The error's own row, from its vector.
  expect(sum(one.direct.map(Math.abs))).toBeCloseTo(one.error.absolute, 4);
  expect(one.strongest).toHaveLength(3);
  for (const { position, share, signed } of one.strongest) {
    expect(position).toBeLessThan(promptTokens);
    expect([share, signed]).toEqual([one.heat[position], one.signedHeat[position]]);
  }
  expect(one.strongest[0].share).toBeGreaterThanOrEqual(one.strongest[1].share);
  expect(one.window).toEqual(one.second.slice(3, 7));
  expect(one.second.slice(one.steps[1].end - 1).every((value: number) => value === 0)).toBe(true);
});

test("steps that somebody cut, and continuations from each step's end", async () => {
  const boundaries = [promptTokens, promptTokens + 4];
  expect((await trace({ boundaries, rollouts: 2 })).errorMessage).toBe(null);
  const [one, ...others] = await readTraces();
  expect(others).toHaveLength(1);
  expect(one.boundaries).toEqual(boundaries);
  expect(one.steps.map(({ kind, start }: { kind: string; start: number }) => [kind, start])).toEqual(
    boundaries.map((start) => ["CHOSEN", start]),
  );
  expect(one.reach.map(({ step }: { step: number | null }) => step)).toEqual([null, 0, 1]);
  for (const { rollouts } of one.reach) expect(rollouts.map(({ rank }: { rank: number }) => rank)).toEqual([0, 1]);
  const job = await trace({ boundaries: [tokens + 5] });
  expect(job.errorMessage).toMatch(/is no place for a step to begin; give ascending positions from 1 to/);
});

test("boundaries of several pairs, and ones that do not ascend, are one line", async () => {
  const refused = async (input: Record<string, unknown>, message: RegExp) =>
    expect((await ask(TRACE, { input })).data.trace.message).toMatch(message);
  await refused({ selection: "CLEAN", boundaries: [3] }, /^boundaries: steps are cut for one pair at a time/);
  await refused(
    { tokenPairIds: [globalId("TokenPair", pairId)], boundaries: [5, 5] },
    /^boundaries: 5 does not ascend/,
  );
});

test("the stored trace as JSON and as a picture", async () => {
  const { db } = database.connection;
  const [stored] = await db.select({ id: traces.id }).from(traces).orderBy(traces.id).limit(1);
  const json = await (await downloadTrace(db, `/traces/${stored!.id}.json`))!.json();
  expect(json).toMatchObject({ promptTokens, error: { target: { text: "5" }, contrast: { text: "4" } }, lostAt: null });
  expect([json.inputIds.length, json.heat.length, json.relevance.length]).toEqual([tokens, tokens, tokens]);
  expect(sum(json.relevance.map(Math.abs))).toBeCloseTo(json.error.absolute, 4);
  const svg = (await downloadTrace(db, `/traces/${stored!.id}.svg`))!;
  expect(svg.headers.get("content-type")).toBe("image/svg+xml");
  expect(await svg.text()).toContain("First 2 and 2.");
  expect((await downloadTrace(db, "/traces/99999.json"))!.status).toBe(404);
  expect(await downloadTrace(db, "/graphs/1.json")).toBe(undefined);
});

test("a plan counts the steps as they will be cut, and traces that are stored are not in it", async () => {
  const query = "query ($input: PlanInput!) { plan(input: $input) { ... on Plan { runs longest gpuBytes fits why } } }";
  const plan = async (rule: string) =>
    (await ask(query, { input: { work: "TRACE", tokenPairIds: [globalId("TokenPair", pairId)], rule } })).data.plan;
  const engine = await openEngine();
  try {
    const [row] = await database.connection.db.select().from(failureCases);
    const { inputIds } = row!;
    const cut = cutCompletion(await loadTokenizer(DEMO), inputIds, promptTokens, null);
    expect(cut.steps.length).toBeGreaterThan(1);
    expect(stepsOfRow(row!)).toEqual(cut.steps);
    const end = { kind: "pair", target: 1, contrast: 2 } as const;
    const requests = plannedSeeds({ inputIds, ...cut, end, rule: "cplrp" });
    const { gpuBytes } = await engine.plan(DEMO, { kind: "attribute", requests });
    expect(await plan("CPLRP")).toMatchObject({ runs: 1, longest: tokens, gpuBytes, fits: true });
    // One backward pass alone takes less.
    const [last] = requests.slice(-1);
    expect((await engine.plan(DEMO, { kind: "attribute", requests: [last!] })).gpuBytes).toBeLessThan(gpuBytes);
  } finally {
    engine.close();
  }
  expect(await plan("ATTNLRP")).toMatchObject({ runs: 0, longest: 0 });
});
