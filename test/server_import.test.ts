import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startConsumer } from "../server/jobs/consumer.ts";
import { openCheckers } from "../server/checkers/check.ts";
import { culpritLines } from "../server/cases/export_pairs.ts";
import { importFile } from "../server/import/import_file.ts";
import { performImport } from "../server/import/import_task.ts";
import { createImportJob } from "../server/import/import_job.ts";
import { type ImportState } from "../server/jobs/jobs.ts";
import { openQueue, startQueue } from "../server/jobs/queue.ts";
import { blameTasks } from "../server/jobs/blame.ts";
import { homeId } from "../server/base/home.ts";
import { ROOT } from "../server/base/settings.ts";
import { IMPORTER, startSupervisor } from "../server/worker/supervisor.ts";
import { loadTokenizer, type Tokenizer } from "../gpu/model/tokenizer.ts";
import type { Candidate, ImportPlace } from "../schema/tables/values.ts";
import { failureCases, importCounts, jobs, tokenPairs } from "../schema/tables/tables.ts";
import { storeModel, testDatabase } from "./database.ts";

const database = testDatabase();
const directory = join(ROOT, "models", "demo-1m");
let folder = "";
let tokenizer: Tokenizer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-import-"));
  tokenizer = await loadTokenizer(directory);
  await storeModel(database, { directory, vocabulary: 2048 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  await database.connection.db.delete(tokenPairs);
  await database.connection.db.delete(failureCases);
});

/** A good line; `changes` replace its fields. */
function line(key: string, changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const prompt = "<|im_start|>user\nAnswer in lower case only. Name a colour.<|im_end|>\n<|im_start|>assistant\n";
  const prefix = "the colour is";
  return {
    format: "culprit/1",
    key,
    benchmark: "demo-ifeval",
    task: key,
    model: "demo-1m",
    messages: [{ role: "user", content: "Answer in lower case only. Name a colour." }],
    prompt,
    prefix,
    inputIds: [...tokenizer.encode(prompt), ...tokenizer.encode(prefix)],
    promptTokens: tokenizer.encode(prompt).length,
    completion: "the colour is Red",
    completionIds: tokenizer.encode("the colour is Red"),
    target: { id: 10, text: tokenizer.token(10), logit: 5.5 },
    contrast: { id: 11, text: tokenizer.token(11), logit: 3.25, rank: 1 },
    delta: 2.25,
    instructionPhrases: ["lower case only"],
    candidates: [{ rank: 1, id: 11, text: tokenizer.token(11), logit: 3.25, completion: "so", passed: true }],
    metadata: { seed: 1 },
    ...changes,
  };
}

async function importLines(lines: readonly unknown[], options: Partial<Parameters<typeof importFile>[1]> = {}) {
  const path = join(folder, "cases.jsonl");
  const text = lines.map((one) => typeof one === "string" ? one : JSON.stringify(one)).join("\n");
  await writeFile(path, text + "\n");
  const state = await importFile(database.connection.db, {
    path,
    name: "cases.jsonl",
    from: "culprit",
    at: undefined,
    onBatch: () => Promise.resolve(),
    ...options,
  });
  return state.report;
}

const stored = () =>
  Promise.all([
    database.connection.db.select().from(failureCases).orderBy(failureCases.id),
    database.connection.db.select().from(tokenPairs).orderBy(tokenPairs.id),
  ]);

test("importing the same file twice changes nothing", async () => {
  const lines = [line("a"), line("b"), line("a")];
  expect(await importLines(lines)).toMatchObject({ lines: 3, inserted: 2, unchanged: 1, failedCount: 0 });
  const before = await stored();
  expect(await importLines(lines)).toMatchObject({ lines: 3, inserted: 0, unchanged: 3, failedCount: 0 });
  expect(await stored()).toEqual(before);
});

test("what was given is stored, with token texts and segments computed from it", async () => {
  await importLines([line("a")]);
  const [[failureCase], [pair]] = await stored();
  expect(failureCase).toMatchObject({
    key: "a",
    prefix: "the colour is",
    promptTokens: line("a")["promptTokens"],
    inputIds: line("a")["inputIds"],
    delta: 2.25,
    metadata: { seed: 1 },
  });
  expect(pair).toMatchObject({ targetId: 10, contrastRank: 1, delta: 2.25, source: "imported" });
  const spelled = (segment: string) =>
    failureCase!.tokenTexts.filter((_, position) => failureCase!.segments[position] === segment).join("");
  expect(failureCase!.segments).toHaveLength(failureCase!.tokenCount);
  expect(spelled("I").trim()).toBe("lower case only");
  expect(spelled("A")).toBe("the colour is");
  expect(spelled("S")).toBe("<|im_start|><|im_end|><|im_start|>");
});

test("another contrast of a stored case becomes another pair, and lists know the largest delta", async () => {
  await importLines([line("a")]);
  const second = line("a", { contrast: { id: 12, text: tokenizer.token(12), logit: 1.5, rank: 2 }, delta: 4 });
  expect(await importLines([second])).toMatchObject({ inserted: 1, failedCount: 0 });
  const [cases, pairs] = await stored();
  expect(cases).toHaveLength(1);
  expect(cases[0]!.delta).toBe(4);
  expect(pairs).toHaveLength(2);
});

const ITEM = { kind: "math", answer: "4" } as const;
const VERDICT = { passed: false, reason: "the answer is 5, not 4" };

test("an item and a verdict are stored; an item that comes later is added, and makes no other case", async () => {
  expect(await importLines([line("a"), line("b", { item: ITEM, verdict: VERDICT })])).toMatchObject({ inserted: 2 });
  const [[first, second]] = await stored();
  expect([first!.item, first!.verdict, second!.item, second!.verdict]).toEqual([null, null, ITEM, VERDICT]);
  expect(await importLines([line("a", { item: ITEM }), line("b")])).toMatchObject({ inserted: 0, unchanged: 2 });
  expect(await stored()).toEqual([[{ ...first, item: ITEM }, second], (await stored())[1]]);
  const bad = await importLines([
    line("c", { item: { kind: "poetry" } }),
    line("d", { item: { kind: "math" } }),
    line("e", { verdict: { passed: "no" } }),
  ]);
  expect(bad.failed.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^cases\.jsonl:1: item\.kind: .*; mend the field/),
    expect.stringMatching(/^cases\.jsonl:2: item\.answer: .*; mend the field/),
    expect.stringMatching(/^cases\.jsonl:3: verdict\.passed: .*; mend the field/),
  ]);
});

test("a candidate whose completion ended early comes back as one", async () => {
  const [whole] = line("a")["candidates"] as Candidate[];
  const candidates = [whole, {
    ...whole!,
    rank: 2,
    id: 12,
    text: tokenizer.token(12),
    passed: false,
    endedEarly: true,
  }];
  await importLines([line("a", { candidates })]);
  const [[row], [pair]] = await stored();
  expect(pair!.candidates).toEqual(candidates);
  for await (const one of culpritLines(database.connection.db, { modelId: row!.modelId, benchmarks: null })) {
    expect(JSON.parse(one).candidates).toEqual(candidates);
    expect(await importLines([one])).toMatchObject({ unchanged: 1, failedCount: 0 });
  }
  expect(await importLines([line("b", { candidates: [{ ...whole, endedEarly: "no" }] })])).toMatchObject({
    failed: [{ message: expect.stringMatching(/^cases\.jsonl:1: candidates\[0\]\.endedEarly: .*; mend the field/) }],
  });
});

test("messages keep tool calls and what else chat templates read", async () => {
  const messages = [
    { role: "user", content: "Weather?" },
    { role: "assistant", content: null, tool_calls: [{ type: "function", function: { name: "w", arguments: {} } }] },
    { role: "tool", content: "snow", tool_call_id: "1" },
  ];
  expect(await importLines([line("a", { messages })])).toMatchObject({ inserted: 1, failedCount: 0 });
  const [[row]] = await stored();
  expect(row!.messages).toEqual(messages.map((message) => ({ ...message, content: message.content ?? "" })));
  expect(await importLines([line("a", { messages })])).toMatchObject({ unchanged: 1 });
  expect(await importLines([line("b", { messages: [{ role: "tool", content: 5 }] })])).toMatchObject({
    failedCount: 1,
  });
});

test("the demo's cases know the items of its benchmarks; the file again changes nothing; what is exported comes back", async () => {
  const { db } = database.connection;
  const path = join(ROOT, "models", "demo-1m", "failure-cases.jsonl");
  const options = { name: "demo", from: "culprit", at: undefined, onBatch: () => Promise.resolve() } as const;
  const first = (await importFile(db, { ...options, path })).report;
  expect(first).toMatchObject({ inserted: 251, failedCount: 0 });
  const before = await stored();
  expect(before[0].map(({ item }) => item?.kind)).toEqual(
    before[0].map(({ benchmark }) => benchmark === "demo-ifeval" ? "ifeval" : "math"),
  );
  // The right items: each answer fails by its own, the first candidate that passed passes.
  const checkers = openCheckers();
  for (const [index, { key, item, completion, benchmark }] of before[0].entries()) {
    // Short answers in capitals are not English to IFEval's checker, whatever comes next.
    if (benchmark !== "demo-math") continue;
    expect((await checkers.check(item!, completion)).passed, key).toBe(false);
    const right = before[1][index]!.candidates.find(({ passed }) => passed === true)!;
    expect((await checkers.check(item!, right.completion!)).passed, key).toBe(true);
  }
  await checkers.close();
  expect((await importFile(db, { ...options, path })).report).toMatchObject({ inserted: 0, unchanged: 251 });
  expect(await stored()).toEqual(before);

  const lines: string[] = [];
  for await (const one of culpritLines(db, { modelId: before[0][0]!.modelId, benchmarks: null })) lines.push(one);
  expect(lines).toHaveLength(251);
  expect(await importLines(lines)).toMatchObject({ inserted: 0, unchanged: 251, failedCount: 0 });
  expect(await stored()).toEqual(before);
  await db.delete(tokenPairs);
  await db.delete(failureCases);
  expect(await importLines(lines)).toMatchObject({ inserted: 251, failedCount: 0 });
  const again = (await stored())[0];
  expect(again.map(({ key, item, contentHash }) => [key, item, contentHash]))
    .toEqual(before[0].map(({ key, item, contentHash }) => [key, item, contentHash]));
});

const cut = JSON.stringify({ format: "culprit/1" }).slice(0, -3);
/** A wrong line, and what must be said about it. */
const WRONG: readonly (readonly [string, () => unknown, RegExp])[] = [
  ["broken JSON", () => cut, /it is no JSON: .*; write one JSON object a line$/],
  ["another format", () => line("x", { format: "culprit/2" }), /format: .*culprit\/1/],
  ["a missing field", () => line("x", { target: undefined }), /target: /],
  ["a wrong type", () => line("x", { delta: "much" }), /delta: .*number/],
  ["an unknown field", () => line("x", { instructionPhrase: [] }), /instructionPhrase/],
  ["an unknown model", () => line("x", { model: "gpt" }), /no model "gpt"; add it first: npx culprit model add/],
  [
    "an id out of range",
    () => line("x", { inputIds: [1, 2048] }),
    /inputIds\[1\] is 2048, but demo-1m has 2048 token ids/,
  ],
  [
    "a target out of range",
    () => line("x", { target: { id: 9999, text: "", logit: 5.5 } }),
    /target\.id is 9999.*; give ids of this model's tokenizer/,
  ],
  ["no ids", () => line("x", { inputIds: [] }), /inputIds: /],
  [
    "a target that is the contrast",
    () => line("x", { contrast: { id: 10, text: "R", logit: 3.25, rank: 1 } }),
    /target and contrast are both token 10; give the right alternative/,
  ],
  [
    "a delta that is not the difference",
    () => line("x", { delta: 9 }),
    /delta is 9, but .* is 2\.25; give the difference/,
  ],
  [
    "a contrast that is the model's choice",
    () => line("x", { contrast: { id: 11, text: tokenizer.token(11), logit: 3.25, rank: 0 } }),
    /contrast\.rank is 0, .*; give the wrong token/,
  ],
  [
    "a delta for the contrast",
    () => line("x", { target: { id: 10, text: tokenizer.token(10), logit: 1.25 }, delta: -2 }),
    /delta is -2, so the model prefers the contrast/,
  ],
  [
    "a text that is not the token's",
    () => line("x", { contrast: { id: 11, text: "hello world", logit: 3.25, rank: 1 } }),
    /contrast\.text is "hello world", but token 11 of demo-1m is .*; give the text of this one token/,
  ],
  ["an empty prompt", () => line("x", { prompt: "" }), /prompt: the prompt is empty; mend/],
  ["too many prompt tokens", () => line("x", { promptTokens: 999 }), /promptTokens is 999, but there are/],
  [
    "a phrase that the prompt has not",
    () => line("x", { instructionPhrases: ["upper case"] }),
    /no phrase "upper case"; give exact substrings/,
  ],
  ["ids of another text", () => line("x", { prefix: "a colour is" }), /ids of the prefix spell .*; give the ids/],
  ["a NUL", () => line("x", { completion: "a\0b" }), /completion holds a NUL/],
  ["half a surrogate pair", () => line("x", { metadata: { a: "\ud800" } }), /metadata\.a holds/],
];

test.each(WRONG)("%s: the line is named with its mend, and the others are stored", async (_name, wrong, message) => {
  const report = await importLines([line("good"), wrong(), line("also good")]);
  expect(report).toMatchObject({ lines: 3, inserted: 2, unchanged: 0, failedCount: 1 });
  expect(report.failed[0]!.line).toBe(2);
  expect(report.failed[0]!.message).toMatch(/^cases\.jsonl:2: /);
  expect(report.failed[0]!.message).toMatch(message);
  expect(report.failed[0]!.message).not.toContain("\n");
  const [cases, pairs] = await stored();
  expect(cases.map(({ key }) => key)).toEqual(["good", "also good"]);
  expect(pairs).toHaveLength(2);
});

test("a key that is stored with other content fails, and what was stored stays", async () => {
  await importLines([line("a")]);
  const before = await stored();
  const report = await importLines([line("a", { completion: "another" }), line("a", { candidates: [] })]);
  expect(report).toMatchObject({ inserted: 0, failedCount: 2 });
  expect(report.failed.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^cases\.jsonl:1: the key "a" is stored with other content; give it a key of its own/),
    expect.stringMatching(/^cases\.jsonl:2: the token pair of "a" is stored with other numbers/),
  ]);
  expect(await stored()).toEqual(before);
});

test("an interrupted import leaves whole batches, and goes on where it was", async () => {
  const lines = Array.from({ length: 250 }, (_, index) => line(`many/${index}`));
  const states: ImportState[] = [];
  const interrupted = importLines(lines, {
    onBatch: (_tx, state) => {
      if (states.length === 1) return Promise.reject(new Error("killed"));
      states.push(state);
      return Promise.resolve();
    },
  });
  await expect(interrupted).rejects.toThrow("killed");
  const [cases] = await stored();
  expect(cases).toHaveLength(100);
  expect(states[0]!.report).toMatchObject({ lines: 100, inserted: 100 });
  const report = await importLines(lines, { at: states[0] });
  expect(report).toMatchObject({ lines: 250, inserted: 250, unchanged: 0, failedCount: 0 });
  const [all, pairs] = await stored();
  expect([all.length, pairs.length]).toEqual([250, 250]);
});

test("an import job that is taken from its process ends once, with every line counted once", async () => {
  const { connection } = database;
  const boss = await startQueue(database.url);
  const path = join(folder, "job.jsonl");
  const lines = Array.from({ length: 350 }, (_, index) => JSON.stringify(line(`job/${index}`)));
  await writeFile(path, lines.join("\n"));
  const input = { kind: "import", path, name: "job.jsonl", uploadHash: "hash" } as const;
  const { id } = await createImportJob(connection.db, boss, "home", input, undefined);
  const jobRow = async () => (await connection.db.select().from(jobs).where(eq(jobs.id, id)))[0]!;

  const [task] = await boss.fetch<{ jobId: string }>("import/home");
  const taken = new AbortController();
  // The second batch waits until the task is taken away.
  const { sql } = connection;
  await sql.unsafe(`
    create function wait_for_lock() returns trigger language plpgsql as
      'begin perform pg_advisory_xact_lock(7); return new; end';
    create trigger second_batch before insert on failure_cases for each row when (new.key = 'job/150')
      execute function wait_for_lock()`);
  const [free, locked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(7)`;
    locked.resolve();
    await free.promise;
  });
  await locked.promise;
  const { id: taskId, retryCount, data } = task!;
  const attempt = { id: taskId, retryCount, queue: "import/home", task: data, signal: taken.signal };
  const importing = expect(performImport(connection, boss, attempt)).rejects.toThrow();
  await expect.poll(async () => (await jobRow()).report?.lines, { timeout: 60_000 }).toBe(100);
  taken.abort(new Error("taken away"));
  free.resolve();
  await holding;
  await importing;
  await sql.unsafe("drop trigger second_batch on failure_cases; drop function wait_for_lock()");
  expect((await jobRow()).report!.lines).toBe(100);
  await boss.fail("import/home", attempt);

  const consumer = await startConsumer(connection, boss, "import", (next) => performImport(connection, boss, next));
  await expect.poll(async () => (await jobRow()).status, { timeout: 60_000 }).not.toMatch(/queued|running/);
  await consumer.stop();
  await boss.stop({ graceful: false });
  expect(await jobRow()).toMatchObject({
    status: "completed",
    report: { lines: 350, inserted: 350, unchanged: 0, failedCount: 0 },
  });
  expect(await connection.db.$count(failureCases)).toBe(350);
  // The copy of the upload is gone with its import.
  await expect(access(path)).rejects.toThrow();
});

test("a response that comes again after an interruption is counted once, as without one", async () => {
  const { connection } = database;
  const boss = await startQueue(database.url);
  const answerOf = (question: number, answer: string) => ({
    doc_id: question,
    doc: {
      prompt: `Count ${question}`,
      key: question,
      instruction_id_list: ["punctuation:no_comma"],
      kwargs: [{}],
    },
    target: 0,
    arguments: [[`Count ${question}`, {}]],
    resps: [[answer]],
    filtered_resps: [answer],
    prompt_level_strict_acc: !answer.includes(","),
  });
  // 120 questions, every third fails; 60 of them again after more than a batch.
  const lines = [...Array(120).keys(), ...Array(60).keys()].map((question) =>
    JSON.stringify(answerOf(question, question % 3 === 0 ? "one, two" : "one two"))
  );
  const path = join(folder, "again.jsonl");
  await writeFile(path, lines.join("\n"));
  const choices = { from: "lm-eval", model: "demo-1m" } as const;
  const input = { kind: "import", path, name: "again.jsonl", uploadHash: null, choices } as const;
  const { id } = await createImportJob(connection.db, boss, "again", input, undefined);
  const rowOf = async () => (await connection.db.select().from(jobs).where(eq(jobs.id, id)))[0]!;
  const take = async () => {
    const [task] = await boss.fetch<{ jobId: string }>("import/again");
    return { id: task!.id, retryCount: task!.retryCount, queue: "import/again", task: task!.data };
  };
  // The first attempt ends when it wants to store its second batch.
  let asked = 0;
  const taken = {
    get aborted() {
      return ++asked > 1;
    },
  } as AbortSignal;
  const first = await take();
  await expect(performImport(connection, boss, { ...first, signal: taken })).rejects.toThrow();
  expect((await rowOf()).report).toMatchObject({ lines: 100, responses: 100, failedResponses: 34 });
  expect(await connection.db.$count(importCounts)).toBe(1);
  await boss.fail("import/again", first);
  await connection.sql`update pgboss.job set start_after = now() where id = ${first.id}`;
  await performImport(connection, boss, { ...await take(), signal: new AbortController().signal });
  await boss.stop({ graceful: false });
  expect(await rowOf()).toMatchObject({
    status: "completed",
    report: { lines: 180, responses: 120, passed: 80, failedResponses: 40, inserted: 120, unchanged: 60 },
  });
  expect(await connection.db.$count(importCounts)).toBe(0);
});

test("records that take their process down are found by trying, and are lines; all others land", async () => {
  const path = join(folder, "poison.jsonl");
  const lines = Array.from({ length: 250 }, (_, index) => JSON.stringify(line(`poison/${index}`)));
  await writeFile(path, lines.join("\n") + "\n");
  const startOf = (index: number) => lines.slice(0, index).reduce((sum, one) => sum + one.length + 1, 0);
  const poison = [startOf(0), startOf(130), startOf(131)];
  class Fall extends Error {}
  let at: ImportState | undefined;
  let before: ImportPlace | undefined;
  let attempts = 0;
  /** One attempt in a process that ends without a word where it reads such a record, before its batch is stored. */
  const attempt = () =>
    importFile(database.connection.db, {
      path,
      name: "poison.jsonl",
      from: "culprit",
      at,
      places: { before, note: (place) => Promise.resolve(void (before = place)) },
      onBatch: (_tx, state) => {
        const from = at?.done ?? 0;
        const alone = before!.at === from ? before!.alone : 0;
        if (alone <= 2 && poison.some((start) => start >= from && start < state.done)) {
          return Promise.reject(new Fall());
        }
        at = state;
        before = { at: state.done, alone: 0 };
        return Promise.resolve();
      },
    });
  for (;;) {
    attempts++;
    try {
      at = await attempt();
      break;
    } catch (error) {
      if (!(error instanceof Fall)) throw error;
    }
  }
  expect(at.report).toMatchObject({ lines: 250, inserted: 247, failedCount: 3 });
  expect(at.report.failed).toEqual([1, 131, 132].map((number) => ({
    line: number,
    message: `poison.jsonl:${number}: reading it took its process down 2 times; leave it out, and tell us of it`,
  })));
  // With their batch and twice alone; the last of them, beside one that is known, twice alone only.
  expect(attempts).toBe(3 + 3 + 2 + 1);
});

test("a process that is killed over a record, again and again, is started again: that record fails, all others land", async () => {
  const { connection, url } = database;
  const { db, sql } = connection;
  const path = join(folder, "killed.jsonl");
  const keys = ["killed/a", "killed/poison", ...Array.from({ length: 120 }, (_, index) => `killed/${index}`)];
  await writeFile(path, keys.map((key) => `${JSON.stringify(line(key))}\n`).join(""));
  // Whoever stores the record is at it until it is killed.
  await sql.unsafe(`
    create function wait_long() returns trigger language plpgsql as 'begin perform pg_sleep(600); return new; end';
    create trigger poison before insert on failure_cases for each row when (new.key = 'killed/poison')
      execute function wait_long()`);
  const boss = await startQueue(url);
  const supervisor = startSupervisor(url, { program: IMPORTER, environment: { ...process.env, CULPRIT_HOME: folder } });
  const input = { kind: "import", path, name: "killed.jsonl", uploadHash: null } as const;
  const { id } = await createImportJob(db, boss, await homeId({ home: folder }), input, undefined);
  const rowOf = async () => (await db.select().from(jobs).where(eq(jobs.id, id)))[0]!;
  const victims = new Set<number>();
  try {
    for (;;) {
      await new Promise((done) => setTimeout(done, 20));
      const { status } = await rowOf();
      if (status !== "queued" && status !== "running") break;
      const [asleep] = await sql<{ pid: number }[]>`
        select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`;
      const state = supervisor.state();
      if (asleep === undefined || state.kind !== "ready" || victims.has(state.pid)) continue;
      victims.add(state.pid);
      process.kill(state.pid, "SIGKILL");
      await sql`select pg_terminate_backend(${asleep.pid})`;
      // As if its heartbeat had been missed for long enough.
      await expect.poll(() => supervisor.state().kind).toBe("restarting");
      await sql`update pgboss.job set heartbeat_on = now() - interval '1 hour' where data ->> 'jobId' = ${id}`;
      await boss.supervise();
    }
  } finally {
    await supervisor.stop();
    await boss.stop({ graceful: false });
    await sql.unsafe("drop trigger poison on failure_cases; drop function wait_long()");
  }
  // With its batch, and twice alone.
  expect(victims.size).toBe(3);
  const { status, report } = await rowOf();
  expect(status).toBe("completed");
  expect(report).toMatchObject({ lines: 122, inserted: 121, failedCount: 1 });
  expect(report!.failed).toEqual([{
    line: 2,
    message: "killed.jsonl:2: reading it took its process down 2 times; leave it out, and tell us of it",
  }]);
  expect(await db.$count(failureCases)).toBe(121);
});

test("a record that cannot be stored is a line, and takes no other with it", async () => {
  const report = await importLines([
    line("a"),
    line("b", { contrast: { id: 11, text: tokenizer.token(11), logit: 3.25, rank: 2 ** 31 } }),
    `${JSON.stringify(line("c")).slice(0, -1)},"metadata":${"[".repeat(5000)}${"]".repeat(5000)}}`,
    line("d", { target: { id: 10, text: tokenizer.token(10), logit: 1e39 } }),
    line("e"),
  ]);
  expect(report).toMatchObject({ lines: 5, inserted: 2, failedCount: 3 });
  expect(report.failed.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^cases\.jsonl:2: .*(?:out of range|<=2147483647)/),
    expect.stringMatching(/^cases\.jsonl:3: it is nested more than 100 deep; /),
    expect.stringMatching(/^cases\.jsonl:4: /),
  ]);
});

test("blank lines and a missing last newline are no errors", async () => {
  const path = join(folder, "blank.jsonl");
  await writeFile(path, `\n${JSON.stringify(line("a"))}\r\n\n${JSON.stringify(line("b"))}`);
  const { report, done, total } = await importFile(database.connection.db, {
    path,
    name: "blank.jsonl",
    from: "culprit",
    at: undefined,
    onBatch: () => Promise.resolve(),
  });
  expect(report).toMatchObject({ lines: 4, inserted: 2, failedCount: 0 });
  expect(done).toBe(total);
});

test("a file that is not there is one clear line", async () => {
  const missing = importFile(database.connection.db, {
    path: join(folder, "none"),
    name: "none",
    from: "culprit",
    at: undefined,
    onBatch: () => Promise.resolve(),
  });
  await expect(missing).rejects.toThrow(/^none: it cannot be read as a file; give the path of a file or a folder$/);
});

test("a task whose process fell twice is given up with the reason; one that was killed from outside is not", async () => {
  const { connection } = database;
  const boss = await startQueue(database.url);
  await openQueue(boss, "analyse/test");
  const id = await boss.send("analyse/test", { jobId: crypto.randomUUID(), tokenPairId: 1, modelId: 1 });
  const fall = async (retryCount: number): Promise<void> => {
    await connection.sql`update pgboss.job set start_after = now() where id = ${id}`;
    const [task] = await boss.fetch("analyse/test");
    expect(task).toMatchObject({ id, retryCount });
    await blameTasks(connection, boss, [{ queue: "analyse/test", id: id!, retryCount }], "it was ended by SIGSEGV");
  };
  await fall(0);
  expect((await boss.findJobs("analyse/test", { id: id! }))[0]!.state).toBe("retry");
  await fall(1);
  expect((await boss.findJobs("analyse/test", { id: id! }))[0]!.state).toBe("failed");
  const [failed] = await boss.findJobs("analyse-failed");
  expect(failed!.sourceOutput).toMatchObject({
    message: "its worker fell while it worked on this: 2 times, the last time it was ended by SIGSEGV",
  });
  await boss.stop({ graceful: false });
});
