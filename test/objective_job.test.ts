/** Objectives over GraphQL: asked, computed by a real worker on the demo model, read, and equal to autograd's. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, beforeAll, expect, test } from "vitest";
import { failureCases, jobs, tokenPairs } from "../schema/tables/tables.ts";
import { loadTokenizer } from "../gpu/mod.ts";
import { createObjectiveJob } from "../server/attributions/objective_job.ts";
import { ROOT } from "../server/base/settings.ts";
import { segmentsOf } from "../server/cases/segments.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { addModel } from "../server/models/add_model.ts";
import { startSupervisor, type Supervisor } from "../server/worker/supervisor.ts";
import { relativeError } from "./compare.ts";
import { testDatabase } from "./database.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const DEMO = join(ROOT, "models", "demo-1m");
interface Golden {
  readonly model: string;
  readonly rule: string;
  readonly inputIds: number[];
  readonly objective: { readonly kind: string; readonly target: unknown; readonly contrast?: unknown };
  readonly value: number;
  readonly relevance: readonly (readonly number[])[];
  readonly target?: readonly (readonly number[])[];
}
/** By autograd through transformers' modules: test/reference/objectives.py. */
const golden = (JSON.parse(readFileSync(join(ROOT, "test/data/objectives.json"), "utf8")) as Golden[])
  .filter(({ model, rule }) => model === "demo-1m" && rule === "attnlrp");

const database = testDatabase();
let boss: PgBoss;
const ask = graphqlClient(database, {
  explainObjective: async (request) => (await createObjectiveJob(database.connection.db, boss, request)).id,
});
let pairId: number;
let supervisor: Supervisor;

beforeAll(async () => {
  const { db } = database.connection;
  boss = await startQueue(database.url);
  const { id: modelId } = await addModel(db, DEMO, undefined);
  const tokenizer = await loadTokenizer(DEMO);
  const { inputIds, objective: { target } } = golden[0]!;
  const contrast = { id: 5, text: tokenizer.token(5) };
  const [row] = await db.insert(failureCases).values({
    modelId,
    key: "objectives/1",
    benchmark: "objectives",
    task: "1",
    messages: [],
    prompt: tokenizer.decode(inputIds),
    prefix: "",
    completion: tokenizer.token(target as number),
    completionIds: [target as number],
    instructionPhrases: [],
    metadata: {},
    inputIds,
    promptTokens: inputIds.length,
    tokenTexts: inputIds.map((id) => tokenizer.token(id)),
    segments: segmentsOf(tokenizer, inputIds, inputIds.length, []),
    tokenCount: inputIds.length,
    delta: 2,
    status: "clean",
    source: "imported",
    contentHash: "objectives/1",
  }).returning({ id: failureCases.id });
  const [pair] = await db.insert(tokenPairs).values({
    failureCaseId: row!.id,
    position: inputIds.length,
    targetId: target as number,
    targetText: tokenizer.token(target as number),
    targetLogit: 5,
    contrastId: contrast.id,
    contrastText: contrast.text,
    contrastLogit: 3,
    contrastRank: 1,
    delta: 2,
    source: "imported",
    candidates: [],
    contentHash: "objectives/1",
  }).returning({ id: tokenPairs.id });
  pairId = pair!.id;
  supervisor = startSupervisor(database.url);
});
afterAll(async () => {
  await supervisor?.stop();
  await boss?.stop({ graceful: false });
});

const EXPLAIN = `mutation Explain($input: ExplainObjectiveInput!) {
  explainObjective(input: $input) {
    __typename
    ... on Job { id kind about }
    ... on InputError { message }
  }
}`;

async function explain(input: Record<string, unknown>): Promise<typeof jobs.$inferSelect> {
  const { db } = database.connection;
  const { explainObjective } = (await ask(EXPLAIN, {
    input: { tokenPairIds: [globalId("TokenPair", pairId)], ...input },
  })).data;
  expect(explainObjective.kind, JSON.stringify(explainObjective)).toBe("EXPLAIN_OBJECTIVE");
  for (const deadline = Date.now() + 100_000; Date.now() < deadline;) {
    const rows = await db.select().from(jobs).where(eq(jobs.kind, "explain_objective"));
    const job = rows.at(-1)!;
    if (rows.every(({ finishedAt }) => finishedAt !== null)) return job;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("The job did not end in time");
}

test("every objective is autograd's, stored once, and read with its terms and branches", async () => {
  const ids = (list: unknown) => (list as number[]).join(",");
  const inputOf = ({ objective: { kind, target, contrast } }: Golden) => ({
    kind: kind.toUpperCase(),
    ...(kind === "top" ? { count: 4 } : {}),
    ...(kind === "sequence" ? { target: ids(target), contrast: ids(contrast) } : {}),
  });
  for (const one of golden) expect((await explain(inputOf(one))).status).toBe("completed");
  // Again: nothing new.
  await explain(inputOf(golden[0]!));
  const { data: { node } } = await ask(
    `query Read($id: ID!) { node(id: $id) { ... on TokenPair { objectives {
      kind count target contrast value rule tokens relevance branches { side relevance } terms { side target contrast factor }
    } } } }`,
    { id: globalId("TokenPair", pairId) },
  );
  expect(node.objectives).toHaveLength(golden.length);
  for (const { objective: { kind }, value, relevance, target } of golden) {
    const found = node.objectives.find((one: { kind: string }) => one.kind === kind.toUpperCase());
    expect(Math.abs(found.value - value), kind).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)));
    expect(relativeError(found.relevance, relevance[0]!), kind).toBeLessThan(1e-4);
    expect(found.tokens).toHaveLength(found.relevance.length);
    expect(found.terms.length).toBe({ logit: 1, mean: 1, top: 4, sequence: 4 }[kind]);
    expect(found.target === null).toBe(kind !== "sequence");
    if (target) expect(found.branches[0].relevance).toHaveLength(target[0]!.length);
  }
});

test("what does not belong to the kind, and sequences that never part, are one line", async () => {
  const refused = async (input: Record<string, unknown>, message: RegExp) => {
    const { explainObjective } = (await ask(EXPLAIN, {
      input: { tokenPairIds: [globalId("TokenPair", pairId)], ...input },
    })).data;
    expect(explainObjective.message).toMatch(message);
  };
  await refused({ kind: "LOGIT", count: 3 }, /^count: says nothing of logit; leave it out/);
  await refused({ kind: "MEAN", contrast: "text:a" }, /^contrast: says nothing of mean; leave it out/);
  await refused({ kind: "SEQUENCE", target: "5" }, /^target, contrast: both sequences are needed; give both/);
  const job = await explain({ kind: "SEQUENCE", target: "5,6", contrast: "5,6,7" });
  expect(job.status).toBe("failed");
  expect(job.errorMessage).toMatch(/one of the two sequences begins the other/);
});
