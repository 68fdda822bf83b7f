/**
 * The clock of server, workers and PostgreSQL jumps an hour ahead, back, an hour behind, and back, over and over while
 * jobs run: every job ends once, with the results of a run without jumps.
 *
 *   npm run soak -- clock --jobs 40 --seed 1
 *
 * Needs libfaketime (Debian's package of that name; LIBFAKETIME names the library elsewhere). Prints a JSON line and exits
 * with 1 when something does not hold.
 */
import { existsSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { endFaults, fillFleet, forgetJobs, jobsEnded, makeJobs, resultsOf, startJob, watchEnds } from "./fault_jobs.ts";
import { crashFaults } from "./fault_rounds.ts";
import { type Fleet, startFleet } from "./fleet.ts";

const { values } = parseArgs({
  options: { jobs: { type: "string", default: "40" }, seed: { type: "string", default: "1" } },
});
const [count, seed] = [Number(values.jobs), Number(values.seed)];
const LIBRARY = process.env["LIBFAKETIME"] ?? "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
const JUMPS = ["+3600", "+0", "-3600", "+0"];
/** Between two jumps, in milliseconds: longer than a task, shorter than a job. */
const JUMP_MS = 2000;

if (!existsSync(LIBRARY)) {
  console.error(`${LIBRARY}: there is no such file; install libfaketime, or name it by LIBFAKETIME`);
  Deno.exit(2);
}
const folder = await mkdtemp(join(tmpdir(), "culprit-soak-"));
const [home, files, clock] = [join(folder, "home"), join(folder, "files"), join(folder, "clock")];
await mkdir(files);
writeFileSync(clock, "+0");
// Ours stays as it is: the library is loaded by processes that start from now on.
Object.assign(process.env, {
  LD_PRELOAD: LIBRARY,
  FAKETIME_TIMESTAMP_FILE: clock,
  FAKETIME_NO_CACHE: "1",
  FAKETIME_DONT_FAKE_MONOTONIC: "1",
});

async function run(fleet: Fleet) {
  const jobs = await makeJobs(await fillFleet(fleet), files, count, seed);
  await forgetJobs(fleet);
  for (const job of jobs) await startJob(fleet, job);
  await jobsEnded(fleet, count);
  const expected = await resultsOf(fleet);
  await forgetJobs(fleet);
  await watchEnds(fleet);
  let jumps = 0;
  const jumping = setInterval(() => writeFileSync(clock, JUMPS[jumps++ % JUMPS.length]!), JUMP_MS);
  const started = performance.now();
  try {
    for (const job of jobs) await startJob(fleet, job);
    await jobsEnded(fleet, count);
  } finally {
    clearInterval(jumping);
  }
  const found = await resultsOf(fleet);
  const faults = [...await endFaults(fleet, count), ...crashFaults(fleet)];
  for (const [name, hash] of expected) {
    if (found.get(name) !== hash) faults.push(`${name} is not as it was without jumps`);
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  return { jumps, results: expected.size, seconds, faults: faults.slice(0, 50), holds: faults.length === 0 };
}

let fleet: Fleet | undefined;
let holds = false;
try {
  fleet = await startFleet(home, files);
  const outcome = await run(fleet);
  holds = outcome.holds;
  console.log(JSON.stringify({ part: "clock", jobs: count, seed, ...outcome }));
} finally {
  await fleet?.stop();
  await rm(folder, { recursive: true, force: true });
}
Deno.exit(holds ? 0 : 1);
