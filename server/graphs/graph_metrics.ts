/** All metrics of an attribution graph. Formulas and sources: docs/graph-metrics.md. */
import type { StoredGraphMetrics } from "../../schema/tables/analysis_values.ts";
import type { MeasuredGraph } from "./graph.ts";
import { centreOfMass, type LayerMetrics, measureLayers } from "./layer_metrics.ts";
import { REDUCE_DEFAULTS, type ReducedGraph, reduceGraph, type ReduceSettings } from "./reduced_graph.ts";
import { findHubs, type Hub, measureTransitions, type TransitionMetrics } from "./transition_metrics.ts";
import { type Transfer, transferToLast } from "./transfer.ts";

export interface GraphMetrics {
  readonly transitions: readonly TransitionMetrics[];
  readonly layers: readonly LayerMetrics[];
  readonly hubs: readonly Hub[];
  readonly centre: { readonly layer: number; readonly position: number } | null;
  readonly transfer: Transfer;
  readonly reduced: ReducedGraph;
}

/** What is kept and shown of the metrics: all but the transfer of tokens that are not dominant. */
export function shownMetrics({ transfer, ...metrics }: GraphMetrics): StoredGraphMetrics {
  return {
    ...metrics,
    transfer: {
      layers: transfer.layers,
      tokens: metrics.reduced.tokens.map(({ token }) => ({
        token,
        cumulative: transfer.cumulative.map((sums) => sums[token]!),
      })),
    },
  };
}

/** Hubs listed. */
const HUBS = 10;

/** Measures a graph. Throws InputError as strongestPaths. */
export function measureGraph(graph: MeasuredGraph, settings: ReduceSettings = REDUCE_DEFAULTS): GraphMetrics {
  return {
    transitions: measureTransitions(graph),
    layers: measureLayers(graph),
    hubs: findHubs(graph, HUBS),
    centre: centreOfMass(graph),
    transfer: transferToLast(graph),
    reduced: reduceGraph(graph, settings),
  };
}
