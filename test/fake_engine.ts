/** A model cache whose models compute nothing, so that tests of queue and jobs need no device. */
import type { AttributionRequest, AttributionResult, LoadedModel, RunOptions } from "../gpu/engine.ts";
import type { ModelCache } from "../server/models/model_cache.ts";

/** A result of the request with two layers; relevance counts up from 0. */
export function fakeResult({ inputIds, target, contrast, rule }: AttributionRequest): AttributionResult {
  return {
    rule,
    inputIds,
    target: { id: target ?? 0, logit: 3 },
    contrast: { id: contrast, logit: 1 },
    logitDifference: 2,
    layers: 2,
    nodeRelevance: Float32Array.from({ length: 3 * inputIds.length }, (_, index) => index),
    adapter: "fake",
    seconds: 0,
  };
}

/** A cache of one model. */
export function cacheOf(model: LoadedModel): ModelCache {
  const lease = { get: () => Promise.resolve(model), release: () => {} };
  return { lease: () => lease, dropUnused: () => false, longestLoadMs: () => 0, dispose: () => {} };
}

/** A cache whose models attribute as told, one request after another. */
export function fakeCache(
  attribute: (request: AttributionRequest, options: RunOptions) => Promise<AttributionResult>,
): ModelCache {
  const attributeMany = async (requests: readonly AttributionRequest[], options: RunOptions = {}) => {
    const results: AttributionResult[] = [];
    for (const request of requests) results.push(await attribute(request, options));
    return results;
  };
  return cacheOf({ attributeMany } as Partial<LoadedModel> as LoadedModel);
}

/** Waits until it is aborted, then fails as an engine does. */
export function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, fail) => signal?.addEventListener("abort", () => fail(signal.reason)));
}
