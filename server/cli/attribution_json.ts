import type { AttributionResult } from "../../gpu/mod.ts";

/** What `attribute --json` prints. Relevance is that of the embeddings; node layers come with `layers`. */
export function attributionJson(result: AttributionResult, tokens: readonly string[] | null, layers: boolean) {
  const { rule, inputIds, target, contrast, logitDifference, nodeRelevance, adapter, seconds } = result;
  const row = (layer: number) => [...nodeRelevance.subarray(layer * inputIds.length, (layer + 1) * inputIds.length)];
  return {
    rule,
    inputIds,
    tokens,
    target: { id: target.id, logit: target.logit },
    contrast: { id: contrast.id, logit: contrast.logit },
    logitDifference,
    relevance: row(0),
    ...(layers ? { nodeRelevance: Array.from({ length: result.layers + 1 }, (_, layer) => row(layer)) } : {}),
    adapter,
    seconds,
  };
}
