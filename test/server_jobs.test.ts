import { eq, sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { AttributionRequest, AttributionResult, RunOptions } from "../gpu/engine.ts";
import { InputError } from "../gpu/errors.ts";
import { attributions, failureCases, jobs, jobTasks, models, tokenPairs } from "../schema/tables/tables.ts";
import type { Services } from "../schema/services/services.ts";
import { performAttribute } from "../server/attributions/attribute_task.ts";
import { type Consumer, startConsumer } from "../server/jobs/consumer.ts";
import { startFailedTasks } from "../server/jobs/failed_tasks.ts";
import { findTasks, startQueue } from "../server/jobs/queue.ts";
import { createServices } from "../server/http/services.ts";
import { readSettings } from "../server/base/settings.ts";
import { type JobWatcher, startJobWatcher } from "../server/jobs/watch_job.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { fakeCache, fakeResult, untilAborted } from "./fake_engine.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const database = testDatabase();
let boss: PgBoss;
let watcher: JobWatcher;
let services: Services;
let ask: ReturnType<typeof graphqlClient>;
let pairIds: number[] = [];
const consumers: Pick<Consumer, "stop">[] = [];

beforeAll(async () => {
  boss = await startQueue(database.url);
  watcher = await startJobWatcher(database.connection);
  services = createServices({ settings: readSettings({}), connection: database.connection, boss, watcher });
  ask = graphqlClient(database, services);
});
afterAll(async () => {
  await watcher?.stop();
  await boss?.stop({ graceful: false });
});
beforeEach(async () => {
  const { db } = database.connection;
  for (const table of [jobTasks, attributions, jobs, tokenPairs, failureCases, models]) await db.delete(table);
  await db.execute(sql`delete from pgboss.job`);
  const modelId = await storeModel(database);
  pairIds = [];
  for (const delta of [0.5, 2, 3]) pairIds.push(await storePair(database, modelId, `case/${delta}`, { delta }));
});
afterEach(async () => {
  for (const consumer of consumers.splice(0)) await consumer.stop();
});

/** Starts a worker in this process whose engine attributes as told. */
async function work(
  attribute: (request: AttributionRequest, options: RunOptions) => Promise<AttributionResult> = (request) =>
    Promise.resolve(fakeResult(request)),
): Promise<Consumer> {
  const cache = fakeCache(attribute);
  const { connection } = database;
  const consumer = await startConsumer(
    connection,
    boss,
    "attribute",
    (attempt) => performAttribute({ connection, boss, cache }, attempt),
  );
  consumers.push(consumer);
  return consumer;
}

const attribute = (tokenPairIds: readonly number[] | "missing" | "clean", idempotencyKey?: string) =>
  services.attribute({ tokenPairIds, rule: "attnlrp", idempotencyKey });

/** Waits until the job has ended and returns its row. */
async function ended(jobId: string): Promise<typeof jobs.$inferSelect> {
  for await (const _ of services.watchJob(jobId, 0)) { /* until it ends */ }
  return await jobRow(jobId);
}

async function jobRow(jobId: string): Promise<typeof jobs.$inferSelect> {
  const [row] = await database.connection.db.select().from(jobs).where(eq(jobs.id, jobId));
  return row!;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (await condition()) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("It did not happen in time");
}

test("a job's attributions are stored and counted, those that were there before too", async () => {
  await work();
  expect(await ended(await attribute([pairIds[1]!]))).toMatchObject({ status: "completed", done: 1, total: 1 });
  const job = await ended(await attribute(pairIds));
  expect(job).toMatchObject({ status: "completed", done: 3, total: 3, message: null });
  expect(job.startedAt).toBeInstanceOf(Date);
  expect(await database.connection.db.$count(attributions)).toBe(3);
  const { data } = await ask(
    `query ($id: ID!) { job(id: $id) { status done total failures { message }
      attributions(first: 2) { totalCount nodes { tokenPair { delta } } pageInfo { hasNextPage } } } }`,
    { id: globalId("Job", job.id) },
  );
  expect(data.job).toMatchObject({ status: "COMPLETED", failures: [] });
  expect(data.job.attributions).toMatchObject({ totalCount: 3, pageInfo: { hasNextPage: true } });
});

test("a job with nothing left to do is completed at once", async () => {
  const first = await attribute("clean");
  expect(await jobRow(first)).toMatchObject({ status: "queued", total: 2 });
  await work();
  await ended(first);
  expect(await jobRow(await attribute("clean"))).toMatchObject({ status: "completed", done: 0, total: 0 });
  expect(await jobRow(await attribute([pairIds[2]!]))).toMatchObject({
    status: "completed",
    done: 1,
    total: 1,
    message: "1 of 1 were already stored",
  });
  // Nobody works any more, so that nobody has begun when it is read.
  for (const consumer of consumers.splice(0)) await consumer.stop();
  expect(await jobRow(await attribute("missing"))).toMatchObject({ status: "queued", total: 1 });
});

test("the same idempotency key returns the first job, and refuses another request", async () => {
  const first = await attribute("clean", "key");
  expect(await attribute("clean", "key")).toBe(first);
  expect(await database.connection.db.$count(jobs)).toBe(1);
  const { data } = await ask(
    `mutation ($input: AttributeInput!) { attribute(input: $input) {
      __typename ... on InputError { what where mend message } } }`,
    { input: { selection: "MISSING", idempotencyKey: "key" } },
  );
  expect(data.attribute).toEqual({
    __typename: "InputError",
    what: 'the key "key" was used for another request',
    where: "idempotencyKey",
    mend: "give each request a key of its own",
    message: expect.stringContaining("idempotencyKey: "),
  });
});

const ATTRIBUTE = `mutation ($input: AttributeInput!) { attribute(input: $input) {
  __typename ... on Job { id kind status total } ... on InputError { what where mend } } }`;

test("the mutation returns its job at once, and bad input as a result", async () => {
  const good = await ask(ATTRIBUTE, { input: { tokenPairIds: pairIds.map((id) => globalId("TokenPair", id)) } });
  expect(good.errors).toBeUndefined();
  expect(good.data.attribute).toMatchObject({ __typename: "Job", kind: "ATTRIBUTE", status: "QUEUED", total: 3 });
  for (
    const [input, what] of [
      [{}, /exactly one/],
      [{ selection: "CLEAN", tokenPairIds: [globalId("TokenPair", 1)] }, /exactly one/],
      [{ tokenPairIds: [globalId("TokenPair", 987654)] }, /no token pair 987654/],
      [{ tokenPairIds: [] }, /./],
      [{ selection: "CLEAN", idempotencyKey: "" }, /./],
    ] as const
  ) {
    const { data, errors } = await ask(ATTRIBUTE, { input });
    expect(errors, JSON.stringify(input)).toBeUndefined();
    expect(data.attribute).toMatchObject({ __typename: "InputError", what: expect.stringMatching(what) });
  }
  expect(await database.connection.db.$count(jobs)).toBe(1);
});

test("cancelling takes waiting tasks away and aborts the one in work; what was finished stays", async () => {
  let calls = 0;
  let aborted = false;
  await work(async (request, { signal, onProgress }) => {
    if (++calls === 1) return fakeResult(request);
    const tick = setInterval(() => onProgress?.({ phase: "forward", done: 1, total: 4 }), 20);
    try {
      return await untilAborted(signal);
    } finally {
      clearInterval(tick);
      aborted = true;
    }
  });
  const jobId = await attribute(pairIds);
  await until(() => calls === 2);
  const { data } = await ask(`mutation ($id: ID!) { cancelJob(id: $id) { ... on Job { status done } } }`, {
    id: globalId("Job", jobId),
  });
  expect(data.cancelJob).toEqual({ status: "CANCELLED", done: 1 });
  await until(() => aborted);
  await until(async () => (await findTasks(boss, "attribute")).every(({ state }) => state === "completed"));
  expect(calls).toBe(2);
  expect(await database.connection.db.$count(attributions)).toBe(1);
  expect(await jobRow(jobId)).toMatchObject({ status: "cancelled", done: 1 });
});

test("bad input of one pair fails that pair only, with its reason", async () => {
  let calls = 0;
  await work((request) => {
    if (++calls > 1) return Promise.resolve(fakeResult(request));
    throw new InputError("too many ids", "inputIds", "give fewer");
  });
  const job = await ended(await attribute(pairIds));
  expect(job).toMatchObject({ status: "failed", done: 3, total: 3, errorCode: "SOME_FAILED" });
  expect(job.errorMessage).toBe("1 of 3 token pairs failed, for example: inputIds: too many ids; give fewer");
  expect(calls).toBe(3);
  const { data } = await ask(
    `query ($id: ID!) { job(id: $id) { error { code } failures { message tokenPair { delta } } } }`,
    { id: globalId("Job", job.id) },
  );
  expect(data.job.failures).toEqual([
    { message: "inputIds: too many ids; give fewer", tokenPair: { delta: expect.any(Number) } },
  ]);
});

test("a task that fails is tried again, and given up after three tries", async () => {
  const failed = await startFailedTasks(database.connection, boss);
  consumers.push(failed);
  let calls = 0;
  await work(() => {
    calls++;
    throw new Error("the device is out of memory");
  });
  const job = await ended(await attribute([pairIds[0]!]));
  expect(job).toMatchObject({
    status: "failed",
    done: 1,
    errorCode: "ALL_FAILED",
    errorMessage: "the device is out of memory",
  });
  expect(calls).toBe(3);
  expect(await database.connection.db.$count(attributions)).toBe(0);
});

test("a full disk is said to be, costs no try, and work goes on when there is room", async () => {
  const { sql } = database.connection;
  // What PostgreSQL says when a disk is full, from inside a statement as it does.
  await sql.unsafe(`create function pg_temp_full() returns trigger language plpgsql as $$
    begin raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$`);
  const fill = (table: string) =>
    sql.unsafe(`create trigger full_disk before insert on ${table} for each row execute function pg_temp_full()`);
  const empty = (table: string) => sql.unsafe(`drop trigger full_disk on ${table}`);

  await fill("jobs");
  const refused = await ask(ATTRIBUTE, { input: { selection: "MISSING" } });
  await empty("jobs");
  expect(refused.errors).toMatchObject([{ extensions: { code: "DISK_FULL" } }]);
  expect(refused.errors![0]!.message).toBe("The disk is full; nothing was changed. Make room and ask again");
  expect(await database.connection.db.$count(jobs)).toBe(0);
  expect(await findTasks(boss, "attribute")).toEqual([]);

  await fill("attributions");
  let calls = 0;
  await work((request) => {
    calls++;
    return Promise.resolve(fakeResult(request));
  });
  const jobId = await attribute([pairIds[0]!]);
  // One more than a task has tries.
  await until(() => calls === 4);
  expect(await jobRow(jobId)).toMatchObject({ status: "running", done: 0 });
  await empty("attributions");
  expect(await ended(jobId)).toMatchObject({ status: "completed", done: 1 });
  expect(await findTasks(boss, "attribute", jobId)).toMatchObject([{ state: "completed", retryCount: 0 }]);
});

test("a worker that stops hands its task back without using up a try", async () => {
  let calls = 0;
  const first = await work((_request, { signal }) => {
    calls++;
    return untilAborted(signal);
  });
  const jobId = await attribute([pairIds[0]!]);
  await until(() => calls === 1);
  await first.stop();
  const [task] = await findTasks(boss, "attribute");
  expect(task).toMatchObject({ state: "created", retryCount: 0 });
  await work();
  expect(await ended(jobId)).toMatchObject({ status: "completed", done: 1 });
});

test("two jobs that ask for the same pair store it once", async () => {
  const [first, second] = await Promise.all([attribute("missing"), attribute("missing")]);
  await work();
  await work();
  expect(await ended(first)).toMatchObject({ status: "completed", done: 3 });
  expect(await ended(second)).toMatchObject({ status: "completed", done: 3 });
  expect(await database.connection.db.$count(attributions)).toBe(3);
});

test("jobProgress tells each change once, goes on after a sequence, and ends with the job", async () => {
  let finish = (): void => {};
  const gate = new Promise<void>((done) => finish = done);
  await work(async (request) => {
    await gate;
    return fakeResult(request);
  });
  const jobId = await attribute(pairIds);
  const seen: { sequence: number; status: string }[] = [];
  const follow = async (after: number): Promise<void> => {
    for await (const _ of services.watchJob(jobId, after)) {
      const { sequence, status } = await jobRow(jobId);
      seen.push({ sequence, status });
      if (status === "running") finish();
    }
  };
  await follow(0);
  expect(seen.at(-1)!.status).toBe("completed");
  expect(seen.map(({ sequence }) => sequence)).toEqual(seen.map(({ sequence }) => sequence).sort((a, b) => a - b));
  const last = seen.at(-1)!.sequence;
  seen.length = 0;
  await follow(last);
  expect(seen).toEqual([{ sequence: last, status: "completed" }]);
});
