/** Shape of the edges of each transition. Formulas: docs/graph-metrics.md. */
import { gini, type GraphNode, type MeasuredGraph, share } from "./graph.ts";

/** Mass is the sum of |weight|. Shares and means are null where there are no edges. */
export interface TransitionMetrics {
  readonly source: number;
  readonly target: number;
  readonly edges: number;
  readonly mass: number;
  /** Mean and largest number of edges into a target token, and out of a source token, that has any. */
  readonly fanIn: { readonly mean: number | null; readonly most: number };
  readonly fanOut: { readonly mean: number | null; readonly most: number };
  /** Of |weight| over the edges. */
  readonly gini: number | null;
  /** Share of the mass whose source and target token are the same. */
  readonly verticality: number | null;
  /** Share of the mass that comes from the first token. */
  readonly sinkShare: number | null;
  /** Mean distance from target back to source token, by mass: over all edges, and over those that are not vertical. */
  readonly lookBack: number | null;
  readonly lookBackSideways: number | null;
}

export interface Hub extends GraphNode {
  /** Edges into and out of the node, vertical ones left out. */
  readonly fanIn: number;
  readonly fanOut: number;
  /** Their mass. */
  readonly mass: number;
}

/** One entry a transition, in their order. */
export function measureTransitions({ transitions, inputIds }: MeasuredGraph): TransitionMetrics[] {
  return transitions.map(({ source, target, edges: { sources, targets, weights } }) => {
    const [into, outOf] = [new Uint32Array(inputIds.length), new Uint32Array(inputIds.length)];
    let [mass, vertical, sink, distance] = [0, 0, 0, 0];
    weights.forEach((weight, edge) => {
      const [from, to, size] = [sources[edge]!, targets[edge]!, Math.abs(weight)];
      outOf[from]!++;
      into[to]!++;
      mass += size;
      if (from === to) vertical += size;
      if (from === 0) sink += size;
      distance += size * (to - from);
    });
    return {
      source,
      target,
      edges: weights.length,
      mass,
      fanIn: describeCounts(into),
      fanOut: describeCounts(outOf),
      gini: gini(weights.map(Math.abs)),
      verticality: share(vertical, mass),
      sinkShare: share(sink, mass),
      lookBack: share(distance, mass),
      lookBackSideways: share(distance, mass - vertical),
    };
  });
}

function describeCounts(counts: Uint32Array) {
  const some = counts.filter((count) => count > 0);
  return {
    mean: share(some.reduce((sum, count) => sum + count, 0), some.length),
    most: some.reduce((most, count) => Math.max(most, count), 0),
  };
}

/** The `most` nodes through whose sideways edges most mass goes, the largest first; earlier nodes first among equals. */
export function findHubs({ transitions, inputIds }: MeasuredGraph, most: number): Hub[] {
  const found = new Map<number, { layer: number; token: number; fanIn: number; fanOut: number; mass: number }>();
  const at = (layer: number, token: number) => {
    const name = layer * inputIds.length + token;
    let hub = found.get(name);
    if (!hub) found.set(name, hub = { layer, token, fanIn: 0, fanOut: 0, mass: 0 });
    return hub;
  };
  for (const { source, target, edges: { sources, targets, weights } } of transitions) {
    weights.forEach((weight, edge) => {
      if (sources[edge] === targets[edge]) return;
      const [from, to] = [at(source, sources[edge]!), at(target, targets[edge]!)];
      from.fanOut++;
      to.fanIn++;
      from.mass += Math.abs(weight);
      to.mass += Math.abs(weight);
    });
  }
  return [...found.values()].sort((a, b) => b.mass - a.mass || a.layer - b.layer || a.token - b.token).slice(0, most);
}
