/**
 * A log of 1 GB is imported by a server that is killed half-way and started again: nothing is lost, nothing is stored
 * twice, and the server needs less than 500 MB.
 *
 *   npm run soak -- import --bytes 1000000000
 *
 * Prints a JSON line and exits with 1 when something does not hold.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startEmbeddedPostgres } from "../../server/database/embedded_postgres.ts";
import { faultsOf, importLargeLog } from "./import_log.ts";

const MOST_BYTES = 500_000_000;

const { values } = parseArgs({ options: { bytes: { type: "string", default: "1000000000" } } });
const folder = await mkdtemp(join(tmpdir(), "culprit-soak-"));
const database = await startEmbeddedPostgres(join(folder, "database"));
let faults: string[] = ["it did not end"];
try {
  const outcome = await importLargeLog(database.url, folder, Number(values.bytes));
  faults = faultsOf(outcome, MOST_BYTES);
  const { report, ...shown } = outcome;
  console.log(JSON.stringify({ part: "import", ...shown, lines: report?.lines, faults, holds: faults.length === 0 }));
} finally {
  await database.stop();
  await rm(folder, { recursive: true, force: true });
}
Deno.exit(faults.length === 0 ? 0 : 1);
