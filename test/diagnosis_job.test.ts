/** Diagnoses as jobs: a real worker on the demo model, labels that stay, and what another version replaces. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { and, eq, isNotNull } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, beforeAll, expect, test } from "vitest";
import { attributionGraphs, diagnoses, labels } from "../schema/tables/analysis_tables.ts";
import { attributions, failureCases, jobs, tokenPairs } from "../schema/tables/tables.ts";
import { addModel } from "../server/models/add_model.ts";
import { addShippedBenchmarks } from "../server/benchmarks/benchmarks.ts";
import { createDiagnoseJob } from "../server/diagnosis/diagnose_job.ts";
import { parseLabels } from "../server/diagnosis/labels.ts";
import { versionOf } from "../server/diagnosis/thresholds.ts";
import { setSegments } from "../server/marking/edit_segments.ts";
import { measureGraph } from "../server/graphs/graph_metrics.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { labelAgreement } from "../server/diagnosis/label_agreement.ts";
import { readGraphFile } from "../server/graphs/stored_graph.ts";
import { segmentsOf } from "../server/cases/segments.ts";
import { ROOT } from "../server/base/settings.ts";
import { startSupervisor, type Supervisor } from "../server/worker/supervisor.ts";
import { loadTokenizer } from "../gpu/model/tokenizer.ts";
import { testDatabase } from "./database.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const DEMO = join(ROOT, "models", "demo-1m");
/** URT, OIT and both by the consensus of two readers, and one whose phrase is another constraint's. */
const KEYS = ["demo-ifeval/0216", "demo-math/0217", "demo-math/0489", "demo-ifeval/0711"];

const database = testDatabase();
const ask = graphqlClient(database, {
  diagnosisVersion: () => versionOf(),
  labelAgreement: (request) => labelAgreement(database.connection.db, request),
});
const pairOf = new Map<string, number>();
let boss: PgBoss;
let supervisor: Supervisor;

beforeAll(async () => {
  const { db } = database.connection;
  boss = await startQueue(database.url);
  await addShippedBenchmarks(db);
  const { id: modelId } = await addModel(db, DEMO, undefined);
  const tokenizer = await loadTokenizer(DEMO);
  const lines = readFileSync(join(DEMO, "failure-cases.jsonl"), "utf8").trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  for (const one of lines.filter(({ key }) => KEYS.includes(key))) {
    const { key, benchmark, task, messages, prompt, prefix, completion, completionIds, inputIds, promptTokens } = one;
    const { instructionPhrases, metadata, target, contrast, delta, candidates } = one;
    const [row] = await db.insert(failureCases).values({
      modelId,
      key,
      benchmark,
      task,
      messages,
      prompt,
      prefix,
      completion,
      completionIds,
      instructionPhrases,
      metadata,
      inputIds,
      promptTokens,
      tokenTexts: inputIds.map((id: number) => tokenizer.token(id)),
      segments: segmentsOf(tokenizer, inputIds, promptTokens, instructionPhrases),
      tokenCount: inputIds.length,
      delta,
      status: "clean",
      source: "imported",
      contentHash: key,
    }).returning({ id: failureCases.id });
    const [pair] = await db.insert(tokenPairs).values({
      failureCaseId: row!.id,
      position: inputIds.length,
      targetId: target.id,
      targetText: target.text,
      targetLogit: target.logit,
      contrastId: contrast.id,
      contrastText: contrast.text,
      contrastLogit: contrast.logit,
      contrastRank: contrast.rank,
      delta,
      source: "imported",
      candidates,
      contentHash: key,
    }).returning({ id: tokenPairs.id });
    pairOf.set(key, pair!.id);
  }
  supervisor = startSupervisor(database.url);
});
afterAll(async () => {
  await supervisor?.stop();
  await boss?.stop({ graceful: false });
});

async function run(tokenPairIds: readonly number[] | "missing") {
  const { db } = database.connection;
  const { id } = await createDiagnoseJob(db, boss, { tokenPairIds, rule: "attnlrp", idempotencyKey: undefined });
  for (const deadline = Date.now() + 100_000; Date.now() < deadline;) {
    const [job] = await db.select().from(jobs).where(eq(jobs.id, id));
    if (job!.finishedAt !== null) return job!;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("The job did not end in time");
}

const stored = async () => {
  const rows = await database.connection.db.select().from(diagnoses).orderBy(diagnoses.id);
  return new Map(rows.map((row) => [row.attributionId, row]));
};

test("a job computes what is missing, stores diagnoses and copies outcome and pattern", async () => {
  const { db } = database.connection;
  expect(pairOf.size).toBe(KEYS.length);
  expect(await run("missing")).toMatchObject({ status: "completed", done: KEYS.length, total: KEYS.length });
  expect(await db.select({ id: attributionGraphs.id }).from(attributionGraphs)).toHaveLength(KEYS.length);
  const rows = await db.select({
    key: failureCases.key,
    outcome: attributions.outcome,
    pattern: attributions.pattern,
    own: { outcome: diagnoses.outcome, pattern: diagnoses.pattern, version: diagnoses.version },
  }).from(attributions).innerJoin(diagnoses, eq(diagnoses.attributionId, attributions.id))
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId));
  const patterns = new Map(rows.map(({ key, pattern }) => [key, pattern]));
  expect(rows.map(({ outcome }) => outcome)).toEqual(KEYS.map(() => "m_ia"));
  expect(patterns.get("demo-ifeval/0216")).toBe("urt");
  expect(patterns.get("demo-math/0217")).toBe("oit");
  expect(patterns.get("demo-math/0489")).toBe("urt_oit");
  // Its strongest tokens are part of an instruction, but of one that the answer follows: the benchmark's item says so.
  expect(patterns.get("demo-ifeval/0711")).toBe("oit");
  for (const { outcome, pattern, own } of rows) expect(own).toEqual({ outcome, pattern, version: versionOf() });
  expect((await run("missing")).total).toBe(0);
});

test("the same version keeps its diagnoses, another one and changed marks replace them", async () => {
  const { db } = database.connection;
  const ids = [...pairOf.values()];
  const before = await stored();
  expect(await run(ids)).toMatchObject({ status: "completed", done: KEYS.length });
  expect(await stored()).toEqual(before);

  const pairId = pairOf.get("demo-ifeval/0216")!;
  const [row] = await db.select({ attribution: attributions.id, failureCase: tokenPairs.failureCaseId })
    .from(attributions).innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .where(eq(tokenPairs.id, pairId));
  const { attribution, failureCase } = row!;
  await db.update(diagnoses).set({ version: "old", pattern: "oit" }).where(eq(diagnoses.attributionId, attribution));
  expect((await run("missing")).total).toBe(1);
  expect((await stored()).get(attribution)).toMatchObject({ version: versionOf(), pattern: "urt" });

  await setSegments(db, failureCase, [{ from: 0, count: 3, segment: "I" }]);
  await run([pairId]);
  expect((await stored()).get(attribution)!.evidence.relevant!.length)
    .toBeGreaterThan(before.get(attribution)!.evidence.relevant!.length);
  await setSegments(db, failureCase, []);
  await run([pairId]);
  const { createdAt: _now, ...again } = (await stored()).get(attribution)!;
  expect(before.get(attribution)).toMatchObject(again);
});

test("labels stand beside the classifier's verdict, are replaced by their reader only, and agreement is kappa", async () => {
  const { db } = database.connection;
  for (const reader of ["reader-a", "reader-b"]) {
    const read = parseLabels(readFileSync(join(ROOT, "test", "data", "labels", `${reader}.jsonl`), "utf8"), reader);
    for (const { key, outcome, pattern, note } of read.filter((label) => pairOf.has(label.key))) {
      const { data, errors } = await ask(LABEL, {
        input: {
          tokenPairId: globalId("TokenPair", pairOf.get(key)!),
          reader,
          outcome: outcome.toUpperCase(),
          pattern: pattern?.toUpperCase() ?? null,
          note,
        },
      });
      expect(errors).toBeUndefined();
      expect(data.labelTokenPair).toMatchObject({ reader, note });
    }
  }
  const written = await db.select().from(labels).orderBy(labels.id);
  expect(written).toHaveLength(2 * KEYS.length);
  await db.update(diagnoses).set({ version: "old" });
  await run([...pairOf.values()]);
  expect(await db.select().from(labels).orderBy(labels.id)).toEqual(written);

  const { data, errors } = await ask(
    `{ labelAgreement { one other pairs pattern { observed kappa } outcome { kappa } } }`,
  );
  expect(errors).toBeUndefined();
  // Both readers and the classifier say M-IA everywhere: there is nothing to agree beyond.
  expect(data.labelAgreement).toEqual([
    ["classifier", "reader-a"],
    ["classifier", "reader-b"],
    ["reader-a", "reader-b"],
  ].map(([one, other]) => ({
    one: one === "classifier" ? null : one,
    other,
    pairs: KEYS.length,
    pattern: { observed: 1, kappa: 1 },
    outcome: { kappa: null },
  })));
});

const LABEL = `
  mutation ($input: LabelTokenPairInput!) {
    labelTokenPair(input: $input) {
      ... on Label { reader outcome pattern note }
      ... on InputError { where mend }
    }
  }`;

test("a label that cannot be is refused with its mend", async () => {
  const input = { tokenPairId: globalId("TokenPair", pairOf.get(KEYS[0]!)!), reader: "x", outcome: "NC_IA_AG" };
  const refusedFor = async (change: object) =>
    (await ask(LABEL, { input: { ...input, ...change } })).data.labelTokenPair;
  expect(await refusedFor({ pattern: "URT" })).toMatchObject({
    where: "pattern",
    mend: expect.stringMatching(/leave it out/),
  });
  expect(await refusedFor({ reader: " " })).toHaveProperty("mend");
  expect(await refusedFor({ tokenPairId: globalId("TokenPair", 999_999) })).toMatchObject({ where: "tokenPairId" });
});

test("an attribution shows its diagnosis with evidence and labels in one statement", async () => {
  database.countStatements();
  const { data, errors } = await ask(`{ attributions(filter: { pattern: URT, outcome: M_IA }) { nodes {
    outcome pattern segmentSum(segment: INSTRUCTION)
    diagnosis { outcome pattern confidence summary version outdated relevantPositions
      numbers { name value threshold supports } probes { kind positions factor before after asClaimed } }
    tokenPair { labels { reader pattern } } } } }`);
  expect(errors).toBeUndefined();
  expect(database.countStatements()).toHaveLength(1);
  const [one, ...rest] = data.attributions.nodes;
  expect(rest).toEqual([]);
  expect(one).toMatchObject({
    outcome: "M_IA",
    pattern: "URT",
    diagnosis: { pattern: "URT", outdated: false, version: versionOf() },
    tokenPair: { labels: [{ reader: "reader-a", pattern: "URT" }, { reader: "reader-b", pattern: "URT" }] },
  });
  expect(one.segmentSum).toBeGreaterThan(0);
  expect(one.diagnosis.probes).toHaveLength(1);
  expect(one.diagnosis.probes[0]).toMatchObject({ kind: "STRENGTHEN", factor: 10, asClaimed: true });
  expect(one.diagnosis.probes[0].after).toBeLessThan(one.diagnosis.probes[0].before);
  expect(one.diagnosis.numbers.map(({ name }: { name: string }) => name)).toContain("relevantFor");
  expect(one.diagnosis.summary).toMatch(/^[\p{L}"].*\.$/u);
  const [found] = await database.connection.db.select({ id: attributions.id }).from(attributions)
    .where(and(eq(attributions.pattern, "urt"), isNotNull(attributions.outcome)));
  expect(found).toBeDefined();
});

test("a graph's metrics are kept with it; one of before tells none", async () => {
  const METRICS = `{ attributions(first: 10) { nodes { graphs { id nodeCount metrics { centreLayer centrePosition
    transitions { source target fanIn mostFanIn fanOut mostFanOut gini verticality sinkShare lookBack lookBackSideways }
    layers { layer sinkShare centre centreWithoutSink }
    hubs { place { layer token } fanIn fanOut mass }
    transfer { token cumulative }
    reduced { tokens layers paths { tokens weights strength }
      edges { source { layer token } target { layer token } weight paths } } } } } } }`;
  const { db } = database.connection;
  database.countStatements();
  const { data, errors } = await ask(METRICS);
  expect(errors).toBeUndefined();
  expect(database.countStatements()).toHaveLength(1);
  const shown = new Map<number, Record<string, unknown>>(
    data.attributions.nodes.flatMap(({ graphs }: { graphs: { id: string; metrics: object }[] }) =>
      graphs.map(({ id, metrics }) => [Number(atob(id).split(":")[1]), metrics])
    ),
  );
  const rows = await db.select({ graph: attributionGraphs, ids: failureCases.inputIds }).from(attributionGraphs)
    .innerJoin(attributions, eq(attributions.id, attributionGraphs.attributionId))
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId));
  expect(rows).toHaveLength(KEYS.length);
  for (const { graph, ids } of rows) {
    const { transitions, layers, hubs, centre, transfer, reduced } = measureGraph(
      readGraphFile(gunzipSync(graph.file), ids),
    );
    expect(shown.get(graph.id)).toEqual({
      centreLayer: centre!.layer,
      centrePosition: centre!.position,
      transitions: transitions.map(({ fanIn, fanOut, mass: _mass, edges: _edges, ...numbers }) => ({
        ...numbers,
        fanIn: fanIn.mean,
        mostFanIn: fanIn.most,
        fanOut: fanOut.mean,
        mostFanOut: fanOut.most,
      })),
      layers,
      hubs: hubs.map(({ layer, token, ...numbers }) => ({ place: { layer, token }, ...numbers })),
      transfer: reduced.tokens.map(({ token }) => ({
        token,
        cumulative: transfer.cumulative.map((all) => all[token]),
      })),
      reduced: {
        tokens: reduced.tokens.map(({ token }) => token),
        layers: reduced.layers.map(({ target }) => target),
        paths: reduced.paths.map(({ nodes, weights, strength }) => ({
          tokens: nodes.map(({ token }) => token),
          weights,
          strength,
        })),
        edges: reduced.edges,
      },
    });
  }
  await db.update(attributionGraphs).set({ summary: { nodeLayers: [0], transitions: [], metrics: {} } });
  const old = await ask(METRICS);
  expect(old.errors).toBeUndefined();
  for (const { graphs } of old.data.attributions.nodes) expect(graphs).toMatchObject([{ metrics: null }]);
});
