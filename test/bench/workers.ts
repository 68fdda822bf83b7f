/**
 * How many workers one database carries: workers with the real queue and the real writes, but models that compute
 * nothing, on an embedded PostgreSQL of its own.
 *
 *   npm run bench:workers -- --workers 10,50,100 --seconds 20
 *
 * Prints a JSON line for each number of workers: what they cost while nothing is to be done, and how many attributions
 * the database stores when all of them ask as fast as they can.
 */
import { readdir, readFile, rm } from "node:fs/promises";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { PgBoss } from "pg-boss";
import type { AttributionRequest, LoadedModel } from "../../gpu/engine.ts";
import { tokenPairs } from "../../schema/tables/tables.ts";
import { performAttributes } from "../../server/attributions/attribute_task.ts";
import { type Consumer, startConsumer, startPackConsumer } from "../../server/jobs/consumer.ts";
import { type Connection, migrateDatabase, openDatabase, WORKER_CONNECTIONS } from "../../server/database/database.ts";
import { startEmbeddedPostgres } from "../../server/database/embedded_postgres.ts";
import { createHeldModels } from "../../server/models/held_models.ts";
import { createAttributeJob } from "../../server/attributions/attribute_job.ts";
import { startQueue } from "../../server/jobs/queue.ts";
import { register, type Registration } from "../../server/jobs/worker_registry.ts";
import { fillAttributions } from "../attribution_rows.ts";
import { cacheOf, fakeResult } from "../fake_engine.ts";
import { machineName, oneMinuteLoad } from "./measurement.ts";

/** Node layers of a stored attribution: those of a model of 28 blocks. */
const LAYERS = 28;
/** Connections that the database takes; PostgreSQL's own default is 100. */
const MOST_CONNECTIONS = 1500;

const { values } = parseArgs({
  options: {
    workers: { type: "string", default: "10,50,100,200" },
    seconds: { type: "string", default: "20" },
    pairs: { type: "string", default: "100000" },
  },
});
const seconds = Number(values.seconds);

interface FakeWorker {
  readonly registration: Registration;
  readonly connection: Connection;
  readonly boss: PgBoss;
  readonly consumers: readonly Consumer[];
}

/** Milliseconds of each fetch of all workers, since it was last emptied. */
let fetches: number[] = [];

/** What server/worker.ts starts, with a model whose results are there at once. */
async function startFakeWorker(url: string): Promise<FakeWorker> {
  const connection = openDatabase(url, undefined, WORKER_CONNECTIONS);
  const boss = await startQueue(url, { worker: true });
  const fetch = boss.fetch.bind(boss);
  boss.fetch = (async (name: string, options: object) => {
    const start = performance.now();
    const tasks = await fetch(name, options);
    fetches.push(performance.now() - start);
    return tasks;
  }) as typeof boss.fetch;
  const attributeMany = (requests: readonly AttributionRequest[]) =>
    Promise.resolve(requests.map((request) => ({
      ...fakeResult(request),
      layers: LAYERS,
      nodeRelevance: new Float32Array((LAYERS + 1) * request.inputIds.length).fill(0.25),
    })));
  const cache = cacheOf({ attributeMany } as Partial<LoadedModel> as LoadedModel);
  const held = createHeldModels(connection.db, []);
  const registration = await register(connection.db, held, { adapter: "none", memoryBytes: () => null });
  const parts = { connection, boss, cache };
  const nothing = () => Promise.reject(new Error("There are no such tasks"));
  const consumers = [
    await startPackConsumer(connection, boss, "attribute", (pack) => performAttributes(parts, pack)),
    await startConsumer(connection, boss, "analyse", nothing),
    await startConsumer(connection, boss, "search", nothing),
  ];
  return { registration, connection, boss, consumers };
}

async function stopFakeWorker({ registration, connection, boss, consumers }: FakeWorker): Promise<void> {
  await Promise.all(consumers.map((consumer) => consumer.stop()));
  await registration.stop();
  await boss.stop({ graceful: false });
  await connection.close();
}

/** Until connections that starting took are left again, in milliseconds. */
const SETTLE_MS = 25_000;

const TICKS = 100;

/** Processor seconds of the postmaster and of all its children so far, those that ended included. */
async function databaseSeconds(postmaster: number): Promise<number> {
  let ticks = 0;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(pid) === postmaster) {
      ticks += Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]);
    } else if (Number(fields[1]) === postmaster) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS;
}

const ownSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

function p95(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor(0.95 * sorted.length)] ?? NaN;
}

const rounded = (value: number, digits = 3): number => Number(value.toPrecision(digits));

/** Measures for a while: processor seconds a second of database and workers. */
async function during<Result>(postmaster: number, work: () => Promise<Result>) {
  const [database, own, start] = [await databaseSeconds(postmaster), ownSeconds(), performance.now()];
  const result = await work();
  const wall = (performance.now() - start) / 1000;
  return {
    result,
    wall,
    database: await databaseSeconds(postmaster) - database,
    own: ownSeconds() - own,
  };
}

async function connectionsOf({ sql }: Connection): Promise<number> {
  const [row] = await sql<{ connections: number }[]>`
    select count(*)::int as connections from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend'`;
  return row?.connections ?? 0;
}

async function measure(connection: Connection, boss: PgBoss, postmaster: number, count: number): Promise<void> {
  const { db, sql } = connection;
  const url = connection.url;
  await sql`truncate attributions, job_tasks cascade`;
  await sql`delete from pgboss.job`;
  const before = await connectionsOf(connection);
  const workers: FakeWorker[] = [];
  for (let index = 0; index < count; index++) workers.push(await startFakeWorker(url));
  await sleep(SETTLE_MS);
  const idle = await during(postmaster, () => sleep(1000 * seconds));
  const connections = await connectionsOf(connection) - before;

  fetches = [];
  const asked = await during(postmaster, async () => {
    const ids = (await db.select({ id: tokenPairs.id }).from(tokenPairs)).map(({ id }) => id);
    return await createAttributeJob(db, boss, { tokenPairIds: ids, rule: "attnlrp", idempotencyKey: undefined });
  });
  await sleep(2000);
  const done = async () => (await sql`select count(*)::int as count from attributions`)[0]!["count"] as number;
  fetches = [];
  const busy = await during(postmaster, async () => {
    const before = await done();
    await sleep(1000 * seconds);
    return await done() - before;
  });
  await Promise.all(workers.map(stopFakeWorker));
  console.log(JSON.stringify({
    workers: count,
    connections,
    idle: { databaseCores: rounded(idle.database / idle.wall), ownCores: rounded(idle.own / idle.wall) },
    asking: { tasks: Number(values.pairs), seconds: rounded(asked.wall) },
    busy: {
      attributionsPerSecond: rounded(busy.result / busy.wall),
      databaseMsPerAttribution: rounded(1000 * busy.database / busy.result),
      ownMsPerAttribution: rounded(1000 * busy.own / busy.result),
      fetchP95Ms: rounded(p95(fetches)),
    },
    load: oneMinuteLoad(),
    machine: machineName(),
  }));
}

const home = await mkdtemp(join(tmpdir(), "culprit-workers-"));
await Deno.chmod(home, 0o755);
const database = await startEmbeddedPostgres(home, { flags: [`-c max_connections=${MOST_CONNECTIONS}`] });
try {
  await migrateDatabase(database.url);
  const connection = openDatabase(database.url);
  const boss = await startQueue(database.url);
  await fillAttributions(connection, Number(values.pairs));
  const postmaster = Number((await readFile(join(home, "postgres", "postmaster.pid"), "utf8")).split("\n")[0]);
  for (const count of values.workers.split(",").map(Number)) await measure(connection, boss, postmaster, count);
  await boss.stop({ graceful: false });
  await connection.close();
} finally {
  await database.stop();
  await rm(home, { recursive: true, force: true });
}
