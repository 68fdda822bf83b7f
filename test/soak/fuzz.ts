/**
 * 10,000 malformed inputs, half of them GraphQL operations, half files for the importers, sent to a server's process:
 * it stays the same process, answers none with a 5xx, ends every import, and loses nothing of what it held.
 *
 *   npm run soak -- fuzz --inputs 10000 --seed 1
 *
 * Prints a JSON line and exits with 1 when something does not hold. Input N of a run has the seed `--seed` + N, so a
 * fault is sent again by `--inputs 2 --seed ITS_SEED`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { migrateDatabase, openDatabase } from "../../server/database/database.ts";
import { startEmbeddedPostgres } from "../../server/database/embedded_postgres.ts";
import { fuzzGraphQL, fuzzImport, type FuzzTarget, importFaults, keptRows } from "../fuzz.ts";
import { readRecords } from "../fuzz_files.ts";
import { fillForFuzz } from "../fuzz_store.ts";
import { type Running, startProcess } from "./processes.ts";

/** Requests on their way at a time. */
const AT_ONCE = 8;

const { values } = parseArgs({
  options: { inputs: { type: "string", default: "10000" }, seed: { type: "string", default: "1" } },
});
const [inputs, firstSeed] = [Number(values.inputs), Number(values.seed)];
const each = Math.ceil(inputs / 2);

/** A target whose requests go to the process. A connection that breaks is a fault of its own. */
function targetOf({ address }: Running, parts: Omit<FuzzTarget, "handle">): FuzzTarget {
  return {
    ...parts,
    handle: async (request) => {
      const { pathname, search } = new URL(request.url);
      const body = new Uint8Array(await request.arrayBuffer());
      try {
        return await fetch(`${address}${pathname}${search}`, { method: "POST", headers: request.headers, body });
      } catch (error) {
        return new Response(`no answer: ${error}`, { status: 599 });
      }
    },
  };
}

interface Outcome {
  readonly faults: string[];
  readonly imports: Map<number, string>;
}

async function send(target: FuzzTarget): Promise<Outcome> {
  const outcome: Outcome = { faults: [], imports: new Map() };
  let next = firstSeed;
  const sendAll = async (): Promise<void> => {
    while (next < firstSeed + each) {
      const seed = next++;
      const said = await fuzzGraphQL(target, seed);
      const { fault, jobId } = await fuzzImport(target, seed);
      for (const one of [said, fault]) if (one !== undefined) outcome.faults.push(one);
      if (jobId !== undefined) outcome.imports.set(seed, jobId);
      if ((seed - firstSeed) % 500 === 499) console.error(`${2 * (seed - firstSeed + 1)} inputs`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sendAll));
  return outcome;
}

async function run(home: string, databaseUrl: string): Promise<boolean> {
  await migrateDatabase(databaseUrl);
  const connection = openDatabase(databaseUrl);
  const started = performance.now();
  let server: Running | undefined;
  try {
    const ids = await fillForFuzz(connection.db);
    const before = await keptRows(connection.db);
    let log = "";
    server = await startProcess(
      ["serve", "--no-worker"],
      { PORT: "0", DATABASE_URL: databaseUrl, CULPRIT_HOME: home, CULPRIT_RATE: "100000" },
      (text) => log = (log + text).slice(-2000),
    );
    const { faults, imports } = await send(targetOf(server, { ids, records: await readRecords() }));
    faults.push(...await importFaults(connection.db, imports));
    if (server.child.exitCode !== null || server.child.signalCode !== null) faults.push(`the server ended: ${log}`);
    const kept = JSON.stringify(await keptRows(connection.db, before)) === JSON.stringify(before);
    if (!kept) faults.push("rows that were stored before are not as they were");
    const seeds = [firstSeed, firstSeed + each - 1];
    const seconds = Math.round((performance.now() - started) / 1000);
    const holds = faults.length === 0;
    const shown = {
      inputs: 2 * each,
      seeds,
      imports: imports.size,
      seconds,
      kept: before,
      faults: faults.slice(0, 50),
    };
    console.log(JSON.stringify({ part: "fuzz", ...shown, holds }));
    return holds;
  } finally {
    await server?.stop();
    await connection.close();
  }
}

const home = await mkdtemp(join(tmpdir(), "culprit-soak-"));
const database = await startEmbeddedPostgres(home);
let holds = false;
try {
  holds = await run(home, database.url);
} finally {
  await database.stop();
  await rm(home, { recursive: true, force: true });
}
Deno.exit(holds ? 0 : 1);
