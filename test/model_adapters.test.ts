/** Adapters in the database: checkpoints of an adapter run are models of their own, and members of a series. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { models } from "../schema/tables/tables.ts";
import { readSettings } from "../server/base/settings.ts";
import { createServices } from "../server/http/services.ts";
import { createHeldModels } from "../server/models/held_models.ts";
import { readSeriesFile } from "../server/studies/series_file.ts";
import { testDatabase } from "./database.ts";
import { writeTinyTokenizer } from "./model_folder.ts";

const LORA = new URL("data/lora/", import.meta.url).pathname;
const database = testDatabase();
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-adapters-"));
  cpSync(join(LORA, "base"), join(folder, "models/base"), { recursive: true });
  writeTinyTokenizer(join(folder, "models/base"));
  for (const [step, name] of [[100, "plain"], [200, "stabilised"]] as const) {
    cpSync(join(LORA, name), join(folder, `models/run/checkpoint-${step}`), { recursive: true });
  }
  cpSync(join(LORA, "plain"), join(folder, "outside"), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

const services = () =>
  createServices({
    settings: readSettings({ CULPRIT_MODELS: join(folder, "models") }),
    connection: database.connection,
    boss: undefined as never,
    watcher: undefined as never,
  });

test("checkpoints of an adapter run are members of a training series, each with a hash of its own", async () => {
  const { db } = database.connection;
  const path = join(folder, "series.json");
  const members = [
    { model: "models/base", position: 0 },
    { model: "models/base --lora models/run/checkpoint-100", position: 100 },
    { model: "models/base --lora models/run/checkpoint-200", position: 200 },
  ];
  writeFileSync(path, JSON.stringify({ name: "adapter run", kind: "training", members }));
  const [series] = await readSeriesFile(db, path);
  expect(series!.name).toBe("adapter run");
  const rows = await db.select().from(models);
  expect(rows.map(({ name }) => name).sort()).toEqual(["base", "base+checkpoint-100", "base+checkpoint-200"]);
  expect(new Set(rows.map(({ hash }) => hash)).size).toBe(3);
  expect(new Set(rows.map(({ tokenizerHash }) => tokenizerHash)).size).toBe(1);

  const held = createHeldModels(db, []);
  await held.scan();
  for (const row of rows) expect(held.locate(row).directory).toBe(row.directory);
  expect(held.hashes()).toEqual(rows.map(({ hash }) => hash).sort());
});

test("addModel takes adapters of the folders that may be read, and no others", async () => {
  const id = await services().addModel({
    directory: "base",
    adapters: ["run/checkpoint-200"],
    name: "tuned",
  });
  const row = (await database.connection.db.select().from(models)).find((model) => model.id === id);
  expect(row!.directory).toMatch(/models\/base --lora .*models\/run\/checkpoint-200$/);
  await expect(services().addModel({ directory: "base", adapters: [join(folder, "outside")], name: undefined }))
    .rejects.toThrow(/adapters: .*outside lies outside the folders that may be read/);
  await expect(services().addModel({ directory: `base --lora ${join(folder, "outside")}`, name: undefined }))
    .rejects.toThrow(/directory: there is no base --lora/);
});
