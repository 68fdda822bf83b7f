/** The engine and a model for a verb that computes, with its progress bar. */
import type { LoadedModel, RunOptions } from "../../gpu/mod.ts";
import { progressBar } from "./progress.ts";
import type { VerbContext } from "./verb.ts";

/** Loads the model directory, runs the work with it and closes the engine. */
export async function withModel<Result>(
  context: VerbContext,
  directory: string,
  work: (model: LoadedModel, options: RunOptions) => Promise<Result>,
): Promise<Result> {
  const bar = progressBar(context);
  const options = { signal: context.signal, onProgress: bar.update };
  const engine = await context.openEngine();
  try {
    return await work(await engine.loadModel(directory, options), options);
  } finally {
    bar.end();
    engine.close();
  }
}
