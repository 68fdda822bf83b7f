/** What the metrics read of an attribution graph, and the small sums that they share. docs/graph-metrics.md. */
import type { GraphResult, Transition } from "../../gpu/mod.ts";

/** An attribution graph without what only its computation needs; any GraphResult is one. */
export interface MeasuredGraph extends Pick<GraphResult, "inputIds" | "nodeRelevance" | "nodeLayers"> {
  /** From the first layers to the last; each joins neighbours of `nodeLayers`. */
  readonly transitions: readonly Pick<Transition, "source" | "target" | "edges">[];
}

/** A place in the graph: a token after a node layer; layer 0 holds the embeddings. */
export interface GraphNode {
  readonly layer: number;
  readonly token: number;
}

/** The signed relevance of a node layer, [tokens]. */
export function relevanceOf({ nodeRelevance, inputIds: { length } }: MeasuredGraph, layer: number): Float32Array {
  return nodeRelevance.subarray(layer * length, (layer + 1) * length);
}

/** part / whole, or null where there is nothing to be a share of. */
export const share = (part: number, whole: number): number | null => whole > 0 ? part / whole : null;

/**
 * Gini coefficient of values that are not negative: 0 where all are equal, near 1 where one has all; null for none, or
 * zeros only. Formula over sorted values: sum_i (2 i - n - 1) x_i / (n sum x), i from 1 (Dixon et al., Ecology 68, 1987).
 */
export function gini(values: ArrayLike<number>): number | null {
  const sorted = Float64Array.from(values).sort();
  let weighted = 0;
  let total = 0;
  sorted.forEach((value, index) => {
    weighted += (2 * (index + 1) - sorted.length - 1) * value;
    total += value;
  });
  return share(weighted, sorted.length * total);
}
