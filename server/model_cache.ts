/** Models that a worker keeps on its device: the last ones used, as far as they fit a budget. */
import type { Engine, LoadedModel, RunOptions } from "../gpu/engine.ts";
import { InputError } from "../gpu/errors.ts";
import { openModelDirectory } from "../gpu/model/directory.ts";

/** A model as the database knows it. */
export interface StoredModel {
  readonly id: number;
  readonly name: string;
  readonly directory: string;
  readonly hash: string;
  readonly parameters: number;
}

export interface ModelCache {
  /** Loads a model or takes it from the cache. Throws InputError when its files are not what was added. */
  get(model: StoredModel, options?: RunOptions): Promise<LoadedModel>;
  dispose(): void;
}

/** Weights that are kept beside those in use, in bytes; a model takes four a weight at most. */
const BUDGET_BYTES = 4 * 2 ** 30;
const BYTES_PER_WEIGHT = 4;

export function createModelCache(engine: Engine, budgetBytes = BUDGET_BYTES): ModelCache {
  // In the order of use: the first was not used for longest.
  const kept = new Map<number, { readonly bytes: number; readonly hash: string; readonly loaded: LoadedModel }>();
  const drop = (id: number): void => {
    kept.get(id)?.loaded.dispose();
    kept.delete(id);
  };
  return {
    get: async (model, options) => {
      const known = kept.get(model.id);
      if (known?.hash === model.hash) {
        kept.delete(model.id);
        kept.set(model.id, known);
        return known.loaded;
      }
      drop(model.id);
      await checkUnchanged(model);
      const bytes = model.parameters * BYTES_PER_WEIGHT;
      const total = () => [...kept.values()].reduce((sum, entry) => sum + entry.bytes, bytes);
      for (const id of [...kept.keys()]) if (total() > budgetBytes) drop(id);
      const loaded = await engine.loadModel(model.directory, options);
      kept.set(model.id, { bytes, hash: model.hash, loaded });
      return loaded;
    },
    dispose: () => {
      for (const id of [...kept.keys()]) drop(id);
    },
  };
}

/** Numbers of other weights must not be stored under this model's name. */
async function checkUnchanged(model: StoredModel): Promise<void> {
  const directory = await openModelDirectory(model.directory);
  directory.close();
  if (directory.hash !== model.hash) {
    throw new InputError(
      `the files of ${model.name} changed since the model was added`,
      model.directory,
      "put the old files back, or add the new ones under another name",
    );
  }
}
