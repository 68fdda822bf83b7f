/**
 * A million failure cases, asked about 200 times a second for ten minutes: how long answers take, counted from the
 * moment that each question was due (an open loop: a slow answer does not hold the next question back), and how much
 * memory server and PostgreSQL take.
 *
 *   npm run soak -- load --rows 1000000 --rate 200 --seconds 600 --warm 60
 *
 * The same questions are asked before, for `--warm` seconds, and told apart: a database that was just started reads
 * from the disk what it holds in memory later. The rows are made once and kept under $CULPRIT_HOME/soak (about 9 GB).
 * Prints a JSON line and exits with 1 when something does not hold.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { migrateDatabase } from "../../server/database/database.ts";
import { startEmbeddedPostgres } from "../../server/database/embedded_postgres.ts";
import { readSettings } from "../../server/base/settings.ts";
import { machineName, oneMinuteLoad } from "../bench/measurement.ts";
import { seededRandom } from "../random.ts";
import { fillDatabase } from "./load_database.ts";
import { cursorName, drawQuery, type Kind, KINDS } from "./load_queries.ts";
import { memoryOf, type Running, startProcess } from "./processes.ts";

/** What is promised, in milliseconds. */
const P95_MS = 100;
/** Memory of the last fifth over that of the second fifth: the first is warming up. */
const LARGEST_GROWTH = 1.05;
const SAMPLE_MS = 10_000;
const SEED = 8;

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "1000000" },
    rate: { type: "string", default: "200" },
    seconds: { type: "string", default: "600" },
    warm: { type: "string", default: "60" },
  },
});
const [rows, rate] = [Number(values.rows), Number(values.rate)];
const [seconds, warm] = [Number(values.seconds), Number(values.warm)];

interface Answered {
  readonly kind: Kind;
  readonly ms: number;
  readonly query: string;
}

/** Asks `rate` times a second for `seconds`, whatever the answers do. */
async function ask(
  address: string,
  seconds: number,
  seed: number,
): Promise<{ readonly answered: Answered[]; readonly faults: string[] }> {
  const random = seededRandom(seed);
  const cursors = new Map<string, string>();
  const answered: Answered[] = [];
  const faults: string[] = [];
  const waiting: Promise<void>[] = [];
  const start = performance.now();
  for (let index = 0; index < rate * seconds; index++) {
    const due = start + 1000 * index / rate;
    const early = due - performance.now();
    if (early > 1) await wait(early);
    const asked = drawQuery(random, rows, cursors);
    const { kind, query, variables } = asked;
    waiting.push((async () => {
      try {
        const answer = await fetch(`${address}/graphql`, {
          method: "POST",
          headers: { "content-type": "application/json", "accept": "application/json" },
          body: JSON.stringify({ query, variables }),
        });
        const text = await answer.text();
        answered.push({ kind, ms: performance.now() - due, query: JSON.stringify(variables) });
        if (answer.status !== 200 || text.startsWith('{"errors"')) {
          faults.push(`${answer.status} ${text.slice(0, 300)}`);
        }
        const name = cursorName(asked);
        const cursor = name === undefined ? undefined : /"endCursor":"([^"]+)"/.exec(text)?.[1];
        if (name !== undefined && cursor !== undefined) cursors.set(name, cursor);
      } catch (error) {
        faults.push(String(error));
      }
    })());
  }
  await Promise.all(waiting);
  return { answered, faults };
}

/** Memory and processor time of server and PostgreSQL at a moment. */
interface Sample {
  readonly seconds: number;
  readonly serverBytes: number;
  readonly postgresBytes: number;
}

async function watch(server: Running, data: string, ended: AbortSignal): Promise<Sample[]> {
  const samples: Sample[] = [];
  const start = performance.now();
  while (!ended.aborted) {
    samples.push({
      seconds: Math.round((performance.now() - start) / 1000),
      serverBytes: await memoryOf(server.pid, "VmRSS"),
      postgresBytes: await postgresBytes(data),
    });
    await wait(SAMPLE_MS, undefined, { signal: ended }).catch(() => {});
  }
  return samples;
}

/** Memory of PostgreSQL's processes, what they share counted once (proportional set size). */
async function postgresBytes(data: string): Promise<number> {
  let bytes = 0;
  for (const pid of await familyOf(await postmasterOf(data))) {
    const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
    bytes += Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  }
  return bytes;
}

async function postmasterOf(data: string): Promise<number> {
  return Number((await readFile(join(data, "postmaster.pid"), "utf8")).split("\n")[0]);
}

/** A process and its children. */
async function familyOf(parent: number): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const own: number[] = [parent];
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    if (Number(/^\d+ \(.*\) \S (\d+)/.exec(stat)?.[1]) === parent) own.push(pid);
  }
  return own;
}

/** Processor time that a process and, for a parent, its ended and running children took, in seconds. */
async function processorSeconds(pids: readonly number[]): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    const fields = (await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")).split(") ")[1]?.split(" ") ?? [];
    ticks += [11, 12].reduce((sum, at) => sum + Number(fields[at] ?? 0), 0);
  }
  return ticks / 100;
}

function percentiles(times: readonly number[]) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) =>
    Number((sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN).toPrecision(3));
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** Growth of a series: the median of its last fifth over that of its second fifth, and its slope in MB a minute. */
function growthOf(samples: readonly Sample[], of: (sample: Sample) => number) {
  const values = samples.map(of);
  const fifth = Math.max(1, Math.floor(values.length / 5));
  const median = (some: readonly number[]) => [...some].sort((a, b) => a - b)[some.length >> 1] ?? NaN;
  const warm = samples.slice(fifth);
  const [x, y] = [warm.map(({ seconds }) => seconds / 60), warm.map((sample) => of(sample) / 1e6)];
  const mean = (some: readonly number[]) => some.reduce((sum, value) => sum + value, 0) / some.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const slope = x.reduce((sum, at, index) => sum + (at - meanX) * (y[index]! - meanY), 0) /
    x.reduce((sum, at) => sum + (at - meanX) ** 2, 0);
  return {
    megabytes: Math.round(median(values.slice(-fifth)) / 1e6),
    ratio: Number((median(values.slice(-fifth)) / median(values.slice(fifth, 2 * fifth))).toFixed(3)),
    megabytesAMinute: Number(slope.toFixed(3)),
  };
}

async function run(server: Running, data: string): Promise<boolean> {
  const processes = async () => ({
    server: await processorSeconds([server.pid]),
    postgres: await processorSeconds(await familyOf(await postmasterOf(data))),
    questions: await processorSeconds([Deno.pid]),
  });
  const warming = await ask(server.address, warm, SEED + 1);
  const ended = new AbortController();
  const [before, started] = [await processes(), performance.now()];
  const watching = watch(server, data, ended.signal);
  const { answered, faults } = await ask(server.address, seconds, SEED);
  faults.push(...warming.faults);
  const [after, took] = [await processes(), (performance.now() - started) / 1000];
  ended.abort();
  const samples = await watching;
  const all = percentiles(answered.map(({ ms }) => ms));
  const growth = {
    server: growthOf(samples, ({ serverBytes }) => serverBytes),
    postgres: growthOf(samples, ({ postgresBytes }) => postgresBytes),
  };
  if (!(all.p95 < P95_MS)) faults.push(`the 95th percentile is ${all.p95} ms`);
  for (const [name, { ratio }] of Object.entries(growth)) {
    if (samples.length >= 50 && !(ratio <= LARGEST_GROWTH)) faults.push(`${name} grew to ${ratio} times its memory`);
  }
  const cores = (name: keyof typeof before) => Number(((after[name] - before[name]) / took).toFixed(2));
  const slowest = answered.sort((a, b) => b.ms - a.ms).slice(0, 10);
  for (const { kind, ms, query } of slowest) console.error(`${Math.round(ms)} ms: ${kind} ${query}`);
  console.error(samples.map((sample) => JSON.stringify(sample)).join("\n"));
  console.log(JSON.stringify({
    part: "load",
    rows,
    rate,
    seconds,
    ...all,
    warming: { seconds: warm, ...percentiles(warming.answered.map(({ ms }) => ms)) },
    kinds: Object.fromEntries(
      KINDS.map((kind) => [kind, percentiles(answered.filter((one) => one.kind === kind).map(({ ms }) => ms))]),
    ),
    cores: { server: cores("server"), postgres: cores("postgres"), questions: cores("questions") },
    memory: growth,
    machine: machineName(),
    load: oneMinuteLoad(),
    faults: [...new Set(faults)].slice(0, 20),
    failed: faults.length,
    holds: faults.length === 0,
  }));
  return faults.length === 0;
}

const home = join(readSettings().home, "soak");
// Made with more memory and without waiting for the disk; asked with the settings that everybody gets.
const making = await startEmbeddedPostgres(home, {
  flags: ["-c maintenance_work_mem=512MB", "-c max_wal_size=8GB", "-c synchronous_commit=off", "-c autovacuum=off"],
});
try {
  await migrateDatabase(making.url);
  await fillDatabase(making.url, rows);
} finally {
  await making.stop();
}
const database = await startEmbeddedPostgres(home);
let holds = false;
let server: Running | undefined;
try {
  server = await startProcess(["serve", "--no-worker"], {
    PORT: "0",
    DATABASE_URL: database.url,
    CULPRIT_HOME: join(home, "server"),
    // All questions come from one client here, those of a real server from many.
    CULPRIT_RATE: "100000",
  });
  holds = await run(server, join(home, "postgres"));
} finally {
  await server?.stop();
  await database.stop();
}
Deno.exit(holds ? 0 : 1);
