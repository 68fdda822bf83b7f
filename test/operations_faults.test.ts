/** Three rounds of what `npm run soak -- faults` does a hundred times. Real processes. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runRounds } from "./soak/fault_rounds.ts";

const SEED = 3;

test("a worker, the database and the server are killed while jobs run: each ends once, with the same numbers", async () => {
  const folder = await mkdtemp(join(tmpdir(), "culprit-faults-"));
  const outcome = await runRounds({ folder, jobs: 8, rounds: 3, seed: SEED });
  expect(outcome.faults).toEqual([]);
  expect(outcome.kills).toEqual({ "second worker": 1, "database": 1, "server": 1 });
  expect(outcome.results).toBeGreaterThan(250);
});
