/** Rounds of SIGKILL while jobs run, and what does not hold afterwards. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Random, seededRandom } from "../random.ts";
import {
  endFaults,
  type FaultJob,
  fillFleet,
  forgetJobs,
  jobsEnded,
  makeJobs,
  resultsOf,
  startJob,
  watchEnds,
} from "./fault_jobs.ts";
import { type Fleet, startFleet, type Victim, VICTIMS } from "./fleet.ts";

export interface RoundOptions {
  /** An empty folder. */
  readonly folder: string;
  readonly jobs: number;
  readonly rounds: number;
  readonly seed: number;
  readonly onRound?: (round: Readonly<Record<string, unknown>>) => void;
}

export interface RoundsOutcome {
  readonly seed: number;
  readonly jobs: number;
  /** Kills by victim. */
  readonly kills: Readonly<Record<string, number>>;
  /** Results that the undisturbed run stored, and those of them that came out otherwise with kills. */
  readonly results: number;
  readonly different: readonly string[];
  readonly undisturbedSeconds: number;
  readonly seconds: number;
  /** Tasks that were tried more than once. */
  readonly retried: number;
  readonly faults: readonly string[];
}

/** Longest wait before a kill, in milliseconds. */
const LONGEST_MS = 1500;
/** Share of kills that come while the one before is still being mended. */
const AT_ONCE = 0.25;

export async function runRounds(options: RoundOptions): Promise<RoundsOutcome> {
  const { folder, jobs: count, rounds, seed } = options;
  const files = join(folder, "files");
  await mkdir(files, { recursive: true });
  const fleet = await startFleet(join(folder, "home"), files);
  try {
    const pairs = await fillFleet(fleet);
    await fleet.ready();
    await forgetJobs(fleet);
    const jobs = await makeJobs(pairs, files, count, seed);
    const undisturbed = performance.now();
    for (const job of jobs) await startJob(fleet, job);
    await jobsEnded(fleet, count);
    const expected = await resultsOf(fleet);
    const started = performance.now();
    await forgetJobs(fleet);
    await watchEnds(fleet);
    const kills = await disturb(fleet, jobs, options);
    await jobsEnded(fleet, count);
    const found = await resultsOf(fleet);
    const names = new Set([...expected.keys(), ...found.keys()]);
    const different = [...names].filter((name) => expected.get(name) !== found.get(name));
    const [retried] = await fleet.ask<{ tasks: number }>(
      "select count(*)::int as tasks from pgboss.job where retry_count > 0",
    );
    return {
      seed,
      jobs: count,
      kills,
      results: expected.size,
      different,
      undisturbedSeconds: Math.round((started - undisturbed) / 1000),
      seconds: Math.round((performance.now() - started) / 1000),
      retried: retried!.tasks,
      faults: [
        ...await endFaults(fleet, count),
        ...crashFaults(fleet),
        ...different.map((name) => `${name} is not as it was without kills`),
        ...VICTIMS.filter((victim) => rounds >= 2 * VICTIMS.length && !kills[victim]).map((one) => `no ${one} died`),
      ],
    };
  } finally {
    await fleet.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A process that nobody killed must not end. */
export function crashFaults(fleet: Fleet): readonly string[] {
  return fleet.crashes().map((said) => `a process ended that nobody killed: ${said}`);
}

/** Kills in each round, while the jobs that belong to it are asked for and worked on. */
async function disturb(
  fleet: Fleet,
  jobs: readonly FaultJob[],
  { rounds, seed, onRound }: RoundOptions,
): Promise<Readonly<Record<string, number>>> {
  const random = seededRandom(seed);
  const kills: Record<string, number> = {};
  const asked: Promise<void>[] = [];
  const started = performance.now();
  for (let round = 0; round < rounds; round++) {
    const own = jobs.slice(Math.floor(round * jobs.length / rounds), Math.floor((round + 1) * jobs.length / rounds));
    // Not waited for: the kill may come before the answer.
    asked.push((async () => {
      for (const job of own) await startJob(fleet, job);
    })());
    const delay = random.integer(0, LONGEST_MS);
    const victim = victimOf(random, round, rounds);
    const atOnce = random.next() < AT_ONCE;
    await wait(delay);
    // One that is being started again is killed as soon as it is there.
    while (!(await fleet.kill(victim))) await wait(50);
    kills[victim] = (kills[victim] ?? 0) + 1;
    onRound?.({ round, victim, delay, seconds: Math.round((performance.now() - started) / 1000) });
    if (!atOnce) await fleet.ready();
  }
  await Promise.all(asked);
  await fleet.ready();
  return kills;
}

/** Few rounds take each victim in turn, many take any. */
function victimOf(random: Random, round: number, rounds: number): Victim {
  if (rounds < VICTIMS.length) return (["second worker", "database", "server"] as const)[round]!;
  return VICTIMS[random.integer(0, VICTIMS.length - 1)]!;
}
