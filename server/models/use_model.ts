/** How tasks use models: where they lie on this machine, and what happens when there is no room. */
import { MemoryError } from "../../gpu/mod.ts";
import type { HeldModels } from "./held_models.ts";
import type { ModelCache, StoredModel } from "./model_cache.ts";

/** The model with its directory on this machine. */
export function located<Model extends StoredModel & { readonly tokenizerHash: string }>(
  { held }: { readonly held?: Pick<HeldModels, "locate"> },
  model: Model,
): Model {
  return held ? held.locate(model) : model;
}

/** Runs it, and once more when models that nobody uses took the room it needs. */
export async function withRoom<Result>(cache: ModelCache, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MemoryError) || !cache.dropUnused()) throw error;
    return await work();
  }
}
