/** Marks as jobs: a locator's, causal ones of a real worker on the demo model, and whose marks count. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContinuationRequest } from "../gpu/engine.ts";
import { loadTokenizer, type Tokenizer } from "../gpu/model/tokenizer.ts";
import { causalMarks } from "../schema/tables/analysis_tables.ts";
import { attributions, failureCases, jobs, models, tokenPairs } from "../schema/tables/tables.ts";
import { ROOT } from "../server/base/settings.ts";
import { setSegments } from "../server/marking/edit_segments.ts";
import { culpritLines } from "../server/cases/export_pairs.ts";
import { segmentsOf } from "../server/cases/segments.ts";
import { createDiagnoseJob } from "../server/diagnosis/diagnose_job.ts";
import { culprit } from "../server/import/culprit.ts";
import { createAttributeJob } from "../server/attributions/attribute_job.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { sentenceEffects } from "../server/marking/causal.ts";
import { LOCATOR_VERSION } from "../server/marks/locate.ts";
import { createMarkJob } from "../server/marking/mark_job.ts";
import { promptSentences } from "../server/marking/prompt_sentences.ts";
import { addModel } from "../server/models/add_model.ts";
import { startSupervisor, type Supervisor } from "../server/worker/supervisor.ts";
import { testDatabase } from "./database.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const DEMO = join(ROOT, "models", "demo-1m");
const KEYS = { located: "demo-ifeval/0009", causal: "demo-math/0124", file: "demo-math/0472" } as const;

const database = testDatabase();
const ask = graphqlClient(database, {});
let boss: PgBoss;
let supervisor: Supervisor;
let tokenizer: Tokenizer;
let modelId: number;
const FACTS = { name: "cases.jsonl", benchmark: "demo", items: undefined, plain: false, annotator: undefined };

interface Place {
  readonly failureCaseId: number;
  readonly tokenPairId: number;
}
const places = new Map<string, Place>();
const at = (name: keyof typeof KEYS): Place => places.get(KEYS[name])!;

beforeAll(async () => {
  boss = await startQueue(database.url);
  ({ id: modelId } = await addModel(database.connection.db, DEMO, undefined));
  tokenizer = await loadTokenizer(DEMO);
  const model = { id: modelId, name: "demo-1m", tokenizer, vocabulary: 1_000_000, maxPositions: 4096 };
  const lines = readFileSync(join(DEMO, "failure-cases.jsonl"), "utf8").trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  for (const line of lines.filter(({ key }) => Object.values(KEYS).includes(key))) {
    const [entry] = culprit.read(line.key === KEYS.file ? line : { ...line, instructionPhrases: [] }, "case", FACTS, 1);
    if (entry?.kind !== "case") throw new Error("no case");
    const { failureCase, tokenPair } = entry.build(model as never);
    // As a case that was stored before its benchmark was known.
    const item = line.key === KEYS.located ? itemOf(line.messages[0].content) : null;
    const [row] = await database.connection.db.insert(failureCases).values({ ...failureCase, item })
      .returning({ id: failureCases.id });
    const [pair] = await database.connection.db.insert(tokenPairs).values({ ...tokenPair, failureCaseId: row!.id })
      .returning({ id: tokenPairs.id });
    places.set(line.key, { failureCaseId: row!.id, tokenPairId: pair!.id });
  }
  supervisor = startSupervisor(database.url);
});
afterAll(async () => {
  await supervisor?.stop();
  await boss?.stop({ graceful: false });
});

function itemOf(prompt: string) {
  return {
    kind: "ifeval",
    prompt,
    instruction_id_list: ["detectable_content:postscript", "change_case:english_capital"],
    kwargs: [{ postscript_marker: "P.P.S" }, {}],
  } as const;
}

async function ended({ id }: { readonly id: string }) {
  for (const deadline = Date.now() + 100_000; Date.now() < deadline;) {
    const [job] = await database.connection.db.select().from(jobs).where(eq(jobs.id, id));
    if (job!.finishedAt !== null) return job!;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("The job did not end in time");
}

const mark = async (tokenPairIds: readonly number[] | "missing") =>
  await ended(await createMarkJob(database.connection.db, boss, { tokenPairIds, idempotencyKey: undefined }));
const caseOf = async (name: keyof typeof KEYS) =>
  (await database.connection.db.select().from(failureCases).where(eq(failureCases.id, at(name).failureCaseId)))[0]!;

test("a job marks the cases without marks: by the locator where rows name types, else by hiding sentences", async () => {
  const pairs = [at("causal").tokenPairId];
  await ended(
    await createAttributeJob(database.connection.db, boss, {
      tokenPairIds: pairs,
      rule: "attnlrp",
      idempotencyKey: undefined,
    }),
  );
  const sums = async () =>
    (await database.connection.db.select().from(attributions).where(eq(attributions.tokenPairId, pairs[0]!)))[0]!;
  expect(await sums()).toMatchObject({ instructionSum: 0, marksOrigin: null });

  expect(await mark("missing")).toMatchObject({ status: "completed", total: 2, done: 2 });
  expect(await caseOf("file")).toMatchObject({ marksOrigin: "file", marksVersion: null });
  expect(await caseOf("located")).toMatchObject({
    marksOrigin: "locator",
    marksVersion: LOCATOR_VERSION,
    instructionPhrases: [
      "Add a postscript at the end starting with P.P.S",
      "Your answer must be in all capital letters and in English",
    ],
    phraseInstructions: [0, 1],
  });
  const row = await caseOf("causal");
  const [effects] = await database.connection.db.select().from(causalMarks);
  const marked = effects!.sentences.filter((one) => one.marked).map(({ text }) => text);
  expect(effects!.sentences.map(({ text }) => text).join(" ")).toBe(row.messages[0]!.content);
  expect(marked.length).toBeGreaterThan(0);
  expect(row).toMatchObject({ marksOrigin: "causal", marksVersion: effects!.version, instructionPhrases: marked });
  expect(row.segments).toBe(segmentsOf(tokenizer, row.inputIds, row.promptTokens, marked));
  // What was summed by segment before follows.
  const after = await sums();
  expect(after.marksOrigin).toBe("causal");
  expect(after.instructionSum).not.toBe(0);
  expect((await mark("missing")).total).toBe(0);
});

test("a person's marks win, and diagnosis says whose it looked at", async () => {
  const { failureCaseId, tokenPairId } = at("causal");
  const diagnose = async () => {
    const request = { tokenPairIds: [tokenPairId], rule: "attnlrp", idempotencyKey: undefined } as const;
    expect(await ended(await createDiagnoseJob(database.connection.db, boss, request))).toMatchObject({
      status: "completed",
    });
    const { data, errors } = await ask(
      `query ($id: ID!) { node(id: $id) { ... on FailureCase { marksOrigin marksVersion segmentsEdited
        tokenPairs { causalMarks { version rightTokens sentences { text right wrong marked } }
          attributions { marksOrigin diagnosis { marksOrigin marksVersion } } } } } }`,
      { id: globalId("FailureCase", failureCaseId) },
    );
    expect(errors).toBeUndefined();
    return data.node;
  };
  const before = await diagnose();
  expect(before).toMatchObject({
    marksOrigin: "CAUSAL",
    tokenPairs: [{
      attributions: [{ marksOrigin: "CAUSAL", diagnosis: { marksOrigin: "CAUSAL", marksVersion: "1" } }],
    }],
  });
  expect(before.tokenPairs[0].causalMarks.sentences.some(({ marked }: { marked: boolean }) => marked)).toBe(true);
  await setSegments(database.connection.db, failureCaseId, [{ from: 4, count: 3, segment: "I" }]);
  await mark([tokenPairId]);
  const after = await diagnose();
  expect(after).toMatchObject({
    marksOrigin: "PERSON",
    segmentsEdited: true,
    tokenPairs: [{ attributions: [{ marksOrigin: "PERSON", diagnosis: { marksOrigin: "PERSON" } }] }],
  });
  expect(after.tokenPairs[0].attributions[0].diagnosis.marksVersion).toMatch(/^[0-9a-f]{8}$/);
});

test("marks keep their origin through an export and an import", async () => {
  const lines = new Map<string, { marks?: object; instructionPhrases: string[] }>();
  for await (const line of culpritLines(database.connection.db, { modelId, benchmarks: null })) {
    const one = JSON.parse(line);
    lines.set(one.key, one);
  }
  const located = lines.get(KEYS.located)!;
  expect(located.marks).toEqual({ origin: "locator", version: LOCATOR_VERSION, instructions: [0, 1] });
  expect(lines.get(KEYS.file)).not.toHaveProperty("marks");
  const [model] = await database.connection.db.select().from(models).where(eq(models.id, modelId));
  const [entry] = culprit.read(located, "line", FACTS, 1);
  if (entry?.kind !== "case") throw new Error("no case");
  const { failureCase } = entry.build({ ...model!, tokenizer, maxPositions: 4096 } as never);
  expect(failureCase).toMatchObject({ marksOrigin: "locator", phraseInstructions: [0, 1] });
  expect(failureCase.contentHash).toBe((await caseOf("located")).contentHash);
});

test("a sentence counts when hiding it takes more from the right continuation than from the wrong one", async () => {
  // Log probabilities by what is hidden: nothing, the first, the second, the third sentence.
  const LOGS: Readonly<Record<string, readonly [right: number, wrong: number]>> = {
    "": [-1, -1],
    "0,1": [-3, -1.5],
    "2": [-1.2, -3],
    "3": [-1.9, -1.1],
  };
  const asked: ContinuationRequest[] = [];
  const scoreContinuations = (requests: readonly ContinuationRequest[]) => {
    asked.push(...requests);
    return Promise.resolve(
      requests.map(({ hidden, continuation }) => continuation.map((id) => LOGS[hidden!.join()]![id < 10 ? 0 : 1])),
    );
  };
  const sentences = [[0, 1], [2], [3]].map((positions, index) => ({ text: `s${index}`, positions }));
  const effects = await sentenceEffects(
    { scoreContinuations },
    { inputIds: [4, 4, 4, 4], right: [1, 2], wrong: [11] },
    sentences,
  );
  expect(effects.map(({ text, marked }) => [text, marked])).toEqual([["s0", true], ["s1", false], ["s2", true]]);
  expect(effects[0]!.right).toBeCloseTo(2);
  expect(effects[0]!.wrong).toBeCloseTo(0.5);
  // One forward pass for each continuation and mask.
  expect(asked).toHaveLength(4 * 2);
  expect(asked[2]).toEqual({ inputIds: [4, 4, 4, 4], continuation: [1, 2], hidden: [0, 1] });
});

test("a prompt's sentences have their tokens, control tokens excepted; of many, neighbours are taken together", () => {
  const content = "One fish. Two fish.\n\nRed fish.";
  const prompt = tokenizer.chat([{ role: "user", content }], { thinking: false });
  const promptIds = tokenizer.encode(prompt);
  const sentences = promptSentences(tokenizer, { messages: [{ content }], prompt, promptIds });
  expect(sentences.map(({ text }) => text)).toEqual(["One fish.", "Two fish.", "Red fish."]);
  for (const { text, positions } of sentences) {
    expect(tokenizer.decode(positions.map((position) => promptIds[position]!)).trim()).toContain(text);
  }
  const many = Array.from({ length: 1000 }, (_, index) => `Number ${index} is here.`).join(" ");
  const ids = tokenizer.encode(many);
  const parts = promptSentences(tokenizer, { messages: [], prompt: many, promptIds: ids });
  expect(parts.length).toBeLessThanOrEqual(64);
  expect(parts.map(({ text }) => text).join(" ")).toBe(many);
});
