import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { type Engine, type LoadedModel, openModelDirectory } from "../../gpu/mod.ts";
import { createModelCache, type ModelCache, type StoredModel } from "./model_cache.ts";
import { ROOT } from "../base/settings.ts";

let golden: StoredModel;
beforeAll(async () => {
  const directory = await openModelDirectory(join(ROOT, "test", "data", "golden", "qwen3-b"));
  directory.close();
  golden = { id: 1, name: "golden", directory: directory.directory, hash: directory.hash, parameters: 1000 };
});

/** An engine that notes what is loaded and freed. */
function notingEngine(log: string[]): Engine {
  let loads = 0;
  return {
    loadModel: () => {
      const name = `model ${++loads}`;
      log.push(`load ${name}`);
      return Promise.resolve({ dispose: () => log.push(`free ${name}`) } as unknown as LoadedModel);
    },
  } as unknown as Engine;
}

/** Uses a model and lets it go. */
async function use(cache: ModelCache, model: StoredModel): Promise<void> {
  const lease = cache.lease();
  await lease.get(model);
  lease.release();
}

test("a model is loaded once, and the one not used for longest makes room", async () => {
  const log: string[] = [];
  const cache = createModelCache(notingEngine(log), 2 * 4 * golden.parameters);
  const model = (id: number) => ({ ...golden, id });
  await use(cache, model(1));
  await use(cache, model(2));
  await use(cache, model(1));
  await use(cache, model(3));
  expect(log).toEqual(["load model 1", "load model 2", "free model 2", "load model 3"]);
  cache.dispose();
  expect(log.slice(4)).toEqual(["free model 1", "free model 3"]);
});

test("a model larger than the budget is loaded alone", async () => {
  const log: string[] = [];
  const cache = createModelCache(notingEngine(log), 1);
  await use(cache, golden);
  await use(cache, { ...golden, id: 2 });
  expect(log).toEqual(["load model 1", "free model 1", "load model 2"]);
});

test("a model that somebody uses makes no room for another, and is loaded once for all who want it", async () => {
  const log: string[] = [];
  const cache = createModelCache(notingEngine(log), 1);
  const [first, second] = [cache.lease(), cache.lease()];
  const [one, same] = await Promise.all([first.get(golden), second.get(golden)]);
  expect(same).toBe(one);
  first.release();
  await second.get({ ...golden, id: 2 });
  expect(cache.dropUnused()).toBe(false);
  expect(log).toEqual(["load model 1", "load model 2"]);
  second.release();
  expect(cache.dropUnused()).toBe(true);
  expect(log.slice(2)).toEqual(["free model 1", "free model 2"]);
});

test("a load that its owner gave up is started again for others who wait for it", async () => {
  let loads = 0;
  const engine = {
    loadModel: (_directory: string, options: { signal?: AbortSignal } = {}) =>
      ++loads === 1
        ? new Promise<LoadedModel>((_, fail) => {
          options.signal!.addEventListener("abort", () => fail(new Error("given up")));
        })
        : Promise.resolve({ dispose: () => {} } as unknown as LoadedModel),
  };
  const cache = createModelCache(engine, 1);
  const stop = new AbortController();
  const gone = cache.lease().get(golden, { signal: stop.signal });
  const waiting = cache.lease().get(golden);
  while (loads === 0) await new Promise((done) => setTimeout(done, 5));
  stop.abort();
  await expect(gone).rejects.toThrow("given up");
  await waiting;
  expect(loads).toBe(2);
});

test("files that changed since the model was added are refused", async () => {
  const cache = createModelCache(notingEngine([]));
  await expect(use(cache, { ...golden, hash: "other" })).rejects.toThrow(
    /the files of golden changed since the model was added; put the old files back/,
  );
});
