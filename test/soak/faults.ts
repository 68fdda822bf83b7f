/**
 * Server, workers and PostgreSQL are killed at random moments while jobs run with two workers: every job ends once, and
 * its results are to the last bit those of a run without kills.
 *
 *   npm run soak -- faults --rounds 100 --jobs 200 --seed 1
 *
 * Prints a JSON line for each round on standard error, one for the whole on standard output, and exits with 1 when
 * something does not hold.
 */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runRounds } from "./fault_rounds.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "100" },
    jobs: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
  },
});
const outcome = await runRounds({
  folder: await mkdtemp(join(tmpdir(), "culprit-soak-")),
  rounds: Number(values.rounds),
  jobs: Number(values.jobs),
  seed: Number(values.seed),
  onRound: (round) => console.error(JSON.stringify(round)),
});
const { different, faults, ...shown } = outcome;
const holds = faults.length === 0;
console.log(JSON.stringify({
  part: "faults",
  ...shown,
  different: different.length,
  faults: faults.slice(0, 50),
  holds,
}));
Deno.exit(holds ? 0 : 1);
