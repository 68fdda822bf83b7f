/** 300 malformed inputs: no crash, no 5xx, nothing lost. `npm run soak -- fuzz` sends 10,000 to a process. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startConsumer } from "../server/jobs/consumer.ts";
import { createHandler } from "../server/http/http.ts";
import { performImport } from "../server/import/import_task.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { createServices } from "../server/http/services.ts";
import { readSettings } from "../server/base/settings.ts";
import { testDatabase } from "./database.ts";
import { fuzzGraphQL, fuzzImport, importFaults, keptRows } from "./fuzz.ts";
import { readRecords } from "./fuzz_files.ts";
import { fillForFuzz } from "./fuzz_store.ts";

const database = testDatabase();

test("300 malformed inputs are answered, and what was stored stays", async () => {
  const { connection } = database;
  const { db } = connection;
  const home = await mkdtemp(join(tmpdir(), "culprit-fuzz-"));
  const boss = await startQueue(database.url);
  const imports = await startConsumer(
    connection,
    boss,
    "import",
    (attempt) => performImport(connection, boss, attempt),
  );
  try {
    const ids = await fillForFuzz(db);
    const before = await keptRows(db);
    const settings = { ...readSettings({}), rate: 1e6, home };
    const services = createServices({ settings, connection, boss, watcher: undefined as never });
    const handle = createHandler({ settings, context: { db, services }, workerState: () => undefined });
    const target = { handle, ids, records: await readRecords() };
    const faults: (string | undefined)[] = [];
    const jobs = new Map<number, string>();
    for (let seed = 1; seed <= 150; seed++) {
      faults.push(await fuzzGraphQL(target, seed));
      const { fault, jobId } = await fuzzImport(target, seed);
      faults.push(fault);
      if (jobId !== undefined) jobs.set(seed, jobId);
    }
    expect(jobs.size).toBeGreaterThan(75);
    faults.push(...await importFaults(db, jobs));
    expect(faults.filter((fault) => fault !== undefined)).toEqual([]);
    expect(await keptRows(db, before)).toEqual(before);
  } finally {
    await imports.stop();
    await boss.stop({ graceful: false });
    await rm(home, { recursive: true, force: true });
  }
});
