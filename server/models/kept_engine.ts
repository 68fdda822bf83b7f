/** One engine for commands that run one after the other in a process: its kernels are compiled once. */
import type { Engine, LoadedModel } from "../../gpu/mod.ts";

/** What the runtime may keep of work long done before another engine is opened, in bytes. */
const MOST_WASTE = 500e6;

/**
 * Makes what lends the engine where a command would open its own. It ends with the process, when it is lost, or when too
 * much waste was gathered.
 */
export function keepEngine(open: () => Promise<Engine>): () => Promise<Engine> {
  let kept: Promise<Engine> | undefined;
  const forget = (opening: Promise<Engine>): void => {
    if (kept === opening) kept = undefined;
  };
  const current = async (): Promise<Engine> => {
    const opening = kept ??= open();
    try {
      const engine = await opening;
      if (engine.wasteBytes() <= MOST_WASTE) return engine;
      forget(opening);
      engine.close();
    } catch (error) {
      forget(opening);
      throw error;
    }
    return await current();
  };
  return async () => {
    const engine = await current();
    const opening = kept!;
    engine.lost.then(() => forget(opening));
    return lendEngine(engine);
  };
}

/** An engine as its own to who is lent it: closing it takes the models that he loaded off the device. */
export function lendEngine(engine: Engine): Engine {
  const loaded = new Set<LoadedModel>();
  const dispose = (model: LoadedModel): void => {
    if (loaded.delete(model)) model.dispose();
  };
  return {
    ...engine,
    loadModel: async (...given) => {
      const model = await engine.loadModel(...given);
      loaded.add(model);
      return { ...model, dispose: () => dispose(model) };
    },
    close: () => loaded.forEach(dispose),
  };
}
