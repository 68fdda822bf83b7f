/** 300 malformed inputs: no crash, no 5xx, nothing lost. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { failureCases } from "../schema/tables.ts";
import { addModel } from "../server/add_model.ts";
import { createHandler } from "../server/http.ts";
import { startQueue } from "../server/queue.ts";
import { createServices } from "../server/services.ts";
import { readSettings, ROOT } from "../server/settings.ts";
import { storePair, testDatabase } from "./database.ts";
import { fuzzGraphQL, fuzzImport } from "./fuzz.ts";

const database = testDatabase();

test("300 malformed inputs are answered, and what was stored stays", async () => {
  const { connection } = database;
  const folder = await mkdtemp(join(tmpdir(), "culprit-fuzz-"));
  const boss = await startQueue(database.url);
  try {
    const settings = { ...readSettings({}), rate: 1e6, home: folder };
    const services = createServices({ settings, connection, boss, watcher: undefined as never });
    const handle = createHandler({ settings, context: { db: connection.db, services }, workerState: () => undefined });
    const model = await addModel(connection.db, join(ROOT, "models", "demo-1m"), undefined);
    await storePair(database, model.id, "kept");
    const [before] = await connection.db.select().from(failureCases);
    const target = { handle, db: connection.db, folder };
    const faults = [];
    for (let seed = 1; seed <= 150; seed++) {
      faults.push(await fuzzGraphQL(target, seed), await fuzzImport(target, seed));
    }
    expect(faults.filter((fault) => fault !== undefined)).toEqual([]);
    expect((await connection.db.select().from(failureCases)).find(({ key }) => key === "kept")).toEqual(before);
  } finally {
    await boss.stop({ graceful: false });
    await rm(folder, { recursive: true, force: true });
  }
});
