/** Where relevance lies in each node layer, and in the whole graph. Formulas: docs/graph-metrics.md. */
import { type MeasuredGraph, relevanceOf, share } from "./graph.ts";

export interface LayerMetrics {
  readonly layer: number;
  /** |relevance| of the first token over that of all tokens; null where there is none. */
  readonly sinkShare: number | null;
  /** Mean position by |relevance|: of all tokens, and without the first. */
  readonly centre: number | null;
  readonly centreWithoutSink: number | null;
}

/** One entry a node layer of the graph, in their order. */
export function measureLayers(graph: MeasuredGraph): LayerMetrics[] {
  return graph.nodeLayers.map((layer) => {
    let [all, moment] = [0, 0];
    const relevance = relevanceOf(graph, layer);
    relevance.forEach((value, token) => {
      all += Math.abs(value);
      moment += Math.abs(value) * token;
    });
    const sink = Math.abs(relevance[0]!);
    return {
      layer,
      sinkShare: share(sink, all),
      centre: share(moment, all),
      centreWithoutSink: share(moment, all - sink),
    };
  });
}

/** Mean layer and position of the edges' middles, by |weight|; null where there are no edges. */
export function centreOfMass({ transitions }: MeasuredGraph): { layer: number; position: number } | null {
  let [mass, layers, positions] = [0, 0, 0];
  for (const { source, target, edges: { sources, targets, weights } } of transitions) {
    weights.forEach((weight, edge) => {
      const size = Math.abs(weight);
      mass += size;
      layers += size * (source + target) / 2;
      positions += size * (sources[edge]! + targets[edge]!) / 2;
    });
  }
  return mass > 0 ? { layer: layers / mass, position: positions / mass } : null;
}
