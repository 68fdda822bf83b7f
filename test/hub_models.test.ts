/** Models of a hub as the server adds them: where it may fetch them, and how workers find them again. */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eq } from "drizzle-orm";
import { jobs, models } from "../schema/tables/tables.ts";
import { readSettings, ROOT, type Settings } from "../server/base/settings.ts";
import { createServices } from "../server/http/services.ts";
import { startConsumer } from "../server/jobs/consumer.ts";
import { findTasks, startQueue } from "../server/jobs/queue.ts";
import { performFetch } from "../server/fetching/fetch_model.ts";
import { createHeldModels } from "../server/models/held_models.ts";
import { findModel } from "../server/models/find_model.ts";
import { testDatabase } from "./database.ts";
import { COMMIT, type HubServer, openHub } from "./hub_server.ts";
import { writeTinyModel, writeTinyTokenizer } from "./model_folder.ts";

const database = testDatabase();
let folder: string;
let hub: HubServer;
let settings: Settings;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "culprit-hub-models-"));
  const model = writeTinyModel(join(folder, "tiny"));
  writeTinyTokenizer(model, "{{ messages[0].content }}");
  hub = await openHub({ "org/tiny": model }, { large: 1000 });
  const cache = { HF_HUB_CACHE: join(folder, "cache"), HF_ENDPOINT: hub.url };
  settings = { ...readSettings({ ...cache, CULPRIT_MODELS: join(folder, "models") }), home: folder };
});
afterAll(() => {
  hub.close();
  rmSync(folder, { recursive: true });
});

const services = (more: Partial<Settings> = {}) =>
  createServices({
    settings: { ...settings, ...more },
    connection: database.connection,
    boss: undefined as never,
    watcher: undefined as never,
  });

test("a model that is not here is fetched only where downloads are on; once it is here it may be added anywhere", async () => {
  const add = (more?: Partial<Settings>) => services(more).addModel({ directory: "org/tiny", name: undefined });
  await expect(add({ downloads: false })).rejects.toThrow(
    /no such model in the hub's cache .*; set CULPRIT_DOWNLOADS=on/,
  );
  expect(hub.requests).toEqual([]);
  const id = await add();
  expect(await add({ downloads: false })).toBe(id);
  const [row] = await database.connection.db.select().from(models);
  expect(row).toMatchObject({
    id,
    name: "org/tiny",
    directory: join(folder, "cache", "models--org--tiny", "snapshots", COMMIT),
  });
  expect((await findModel(database.connection.db, "org/tiny", "test", { byName: true })).id).toBe(id);
});

test("what the hub says no to is told to who asked", async () => {
  await expect(services().addModel({ directory: "org/gated", name: undefined })).rejects.toMatchObject({
    name: "InputError",
    message: expect.stringMatching(/gated/),
  });
});

test("fetching is a job of its own, whose progress is seen, and which cancelling ends", async () => {
  const { connection } = database;
  const { db } = connection;
  const boss = await startQueue(database.url);
  let stalls = true;
  const slow = await openHub({ "org/slow": join(folder, "tiny") }, {
    large: 1000,
    fails: (_, file) => file?.endsWith("model.safetensors") && stalls ? "silence" : undefined,
  });
  const own = { ...settings, hub: { ...settings.hub, endpoint: slow.url, cache: join(folder, "slow") } };
  const serving = createServices({ settings: own, connection, boss, watcher: undefined as never });
  const consumer = await startConsumer(
    connection,
    boss,
    "fetch",
    (attempt) => performFetch(own, connection, boss, attempt),
  );
  const jobOf = async (id: string) => (await db.select().from(jobs).where(eq(jobs.id, id)))[0]!;
  try {
    await expect(serving.addModel({ directory: "org/slow", fetch: false, name: undefined })).rejects.toThrow(
      /; fetch it with fetchModel/,
    );
    const ask = (model: string) => serving.fetchModel({ model, name: undefined, idempotencyKey: undefined });
    await expect(ask("models/demo-1m/x")).rejects.toThrow(/is no hub's id; give ORG/);
    await expect(
      createServices({ settings: { ...own, downloads: false }, connection, boss, watcher: undefined as never })
        .fetchModel({ model: "org/slow", name: undefined, idempotencyKey: undefined }),
    ).rejects.toThrow(/set CULPRIT_DOWNLOADS=on/);

    const cancelled = await ask("org/slow");
    await expect.poll(async () => (await jobOf(cancelled)).message, { timeout: 20_000 }).toMatch(/MiB of .* MiB/);
    expect(await jobOf(cancelled)).toMatchObject({ status: "running", total: 1 });
    await serving.cancelJob(cancelled);
    await expect.poll(async () => (await findTasks(boss, "fetch", cancelled)).map(({ state }) => state), {
      timeout: 20_000,
    }).toEqual(["completed"]);
    expect((await jobOf(cancelled)).status).toBe("cancelled");

    stalls = false;
    const done = await ask("org/slow");
    await expect.poll(async () => (await jobOf(done)).status, { timeout: 20_000 }).toBe("completed");
    expect(await jobOf(done)).toMatchObject({ done: 1, total: 1, message: "org/slow is there" });
    expect((await db.select().from(models)).map(({ name }) => name)).toContain("org/slow");
    const none = await ask("org/none");
    await expect.poll(async () => (await jobOf(none)).status, { timeout: 20_000 }).toBe("failed");
    expect(await jobOf(none)).toMatchObject({
      errorCode: "BAD_INPUT",
      errorMessage: expect.stringMatching(/^org\/none: there is no such folder, and no such model on /),
    });
  } finally {
    await consumer.stop();
    await boss.stop({ graceful: false });
    slow.close();
    await db.delete(models).where(eq(models.name, "org/slow"));
  }
});

test("a worker with a cache of its own finds the model there", async () => {
  const other = join(folder, "elsewhere");
  cpSync(join(folder, "cache"), other, { recursive: true, verbatimSymlinks: true });
  rmSync(join(folder, "cache"), { recursive: true });
  const { db } = database.connection;
  const [row] = await db.select().from(models);
  const without = createHeldModels(db, []);
  await without.scan();
  expect(without.hashes()).toEqual([]);
  const held = createHeldModels(db, [], other);
  await held.scan();
  expect(held.hashes()).toEqual([row!.hash]);
  expect(held.locate(row!).directory).toBe(join(other, "models--org--tiny", "snapshots", COMMIT));
});

test("a GGUF file is a model that a worker holds, at its path and in its folders", async () => {
  const file = join(ROOT, "test", "data", "gguf", "llama.gguf");
  const { db } = database.connection;
  const id = await services({ modelFolders: [join(ROOT, "test", "data")] })
    .addModel({ directory: file, name: undefined });
  const row = (await db.select().from(models)).find((one) => one.id === id)!;
  expect(row).toMatchObject({ name: "llama", directory: file });
  const there = createHeldModels(db, []);
  await there.scan();
  expect(there.hashes()).toContain(row.hash);
  mkdirSync(join(folder, "own", "deep"), { recursive: true });
  const copy = join(folder, "own", "deep", "renamed.gguf");
  copyFileSync(file, copy);
  await db.update(models).set({ directory: "/nowhere/llama.gguf" });
  const elsewhere = createHeldModels(db, [join(folder, "own")]);
  await elsewhere.scan();
  expect(elsewhere.hashes()).toEqual([row.hash]);
  expect(elsewhere.locate({ ...row, directory: "/nowhere/llama.gguf" }).directory).toBe(copy);
});
