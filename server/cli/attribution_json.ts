import type { AttributionResult } from "../../gpu/mod.ts";

/**
 * What biases, learned positions and caps absorb of delta under CP-LRP, which sums to delta without them; null under the
 * other rules, whose sums differ from delta for other reasons too.
 */
export function absorbedOf(
  { rule, nodeRelevance, inputIds: { length } }: Pick<AttributionResult, "rule" | "nodeRelevance" | "inputIds">,
  delta: number,
): number | null {
  if (rule !== "cplrp") return null;
  return delta - nodeRelevance.subarray(0, length).reduce((sum, value) => sum + value, 0);
}

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
    absorbed: absorbedOf(result, logitDifference),
    relevance: row(0),
    ...(layers ? { nodeRelevance: Array.from({ length: result.layers + 1 }, (_, layer) => row(layer)) } : {}),
    adapter,
    seconds,
  };
}
