/** Models that a worker keeps on its device: those in use, and the last ones used as far as they fit a budget. */
import { type Engine, InputError, type LoadedModel, openModelDirectory, type RunOptions } from "../../gpu/mod.ts";

/** A model as the database knows it, with the directory where its files lie here. */
export interface StoredModel {
  readonly id: number;
  readonly name: string;
  readonly directory: string;
  readonly hash: string;
  readonly parameters: number;
}

/** Holds the models that a piece of work got, until it is released. */
export interface ModelLease {
  /** Loads a model or takes it from the cache. Throws InputError when its files are not what was added. */
  get(model: StoredModel, options?: RunOptions): Promise<LoadedModel>;
  release(): void;
}

export interface ModelCache {
  /** Models that are got through a lease stay on the device until it is released, whoever else needs room. */
  lease(): ModelLease;
  /** Frees the models that nobody holds. False when there were none. */
  dropUnused(): boolean;
  /** The longest of the last loads of each model, in milliseconds. */
  longestLoadMs(): number;
  dispose(): void;
}

interface Kept {
  readonly bytes: number;
  readonly hash: string;
  readonly loading: Promise<LoadedModel>;
  loaded: LoadedModel | undefined;
  users: number;
}

/** Weights that are kept, in bytes, if those in use leave room; a model takes four a weight at most. */
const BUDGET_BYTES = 4 * 2 ** 30;
const BYTES_PER_WEIGHT = 4;

export function createModelCache(engine: Pick<Engine, "loadModel">, budgetBytes = BUDGET_BYTES): ModelCache {
  // In the order of use: the first was not used for longest.
  const kept = new Map<number, Kept>();
  const times = new Map<string, number>();
  const drop = (id: number): void => {
    kept.get(id)?.loaded?.dispose();
    kept.delete(id);
  };
  const isFree = ({ users, loaded }: Kept) => users === 0 && loaded !== undefined;

  const load = async (model: StoredModel, entry: Kept, options: RunOptions | undefined): Promise<LoadedModel> => {
    await checkUnchanged(model);
    const total = () => [...kept.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [id, other] of [...kept]) if (isFree(other) && total() > budgetBytes) drop(id);
    const begin = performance.now();
    entry.loaded = await engine.loadModel(model.directory, options);
    times.set(model.hash, performance.now() - begin);
    return entry.loaded;
  };

  const start = (model: StoredModel, options: RunOptions | undefined): Kept => {
    const { promise: loading, resolve, reject } = Promise.withResolvers<LoadedModel>();
    const bytes = model.parameters * BYTES_PER_WEIGHT;
    const entry: Kept = { bytes, hash: model.hash, loading, loaded: undefined, users: 0 };
    kept.set(model.id, entry);
    load(model, entry, options).then(resolve, (error) => {
      if (kept.get(model.id) === entry) kept.delete(model.id);
      reject(error);
    });
    return entry;
  };

  const take = async (model: StoredModel, options: RunOptions | undefined): Promise<Kept> => {
    for (;;) {
      const known = kept.get(model.id);
      const usable = known?.hash === model.hash;
      if (known && !usable && isFree(known)) drop(model.id);
      const entry = known && usable ? known : start(model, options);
      entry.users++;
      kept.delete(model.id);
      kept.set(model.id, entry);
      try {
        await entry.loading;
        return entry;
      } catch (error) {
        entry.users--;
        // Somebody else's load may have been aborted: that is not our end.
        if (entry !== known || options?.signal?.aborted) throw error;
      }
    }
  };

  return {
    lease: () => {
      const held = new Map<number, Kept>();
      return {
        get: async (model, options) => {
          const mine = held.get(model.id);
          if (mine?.hash === model.hash) return await mine.loading;
          const entry = await take(model, options);
          held.set(model.id, entry);
          return await entry.loading;
        },
        release: () => {
          for (const [id, entry] of held) {
            // Another model of this name may have taken its place meanwhile.
            if (--entry.users === 0 && kept.get(id) !== entry) entry.loaded?.dispose();
          }
          held.clear();
        },
      };
    },
    dropUnused: () => {
      const free = [...kept].filter(([, entry]) => isFree(entry));
      for (const [id] of free) drop(id);
      return free.length > 0;
    },
    longestLoadMs: () => Math.max(0, ...times.values()),
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
