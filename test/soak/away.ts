/**
 * The database is away for a minute while jobs run with two workers: the server says so, and everything goes on when it
 * is back, with the same results as without.
 *
 *   npm run soak -- away --seconds 60 --jobs 40 --seed 1
 *
 * Prints a JSON line and exits with 1 when something does not hold.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startEmbeddedPostgres } from "../../server/database/embedded_postgres.ts";
import { type Line, startLine } from "../database_line.ts";
import { endFaults, fillFleet, forgetJobs, jobsEnded, makeJobs, resultsOf, startJob, watchEnds } from "./fault_jobs.ts";
import { crashFaults } from "./fault_rounds.ts";
import { type Fleet, startFleet } from "./fleet.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    jobs: { type: "string", default: "40" },
    seed: { type: "string", default: "1" },
  },
});
const [seconds, count, seed] = [Number(values.seconds), Number(values.jobs), Number(values.seed)];

/** What the server says while the database is away, asked each second; what is wrong with it. */
async function askWhileAway(address: string): Promise<readonly string[]> {
  const wrong = new Map<string, number>();
  const expect = (what: string, holds: boolean) => {
    if (!holds) wrong.set(what, (wrong.get(what) ?? 0) + 1);
  };
  for (const end = Date.now() + 1000 * seconds; Date.now() < end; await wait(1000)) {
    const [health, ready, answer] = await Promise.all([
      fetch(`${address}/health`),
      fetch(`${address}/ready`),
      fetch(`${address}/graphql?query={jobs(first:1){nodes{id}}}`, { headers: { accept: "application/json" } }),
    ]);
    expect(`/health is ${health.status}`, health.status === 200);
    expect(`/ready is ${ready.status}`, ready.status === 503);
    const said = await answer.text();
    expect(`the answer is ${answer.status} ${said.slice(0, 200)}`, said.includes("DATABASE_UNAVAILABLE"));
    await Promise.all([health.body?.cancel(), ready.body?.cancel()]);
  }
  return [...wrong].map(([what, times]) => `${what}, ${times} times`);
}

async function run(fleet: Fleet, line: Line, files: string) {
  const jobs = await makeJobs(await fillFleet(fleet), files, count, seed);
  await forgetJobs(fleet);
  for (const job of jobs) await startJob(fleet, job);
  await jobsEnded(fleet, count);
  const expected = await resultsOf(fleet);
  await forgetJobs(fleet);
  await watchEnds(fleet);
  for (const job of jobs) await startJob(fleet, job);
  line.cut();
  const faults = [...await askWhileAway(fleet.address)];
  await line.mend();
  const mended = performance.now();
  await fleet.ready();
  const readySeconds = Number(((performance.now() - mended) / 1000).toFixed(1));
  await jobsEnded(fleet, count);
  const endedSeconds = Number(((performance.now() - mended) / 1000).toFixed(1));
  const found = await resultsOf(fleet);
  faults.push(...await endFaults(fleet, count), ...crashFaults(fleet));
  for (const [name, hash] of expected) {
    if (found.get(name) !== hash) faults.push(`${name} is not as it was with the database`);
  }
  return {
    results: expected.size,
    readySeconds,
    endedSeconds,
    faults: faults.slice(0, 50),
    holds: faults.length === 0,
  };
}

const folder = await mkdtemp(join(tmpdir(), "culprit-soak-"));
const [home, files] = [join(folder, "home"), join(folder, "files")];
await mkdir(files);
const database = await startEmbeddedPostgres(home);
const line = await startLine(Number(new URL(database.url).port));
const through = Object.assign(new URL(database.url), { port: String(line.port) }).href;
let holds = false;
let fleet: Fleet | undefined;
try {
  fleet = await startFleet(home, files, through);
  const outcome = await run(fleet, line, files);
  holds = outcome.holds;
  console.log(JSON.stringify({ part: "away", seconds, jobs: count, seed, ...outcome }));
} finally {
  await fleet?.stop();
  line.close();
  await database.stop();
  await rm(folder, { recursive: true, force: true });
}
Deno.exit(holds ? 0 : 1);
