import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { loadTokenizer, type Tokenizer } from "../gpu/model/tokenizer.ts";
import { annotations, benchmarks, failureCases, jobs, responses, tokenPairs } from "../schema/tables/tables.ts";
import type { PgBoss } from "pg-boss";
import { importFile } from "../server/import/import_file.ts";
import { excludeCase, type FoundPair, placeCase } from "../server/cases/place_case.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { createServices } from "../server/http/services.ts";
import { readSettings, ROOT } from "../server/base/settings.ts";
import { type ModelResponse, storeResponses } from "../server/cases/store_responses.ts";
import type { JobWatcher } from "../server/jobs/watch_job.ts";
import { storeModel, testDatabase } from "./database.ts";
import { type Answer as GraphqlAnswer, globalId, graphqlClient } from "./graphql_client.ts";

const database = testDatabase();
const directory = join(ROOT, "models", "demo-1m");
let tokenizer: Tokenizer;
let modelId = 0;
let folder = "";
let boss: PgBoss;
let ask: (query: string, variables?: Readonly<Record<string, unknown>>) => Promise<GraphqlAnswer>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-cases-"));
  tokenizer = await loadTokenizer(directory);
  modelId = await storeModel(database, { directory, vocabulary: 2048 });
  boss = await startQueue(database.url);
  // The watcher is not asked for by what is tested here, and no worker takes the jobs.
  ask = graphqlClient(
    database,
    createServices({
      settings: readSettings(),
      connection: database.connection,
      boss,
      watcher: undefined as unknown as JobWatcher,
    }),
  );
});
afterAll(async () => {
  await boss?.stop({ graceful: false });
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  const { db } = database.connection;
  await db.delete(annotations);
  await db.delete(tokenPairs);
  await db.delete(failureCases);
  await db.delete(responses);
});

const PROMPT = "<|im_start|>user\nAnswer in lower case only. Name a colour.<|im_end|>\n<|im_start|>assistant\n";
const COMPLETION = "the colour is Red";

function answer(task: string, changes: Partial<ModelResponse> = {}): ModelResponse {
  const completion = changes.completion ?? COMPLETION;
  return {
    modelId,
    benchmark: "demo",
    task,
    docHash: task,
    promptHash: "prompt",
    filter: "none",
    messages: [],
    prompt: PROMPT,
    promptIds: tokenizer.encode(PROMPT),
    completion,
    completionIds: tokenizer.encode(completion),
    instructionPhrases: ["lower case only", "not in the prompt"],
    item: null,
    verdict: { passed: false, reason: "upper case" },
    source: "collected",
    metadata: {},
    ...changes,
  };
}

const store = (...answers: readonly ModelResponse[]) =>
  database.connection.db.transaction((tx) => storeResponses(tx, answers, () => tokenizer));
const cases = () => database.connection.db.select().from(failureCases).orderBy(failureCases.id);
async function openCase(task = "1") {
  await store(answer(task));
  return (await cases()).at(-1)!;
}

function pairAt(position: number, delta: number, contrastId = 300): FoundPair {
  const targetId = tokenizer.encode(COMPLETION)[position]!;
  return {
    targetId,
    targetText: tokenizer.token(targetId),
    targetLogit: 5,
    contrastId,
    contrastText: tokenizer.token(contrastId),
    contrastLogit: 5 - delta,
    contrastRank: 2,
    delta,
    source: "search",
    candidates: [],
  };
}
const place = (row: typeof failureCases.$inferSelect, position: number, pair: FoundPair, reviewer?: string) =>
  database.connection.db.transaction((tx) =>
    placeCase(tx, row, position, pair, { tokenizer, ...(reviewer === undefined ? {} : { reviewer }) })
  );

test("answers: passed ones are stored alone, failed ones as open cases too, empty ones as excluded cases", async () => {
  const stored = await store(
    answer("ok", { verdict: { passed: true } }),
    answer("bad"),
    answer("unknown", { verdict: null }),
    answer("empty", { completion: "", completionIds: [] }),
    answer("bad"),
  );
  expect(stored.map(({ kind }) => kind)).toEqual(["inserted", "inserted", "inserted", "inserted", "unchanged"]);
  expect((await cases()).map(({ task, status, exclusion }) => [task, status, exclusion])).toEqual([
    ["bad", "open", null],
    ["empty", "excluded", "no_completion"],
  ]);
  const [bad] = await cases();
  expect(bad!.instructionPhrases).toEqual(["lower case only"]);
  expect(bad!.segments).toMatch(/^S[^A]*I+[^A]*$/);
});

test("a case is placed: prompt and completion before the position become its tokens, the delta decides", async () => {
  const row = await openCase();
  const ids = tokenizer.encode(COMPLETION);
  const placed = await place(row, 3, pairAt(3, 2.5), "Ada");
  expect(placed).toMatchObject({ failureCaseId: row.id, created: true });
  const [after] = await cases();
  expect(after).toMatchObject({ status: "clean", exclusion: null, delta: 2.5, reviewer: "Ada" });
  expect(after!.inputIds).toEqual([...tokenizer.encode(PROMPT), ...ids.slice(0, 3)]);
  expect(after!.prefix).toBe(tokenizer.decode(ids.slice(0, 3)));
  expect(after!.segments.slice(after!.promptTokens)).toBe("AAA");
  const [pair] = await database.connection.db.select().from(tokenPairs);
  expect(pair).toMatchObject({ position: after!.tokenCount, source: "search" });
  expect(await place(after!, 3, pairAt(3, 2.5))).toEqual({ ...placed, created: false });
  // Another contrast at the same place belongs to the same case, and the largest delta counts.
  await place(after!, 3, pairAt(3, 4, 301));
  expect((await cases()).map(({ delta, status }) => [delta, status])).toEqual([[4, "clean"]]);
});

test("another position of a placed case makes a sibling, once; a small delta leaves it out with its reason", async () => {
  const row = await openCase();
  await place(row, 1, pairAt(1, 3));
  const [placed] = await cases();
  const first = await place(placed!, 2, pairAt(2, 0.5));
  expect(await place(placed!, 2, pairAt(2, 0.5))).toEqual({ ...first, created: false });
  const [own, sibling] = await cases();
  expect(own).toEqual(placed);
  expect(sibling).toMatchObject({ key: `${row.key}@2`, status: "excluded", exclusion: "delta_too_small", delta: 0.5 });
  expect(sibling!.tokenCount).toBe(row.promptTokens + 2);
  expect(sibling!.responseId).toBe(row.responseId);
});

test("a case that was left out becomes clean when a pair is found", async () => {
  const row = await openCase();
  await database.connection.db.transaction((tx) => excludeCase(tx, row.id, "no_recovery", { note: "top 10" }));
  expect((await cases())[0]).toMatchObject({ status: "excluded", exclusion: "no_recovery", exclusionNote: "top 10" });
  await place(row, 0, pairAt(0, 1.5));
  expect((await cases())[0]).toMatchObject({ status: "clean", exclusion: null, exclusionNote: null, prefix: "" });
});

test("a position outside the completion, and a target that does not stand there, are bugs of the caller", async () => {
  const row = await openCase();
  await expect(place(row, 99, pairAt(0, 2))).rejects.toThrow(/^Position 99 is outside/);
  await expect(place(row, 1, pairAt(0, 2))).rejects.toThrow(/^The token at position 1 is/);
  expect(await cases()).toEqual([row]);
});

const SET = `mutation ($id: ID!, $ranges: [SegmentRange!]!) {
  setSegments(failureCaseId: $id, ranges: $ranges) {
    __typename ... on InputError { message } ... on FailureCase { segmentsEdited tokens { text segment special } }
  }
}`;

test("segments are edited over the automatic ones, survive placing, and can be undone", async () => {
  const row = await openCase();
  const id = globalId("FailureCase", row.id);
  const edited = await ask(SET, { id, ranges: [{ from: 0, count: 4, segment: "INSTRUCTION" }] });
  const segments = (result: GraphqlAnswer) =>
    result.data.setSegments.tokens.map(({ segment }: { segment: string }) => segment[0]).join("");
  expect(segments(edited)).toBe(`SIII${row.segments.slice(4)}`);
  expect((await cases())[0]!.segments).toBe(row.segments);
  await place((await cases())[0]!, 2, pairAt(2, 2));
  expect((await cases())[0]!.editedSegments).toBe(`SIII${row.segments.slice(4)}AA`);
  const undone = await ask(SET, { id, ranges: [] });
  expect(undone.data.setSegments.segmentsEdited).toBe(false);
  expect(segments(undone)).toBe(`${row.segments}AA`);
});

test.each([
  [
    { from: 0, count: 9999, segment: "QUERY" },
    /tokens 0 to 9998 are not all in the prompt of \d+ tokens; give a range/,
  ],
  [{ from: -1, count: 1, segment: "QUERY" }, /not all in the prompt/],
  [{ from: 1, count: 0, segment: "QUERY" }, /not all in the prompt/],
  [{ from: 1, count: 1, segment: "SPECIAL" }, /only the prompt's tokens can be sorted/],
])("segments that cannot be are refused and change nothing: %j", async (range, message) => {
  const row = await openCase();
  const { data } = await ask(SET, { id: globalId("FailureCase", row.id), ranges: [range] });
  expect(data.setSegments.message).toMatch(message);
  expect((await cases())[0]).toEqual(row);
});

const ANNOTATE = `mutation ($input: AnnotateCaseInput!) {
  annotateCase(input: $input) {
    __typename ... on InputError { message } ... on Annotation { annotator decision position targetId contrastId reason }
  }
}`;

test("an annotation names the token at its position; saying something else later replaces it", async () => {
  const row = await openCase();
  const failureCaseId = globalId("FailureCase", row.id);
  const say = async (more: object) =>
    (await ask(ANNOTATE, { input: { failureCaseId, annotator: "Ada", ...more } })).data.annotateCase;
  const ids = row.completionIds;
  expect(await say({ decision: "PAIR", position: 2, contrastId: 300, reason: "case" })).toEqual({
    __typename: "Annotation",
    annotator: "Ada",
    decision: "PAIR",
    position: 2,
    targetId: ids[2],
    contrastId: 300,
    reason: "case",
  });
  for (
    const [more, message] of [
      [
        { decision: "PAIR", position: 99, contrastId: 300 },
        /position is 99, and the completion has \d+ tokens; give a/,
      ],
      [{ decision: "PAIR", contrastId: 300 }, /position is null/],
      [{ decision: "PAIR", position: 1, targetId: 1999, contrastId: 300 }, /the token at position 1 is \d+ .*not 1999/],
      [{ decision: "PAIR", position: 1 }, /there is no contrast; give the right token/],
      [{ decision: "PAIR", position: 1, contrastId: ids[1] }, /the contrast is the token that stands there/],
      [{ decision: "PAIR", position: 1, contrastId: 2048 }, /contrast is 2048, and the model has 2048 token ids/],
    ] as const
  ) expect((await say(more)).message).toMatch(message);
  expect((await cases())[0]).toEqual(row);
  // The one that was stored is computed by a job of its own; what was refused asks for nothing.
  expect((await database.connection.db.select().from(jobs)).map(({ kind, input }) => [kind, input])).toEqual([
    ["find_pairs", expect.objectContaining({ modelId, failureCaseId: row.id, benchmarks: null })],
  ]);
  await say({ decision: "EXCLUDE", reason: "ambiguous task" });
  expect(await database.connection.db.select().from(annotations)).toMatchObject([
    { decision: "exclude", position: null, targetId: null, contrastId: null },
  ]);
  expect((await cases())[0]).toMatchObject({
    status: "excluded",
    exclusion: "annotator",
    exclusionNote: "ambiguous task",
    reviewer: "Ada",
  });
});

test("the prompt for annotators lists tokens; answers in its format are imported as votes, and kappa compares", async () => {
  for (const task of ["1", "2", "3", "4"]) await openCase(task);
  const rows = await cases();
  const { data } = await ask(
    `query ($id: ID!) { node(id: $id) { ... on FailureCase { annotationPrompt completionTokens { position id text } } } }`,
    { id: globalId("FailureCase", rows[0]!.id) },
  );
  const text: string = data.node.annotationPrompt;
  expect(text).toContain(PROMPT);
  expect(text).toContain("WHY IT FAILED: upper case");
  for (const { position, id, text: shown } of data.node.completionTokens) {
    expect(text).toContain(`\n${position}\t${id}\t${JSON.stringify(shown)}\n`);
  }
  expect(data.node.completionTokens.map(({ id }: { id: number }) => id)).toEqual(rows[0]!.completionIds);
  const formats = text.split("\n").filter((line) => line.startsWith('{"key"')).map((line) => JSON.parse(line));
  expect(formats.map(({ key, decision }) => [key, decision])).toEqual([[rows[0]!.key, "pair"], [
    rows[0]!.key,
    "exclude",
  ]]);

  const say = async (annotator: string, lines: readonly object[]) => {
    const path = join(folder, `${annotator}.jsonl`);
    await writeFile(path, lines.map((line) => JSON.stringify(line)).join("\n"));
    const options = { from: "annotations", path, name: "votes.jsonl", annotator, at: undefined } as const;
    return (await importFile(database.connection.db, { ...options, onBatch: () => Promise.resolve() })).report;
  };
  const pair = (index: number, position: number, contrast: object) => ({
    key: rows[index]!.key,
    decision: "pair",
    position,
    contrast,
    reason: "",
  });
  const exclude = (index: number) => ({ key: rows[index]!.key, decision: "exclude", reason: "broken" });
  const contrast = { text: tokenizer.token(300) };
  const one = [pair(0, 1, { id: 300 }), pair(1, 2, contrast), pair(2, 0, { id: 301 }), exclude(3)];
  const other = [pair(0, 1, contrast), pair(1, 2, { id: 302 }), pair(2, 0, { id: 301 }), pair(3, 0, { id: 301 })];
  expect(await say("one", one)).toMatchObject({ inserted: 4, failedCount: 0 });
  expect(await say("other", other)).toMatchObject({ inserted: 4, failedCount: 0 });
  expect(await say("other", other)).toMatchObject({ inserted: 0, unchanged: 4 });
  const bad = await say("third", [{ key: "nothing" }, pair(0, 1, { text: "two tokens at least" })]);
  expect(bad.failed.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^votes\.jsonl:1: there is no failure case "nothing"/),
    expect.stringMatching(/^votes\.jsonl:2 \(contrast\.text\): .* tokens, not one/),
  ]);
  // Votes decide nothing by themselves.
  expect((await cases()).map(({ status }) => status)).toEqual(["open", "open", "open", "open"]);

  const agreement = await ask(`{ annotationAgreement(benchmark: "demo") {
    annotators cases decisionObserved decisionKappa pairs choiceObserved choiceKappa } }`);
  // By hand: decisions agree in 3 of 4; one says exclude once, the other never: expected 3/4. Choices agree in 2 of 3;
  // each has three different choices, of which two are shared: expected 2 / 9.
  expect(agreement.data.annotationAgreement).toEqual([{
    annotators: ["one", "other"],
    cases: 4,
    decisionObserved: 0.75,
    decisionKappa: 0,
    pairs: 3,
    choiceObserved: expect.closeTo(2 / 3, 12),
    choiceKappa: expect.closeTo((2 / 3 - 2 / 9) / (1 - 2 / 9), 12),
  }]);
});

test("lists of cases, answers, benchmarks and counts are one statement each", async () => {
  await store(answer("ok", { verdict: { passed: true } }), answer("bad"), answer("worse"), answer("late"));
  const rows = await cases();
  await place(rows[0]!, 1, pairAt(1, 2));
  await database.connection.db.transaction((tx) => excludeCase(tx, rows[1]!.id, "no_recovery"));
  await database.connection.db.insert(benchmarks)
    .values({ name: "demo", kind: "ifeval", path: "demo.jsonl", items: 3, hash: "h" }).onConflictDoNothing();
  const one = async (query: string) => {
    database.countStatements();
    const { data, errors } = await ask(query);
    expect(errors).toBeUndefined();
    expect(database.countStatements(), query).toHaveLength(1);
    return data;
  };
  expect(
    await one(`{ failureCases(filter: { status: CLEAN, source: COLLECTED }) { nodes {
      task status exclusion source checkable completionTokenCount verdict { passed reason logPassed }
      response { task passed promptTokens completionTokens model { name } } annotations { annotator }
      completionTokens(count: 2) { position text } } } }`),
  ).toEqual({
    failureCases: {
      nodes: [{
        task: "bad",
        status: "CLEAN",
        exclusion: null,
        source: "COLLECTED",
        checkable: false,
        completionTokenCount: tokenizer.encode(COMPLETION).length,
        verdict: { passed: false, reason: "upper case", logPassed: null },
        response: {
          task: "bad",
          passed: false,
          promptTokens: tokenizer.encode(PROMPT).length,
          completionTokens: tokenizer.encode(COMPLETION).length,
          model: { name: "demo-1m" },
        },
        annotations: [],
        completionTokens: tokenizer.encode(COMPLETION).slice(0, 2)
          .map((id, position) => ({ position, text: tokenizer.token(id) })),
      }],
    },
  });
  expect(await one(`{ failureCases(filter: { exclusion: NO_RECOVERY }) { nodes { task } } }`)).toEqual({
    failureCases: { nodes: [{ task: "worse" }] },
  });
  const list = await one(`{ responses(filter: { benchmark: "demo", passed: true }) { nodes { task completion } } }`);
  expect(list).toEqual({ responses: { nodes: [{ task: "ok", completion: COMPLETION }] } });
  expect(await one(`{ benchmarks { nodes { name kind items } } }`)).toEqual({
    benchmarks: { nodes: [{ name: "demo", kind: "IFEVAL", items: 3 }] },
  });
  expect(await one(`{ caseCounts(filter: { model: "demo-1m" }) { benchmark status exclusion count } }`)).toEqual({
    caseCounts: [
      { benchmark: "demo", status: "OPEN", exclusion: null, count: 1 },
      { benchmark: "demo", status: "CLEAN", exclusion: null, count: 1 },
      { benchmark: "demo", status: "EXCLUDED", exclusion: "NO_RECOVERY", count: 1 },
    ],
  });
  expect(await database.connection.db.select().from(failureCases).where(eq(failureCases.status, "open"))).toHaveLength(
    1,
  );
});
