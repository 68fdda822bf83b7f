import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { Engine, LoadedModel } from "../gpu/engine.ts";
import { openModelDirectory } from "../gpu/model/directory.ts";
import { createModelCache, type StoredModel } from "./model_cache.ts";
import { ROOT } from "./settings.ts";

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

test("a model is loaded once, and the one not used for longest makes room", async () => {
  const log: string[] = [];
  const cache = createModelCache(notingEngine(log), 2 * 4 * golden.parameters);
  const model = (id: number) => ({ ...golden, id });
  await cache.get(model(1));
  await cache.get(model(2));
  await cache.get(model(1));
  await cache.get(model(3));
  expect(log).toEqual(["load model 1", "load model 2", "free model 2", "load model 3"]);
  cache.dispose();
  expect(log.slice(4)).toEqual(["free model 1", "free model 3"]);
});

test("a model larger than the budget is loaded alone", async () => {
  const log: string[] = [];
  const cache = createModelCache(notingEngine(log), 1);
  await cache.get(golden);
  await cache.get({ ...golden, id: 2 });
  expect(log).toEqual(["load model 1", "free model 1", "load model 2"]);
});

test("files that changed since the model was added are refused", async () => {
  const cache = createModelCache(notingEngine([]));
  await expect(cache.get({ ...golden, hash: "other" })).rejects.toThrow(
    /the files of golden changed since the model was added; put the old files back/,
  );
});
