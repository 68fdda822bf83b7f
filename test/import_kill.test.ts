import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testDatabase } from "./database.ts";
import { faultsOf, importLargeLog } from "./soak/import_log.ts";

const database = testDatabase();
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-kill-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a server that is killed in an import of 5 MB loses nothing, doubles nothing, and stays under 500 MB", async () => {
  const outcome = await importLargeLog(database.url, folder, 5_000_000);
  expect(faultsOf(outcome, 500_000_000)).toEqual([]);
});
