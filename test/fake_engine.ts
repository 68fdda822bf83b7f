/** A model cache whose models compute nothing, so that tests of queue and jobs need no device. */
import type { AttributionRequest, AttributionResult, LoadedModel, RunOptions } from "../gpu/engine.ts";
import type { ModelCache } from "../server/model_cache.ts";

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

/** A cache whose models attribute as told. */
export function fakeCache(
  attribute: (request: AttributionRequest, options: RunOptions) => Promise<AttributionResult>,
): ModelCache {
  return {
    get: () =>
      Promise.resolve({
        attribute: (request: AttributionRequest, options: RunOptions = {}) => attribute(request, options),
      } as LoadedModel),
    dispose: () => {},
  };
}

/** Waits until it is aborted, then fails as an engine does. */
export function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, fail) => signal?.addEventListener("abort", () => fail(signal.reason)));
}
