/** Many workers, many owners: tasks go to who can do them, are packed across jobs, and nobody waits for another's backlog. */
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { AttributionRequest, AttributionResult, LoadedModel } from "../gpu/engine.ts";
import { InputError, MemoryError } from "../gpu/errors.ts";
import { openModelDirectory } from "../gpu/model/directory.ts";
import { attributions, failureCases, jobs, jobTasks, models, tokenPairs } from "../schema/tables/tables.ts";
import { workers } from "../schema/tables/worker_tables.ts";
import { performAttributes } from "../server/attributions/attribute_task.ts";
import { type Consumer, startConsumer, startPackConsumer } from "../server/jobs/consumer.ts";
import { startFailedTasks } from "../server/jobs/failed_tasks.ts";
import { createHeldModels } from "../server/models/held_models.ts";
import { createAttributeJob } from "../server/attributions/attribute_job.ts";
import { cancelJob } from "../server/jobs/jobs.ts";
import { askedBy } from "../server/base/asker.ts";
import { findTasks, queueName, serves, startQueue } from "../server/jobs/queue.ts";
import { createAnnotatedJob } from "../server/search/search_job.ts";
import { performSearch } from "../server/search/search_task.ts";
import { ROOT } from "../server/base/settings.ts";
import { createTurns } from "../server/jobs/turns.ts";
import { tellWaitingJobs } from "../server/jobs/waiting_jobs.ts";
import { register } from "../server/jobs/worker_registry.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { cacheOf, fakeResult } from "./fake_engine.ts";

const database = testDatabase();
let boss: PgBoss;
let modelId = 0;
let pairIds: number[] = [];
const consumers: Pick<Consumer, "stop">[] = [];

beforeAll(async () => {
  boss = await startQueue(database.url);
});
afterAll(() => boss?.stop({ graceful: false }));
beforeEach(async () => {
  const { db, sql } = database.connection;
  for (const table of [jobTasks, attributions, jobs, tokenPairs, failureCases, models, workers]) await db.delete(table);
  await sql`delete from pgboss.job`;
  modelId = await storeModel(database, { hash: "aaaa", directory: "/elsewhere" });
  pairIds = [];
  for (let index = 0; index < 40; index++) pairIds.push(await storePair(database, modelId, `case/${index}`));
});
afterEach(async () => {
  for (const consumer of consumers.splice(0)) await consumer.stop();
});

const ask = async (owner: string, tokenPairIds: readonly number[]): Promise<string> => {
  const request = { rule: "attnlrp", idempotencyKey: undefined, tokenPairIds } as const;
  return (await askedBy({ name: owner, scope: "run" }, () => createAttributeJob(database.connection.db, boss, request)))
    .id;
};

type AttributeMany = (requests: readonly AttributionRequest[]) => Promise<readonly AttributionResult[]>;

/** A worker in this process. `passes` gets the token pairs of each pass over the model. */
async function work(
  attributeMany: AttributeMany = (requests) => Promise.resolve(requests.map(fakeResult)),
  isServed: (queue: string) => boolean = () => true,
): Promise<void> {
  const { connection } = database;
  const cache = cacheOf({ attributeMany } as Partial<LoadedModel> as LoadedModel);
  const handle = (pack: Parameters<typeof performAttributes>[1]) =>
    performAttributes({ connection, boss, cache }, pack);
  consumers.push(await startPackConsumer(connection, boss, "attribute", handle, { serves: isServed }));
}

async function jobRow(jobId: string): Promise<typeof jobs.$inferSelect> {
  const [row] = await database.connection.db.select().from(jobs).where(eq(jobs.id, jobId));
  return row!;
}

async function ended(jobId: string): Promise<typeof jobs.$inferSelect> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const row = await jobRow(jobId);
    if (row.status !== "queued" && row.status !== "running") return row;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("It did not end in time");
}

/** Takes all tasks in the order in which workers would. */
async function drain(queue: string): Promise<string[]> {
  const order: string[] = [];
  for (;;) {
    const [task] = await boss.fetch<{ jobId: string }>(queue);
    if (!task) return order;
    order.push(task.data.jobId);
    await boss.complete(queue, task.id);
  }
}

test("owners take turns: a backlog of one holds nobody else up, and small jobs wait for no batch", async () => {
  const first = await ask("run:a", pairIds.slice(0, 20));
  const second = await ask("run:b", pairIds.slice(0, 6));
  const small = await ask("run:a", pairIds.slice(30, 31));
  expect((await jobRow(second)).owner).toBe("run:b");
  expect(await drain("attribute/aaaa/now")).toEqual([small]);
  const order = await drain("attribute/aaaa");
  expect(order).toHaveLength(26);
  // Both stand beside the head; a and b alternate until b has nothing left.
  for (let at = 0; at < 12; at += 2) expect(new Set(order.slice(at, at + 2))).toEqual(new Set([first, second]));
  expect(order.slice(12).every((id) => id === first)).toBe(true);
});

test("who asks again and again gets no more than his turn, and who cancels loses nothing by it", async () => {
  const long = await ask("run:a", pairIds.slice(0, 10));
  const served: string[] = [];
  for (let round = 0; round < 4; round++) {
    const next = await ask("run:b", pairIds.slice(10 + 5 * round, 15 + 5 * round));
    for (let taken = 0; taken < 2; taken++) {
      const [task] = await boss.fetch<{ jobId: string }>("attribute/aaaa");
      served.push(task!.data.jobId);
      await boss.complete("attribute/aaaa", task!.id);
    }
    expect(next).not.toBe(long);
  }
  expect(served.filter((id) => id === long)).toHaveLength(4);
  const { db, sql } = database.connection;
  const given = await ask("run:c", pairIds);
  await cancelJob(db, given);
  const again = await ask("run:c", pairIds.slice(0, 5));
  const [places] = await sql`select
    (select max(priority) from pgboss.job where data ->> 'jobId' = ${again}) as own,
    (select max(priority) from pgboss.job where state = 'created') as head`;
  expect(places!["own"]).toBe(places!["head"]);
});

test("queued tasks of several jobs are computed in one pass, each job with its own result", async () => {
  const ids = [];
  for (const [index, pairId] of pairIds.slice(0, 6).entries()) ids.push(await ask(`run:${index % 3}`, [pairId]));
  const passes: number[] = [];
  await work((requests) => {
    passes.push(requests.length);
    return Promise.resolve(requests.map(fakeResult));
  });
  for (const id of ids) expect(await ended(id)).toMatchObject({ status: "completed", done: 1 });
  expect(passes).toEqual([6]);
  expect(await database.connection.db.$count(attributions)).toBe(6);
});

test("bad input in a pack fails its own task only; a pack that dies is tried again one by one", async () => {
  const failed = await startFailedTasks(database.connection, boss);
  consumers.push(failed);
  const ids = [];
  for (const pairId of pairIds.slice(0, 4)) ids.push(await ask("run:a", [pairId]));
  const passes: number[] = [];
  const poison = new Set<string>();
  const { db } = database.connection;
  // Two of the four: one is refused, one takes the worker down.
  for (const [index, inputIds] of [[1, [1, 2, 3, 7]], [2, [1, 2, 3, 8]]] as const) {
    await db.update(failureCases).set({ inputIds: [...inputIds] }).where(eq(failureCases.key, `case/${index}`));
    poison.add(inputIds.join());
  }
  await work((requests) => {
    passes.push(requests.length);
    if (requests.some(({ inputIds }) => inputIds.at(-1) === 8)) return Promise.reject(new Error("the device died"));
    if (requests.some(({ inputIds }) => inputIds.at(-1) === 7)) throw new InputError("no such id", "input", "mend it");
    return Promise.resolve(requests.map(fakeResult));
  });
  const rows = await Promise.all(ids.map(ended));
  expect(rows.map(({ status }) => status)).toEqual(["completed", "failed", "failed", "completed"]);
  expect(rows[1]!.errorMessage).toBe("input: no such id; mend it");
  expect(rows[2]!.errorMessage).toBe("the device died");
  // The pack, then each alone: twice more for the one that always dies.
  expect(passes[0]).toBe(4);
  expect(passes.slice(1).every((size) => size === 1)).toBe(true);
  expect(passes.length).toBe(1 + 3 + 2);
});

test("a job of a model that no worker holds says so, and goes to the one that comes with it", async () => {
  const { db } = database.connection;
  const folder = await mkdtemp(join(tmpdir(), "culprit-held-"));
  try {
    const jobId = await ask("run:a", pairIds.slice(0, 1));
    await tellWaitingJobs(database.connection, new Map());
    expect((await jobRow(jobId)).message).toBe("Waits: no worker runs; start one with npx culprit worker");
    const held = createHeldModels(db, [folder]);
    const other = await register(db, held, { adapter: "fake", memoryBytes: () => 2 ** 30 });
    await work(undefined, other.serves);
    await tellWaitingJobs(database.connection, new Map());
    const { message, sequence } = await jobRow(jobId);
    expect(message).toBe(
      "Waits: the worker that runs does not hold demo-1m; put the files it was added with into its CULPRIT_MODELS",
    );
    await tellWaitingJobs(database.connection, new Map());
    expect((await jobRow(jobId)).sequence).toBe(sequence);
    // The files come, under another name than they had where the model was added.
    await mkdir(join(folder, "series"));
    await cp(join(ROOT, "models", "demo-1m"), join(folder, "series", "renamed"), { recursive: true });
    const model = await openModelDirectory(join(folder, "series", "renamed"));
    model.close();
    await db.update(models).set({ hash: model.hash }).where(eq(models.id, modelId));
    const next = await ask("run:a", pairIds.slice(1, 2));
    expect(await ended(next)).toMatchObject({ status: "completed", done: 1 });
    const [row] = await db.select().from(workers);
    expect(row).toMatchObject({ adapter: "fake", memoryBytes: 2 ** 30, models: [model.hash] });
    await other.stop();
    expect(await db.$count(workers)).toBe(0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("models are found by their content, wherever they lie, and looked at again when they change", async () => {
  const folder = await mkdtemp(join(tmpdir(), "culprit-held-"));
  try {
    const held = createHeldModels(database.connection.db, [folder]);
    await held.scan();
    expect(held.hashes()).toEqual([]);
    const directory = join(folder, "a", "b");
    await cp(join(ROOT, "models", "demo-1m"), directory, { recursive: true });
    await held.scan();
    const model = await openModelDirectory(directory);
    model.close();
    const { hash, tokenizerHash } = model;
    expect(held.hashes()).toEqual([hash]);
    const stored = { name: "demo", directory: "/elsewhere", hash, tokenizerHash: tokenizerHash! };
    expect(held.locate(stored).directory).toBe(directory);
    expect(() => held.locate({ ...stored, tokenizerHash: "other" })).toThrow(
      /the weights of demo are there with another tokenizer/,
    );
    // Benchmarks likewise.
    const shipped = join(ROOT, "models", "benchmarks", "demo-ifeval.jsonl");
    const file = { name: "demo-ifeval", path: "/elsewhere/demo-ifeval.jsonl", hash: "" };
    await expect(held.locateFile(file)).rejects.toThrow(/the file of the benchmark demo-ifeval is not on the worker's/);
    const own = { ...file, hash: createHash("sha256").update(await readFile(shipped)).digest("hex") };
    expect((await held.locateFile(own)).path).toBe(shipped);
    await writeFile(join(folder, "a", "demo-ifeval.jsonl"), "{}\n");
    const other = { ...file, hash: createHash("sha256").update("{}\n").digest("hex") };
    expect((await held.locateFile(other)).path).toBe(join(folder, "a", "demo-ifeval.jsonl"));
    await writeFile(join(directory, "config.json"), "{}");
    await held.scan();
    expect(held.hashes()).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** Another worker that lives and holds the model, with this much memory. */
const worker = (memoryBytes: number) =>
  database.connection.sql`insert into workers (id, host, pid, adapter, memory_bytes, models, seen_at)
    values (${crypto.randomUUID()}, 'here', 1, 'fake', ${memoryBytes}, '{aaaa}', now())`;

/** Waits until the job's task was queued a second time. */
async function movedOn(kind: "attribute" | "search", jobId: string): Promise<void> {
  for (let tries = 0; tries < 500 && (await findTasks(boss, kind, jobId)).length < 2; tries++) {
    await new Promise((done) => setTimeout(done, 10));
  }
}

test("what does not fit one worker's memory goes to one where it does, and fails with the numbers where none is", async () => {
  const { db } = database.connection;
  const bytes = 3 * 2 ** 30;
  const refuse: AttributeMany = () =>
    Promise.reject(
      new MemoryError("the run needs 3.00 GiB of memory, and 1.00 GiB are free", "input", "shorten it", bytes),
    );
  const small = (queue: string) => serves({ models: ["aaaa"], memoryBytes: 2 ** 30 }, queue);
  await worker(2 ** 30);
  await work(refuse, small);
  const alone = await ended(await ask("run:a", pairIds.slice(0, 1)));
  expect(alone).toMatchObject({
    status: "failed",
    errorMessage: "input: the run needs 3.00 GiB of memory, and 1.00 GiB are free; shorten it",
  });

  await worker(4 * 2 ** 30);
  const moved = await ask("run:a", pairIds.slice(1, 2));
  const waiting = queueName("attribute", { models: ["aaaa"], bytes, lane: "interactive" });
  await movedOn("attribute", moved);
  const tasks = await findTasks(boss, "attribute", moved);
  expect(tasks.find(({ state }) => state === "created")).toMatchObject({ name: waiting, groupId: "run:a (small)" });
  await work(undefined, (queue) => serves({ models: ["aaaa"], memoryBytes: 4 * 2 ** 30 }, queue) && !small(queue));
  expect(await ended(moved)).toMatchObject({ status: "completed", done: 1 });

  // The larger worker is gone: its tasks say what they wait for.
  for (const consumer of consumers.splice(0)) await consumer.stop();
  await work(refuse, small);
  const left = await ask("run:a", pairIds.slice(2, 3));
  await movedOn("attribute", left);
  await db.delete(workers).where(eq(workers.memoryBytes, 4 * 2 ** 30));
  const before = await tellWaitingJobs(database.connection, new Map());
  await tellWaitingJobs(database.connection, before);
  expect((await jobRow(left)).message).toMatch(
    /^Waits: no worker that holds demo-1m has 3\.\d\d GiB of device memory; start one$/,
  );
});

test("so does a search whose model does not fit", async () => {
  const { connection } = database;
  const { db } = connection;
  const bytes = 3 * 2 ** 30;
  const lease = {
    get: () =>
      Promise.reject(new MemoryError("the model needs 3.00 GiB, and 1.00 GiB are free", "model", "wait", bytes)),
    release: () => {},
  };
  const cache = { ...cacheOf({} as LoadedModel), lease: () => lease };
  const small = (queue: string) => serves({ models: ["aaaa"], memoryBytes: 2 ** 30 }, queue);
  const perform = (attempt: Parameters<typeof performSearch>[1]) => performSearch({ connection, boss, cache }, attempt);
  consumers.push(await startConsumer(connection, boss, "search", perform, { serves: small }));
  const search = async () => {
    const [failureCase] = await db.select({ id: failureCases.id }).from(failureCases).limit(1);
    return (await db.transaction((tx) => createAnnotatedJob(tx, boss, modelId, failureCase!.id))).id;
  };
  expect(await ended(await search())).toMatchObject({
    status: "failed",
    errorMessage: "model: the model needs 3.00 GiB, and 1.00 GiB are free; wait",
  });

  await worker(4 * 2 ** 30);
  const moved = await search();
  const waiting = queueName("search", { models: ["aaaa"], bytes });
  await movedOn("search", moved);
  expect((await findTasks(boss, "search", moved)).map(({ name, state }) => [name === waiting, state]).sort()).toEqual([
    [false, "completed"],
    [true, "created"],
  ]);
  expect((await jobRow(moved)).status).toBe("running");
});

test("a queue keeps its turn for a while, then the one that waited longest is next", () => {
  const turns = createTurns((queue) => queue === "slow" ? 10 : 2);
  expect(turns.next([], 0)).toBeUndefined();
  expect(turns.next(["a", "slow"], 0)).toBe("a");
  expect(turns.next(["a", "slow"], 1)).toBe("a");
  expect(turns.next(["a", "slow"], 2)).toBe("slow");
  expect(turns.next(["a", "b", "slow"], 11)).toBe("slow");
  expect(turns.next(["a", "b", "slow"], 12)).toBe("b");
  expect(turns.next(["a", "slow"], 13)).toBe("a");
  expect(turns.next(["slow"], 14)).toBe("slow");
});
