/** The strongest paths from the inputs to the last token. Exact, by dynamic programming over the layers. */
import { InputError } from "../../gpu/mod.ts";
import type { GraphNode, MeasuredGraph } from "./graph.ts";

/** How a path's strength comes from its edges' shares: their product, or the smallest of them. */
export const PATH_MEASURES = ["product", "bottleneck"] as const;
export type PathMeasure = (typeof PATH_MEASURES)[number];

export interface GraphPath {
  /** From the first node layer to the last token of the last one, a node in every layer of the graph. */
  readonly nodes: readonly GraphNode[];
  /** Signed weights of the edges between them, in logits. */
  readonly weights: readonly number[];
  /** |weight| of each edge over the sum of |weight| into its target. */
  readonly shares: readonly number[];
  readonly strength: number;
}

/** A path's end while paths grow: a chain back to its input, shared by all that go on from it. */
interface Chain {
  readonly token: number;
  readonly strength: number;
  readonly before: Chain | null;
  readonly weight: number;
  readonly share: number;
}

/**
 * The `count` strongest paths, the strongest first; fewer where there are no more. Every node keeps its `count` best
 * ways of being reached: no other can be part of a best path, since a longer path's strength never falls as the
 * strength of its beginning rises. Of equal strengths those through earlier edges stay. Throws InputError for a count
 * that is none.
 */
export function strongestPaths(graph: MeasuredGraph, count: number, measure: PathMeasure): GraphPath[] {
  if (!Number.isInteger(count) || count < 1) {
    throw new InputError(`${count} is no count`, "paths", "use a positive whole number");
  }
  const { transitions, inputIds, nodeLayers } = graph;
  const start = (token: number): Chain => ({ token, strength: 1, before: null, weight: 0, share: 1 });
  let reached = new Map<number, readonly Chain[]>(inputIds.map((_, token) => [token, [start(token)]]));
  for (const { edges: { sources, targets, weights } } of transitions) {
    const into = new Float64Array(inputIds.length);
    weights.forEach((weight, edge) => into[targets[edge]!]! += Math.abs(weight));
    const next = new Map<number, Chain[]>();
    weights.forEach((weight, edge) => {
      const token = targets[edge]!;
      const share = Math.abs(weight) / into[token]!;
      if (!(share > 0)) return;
      const best = next.get(token) ?? [];
      next.set(token, best);
      for (const before of reached.get(sources[edge]!) ?? []) {
        const strength = measure === "product" ? before.strength * share : Math.min(before.strength, share);
        insert(best, { token, strength, before, weight, share }, count);
      }
    });
    reached = next;
  }
  return (reached.get(inputIds.length - 1) ?? []).map((chain) => unroll(chain, nodeLayers));
}

/** Puts a chain in its place among the `count` strongest, the strongest first, after its equals. */
function insert(best: Chain[], chain: Chain, count: number): void {
  if (best.length >= count && best[count - 1]!.strength >= chain.strength) return;
  let at = best.length;
  while (at > 0 && best[at - 1]!.strength < chain.strength) at--;
  best.splice(at, 0, chain);
  if (best.length > count) best.pop();
}

function unroll(end: Chain, nodeLayers: readonly number[]): GraphPath {
  const chains: Chain[] = [];
  for (let chain: Chain | null = end; chain; chain = chain.before) chains.unshift(chain);
  return {
    nodes: chains.map(({ token }, index) => ({ layer: nodeLayers[index]!, token })),
    weights: chains.slice(1).map(({ weight }) => weight),
    shares: chains.slice(1).map(({ share }) => share),
    strength: end.strength,
  };
}
