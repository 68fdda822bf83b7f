/** The few tokens, layers and paths that carry most of a graph (the ablated graph, figure 3 of arXiv 2604.17761). */
import type { GraphNode, MeasuredGraph } from "./graph.ts";
import { relevanceOf } from "./graph.ts";
import { type GraphPath, type PathMeasure, strongestPaths } from "./paths.ts";
import { transferToLast } from "./transfer.ts";

export interface ReduceSettings {
  /** Paths that make up the reduced graph. */
  readonly paths: number;
  readonly measure: PathMeasure;
  /** Share of the transfer that dominant tokens, and dominant layers, reach together. */
  readonly mass: number;
  /** Most dominant tokens. */
  readonly tokens: number;
}

export const REDUCE_DEFAULTS: ReduceSettings = { paths: 5, measure: "product", mass: 0.85, tokens: 10 };

export interface ReducedGraph {
  /** Tokens with the largest |cumulative transfer| to the last position, the largest first. */
  readonly tokens: readonly { readonly token: number; readonly transfer: number; readonly share: number }[];
  /** Transitions over which most mass moves to the last position, the largest first. */
  readonly layers: readonly { readonly source: number; readonly target: number; readonly share: number }[];
  readonly paths: readonly GraphPath[];
  /** Where the paths begin, end, meet, part or change token, with raw relevance; by layer, then token. */
  readonly nodes: readonly (GraphNode & { readonly relevance: number })[];
  /** One edge where paths run between two nodes; `weight` is null where it stands for a vertical run of several edges. */
  readonly edges: readonly {
    readonly source: GraphNode;
    readonly target: GraphNode;
    readonly weight: number | null;
    /** Paths that take it. */
    readonly paths: number;
  }[];
}

/** Reduces a graph. Throws InputError as strongestPaths. */
export function reduceGraph(graph: MeasuredGraph, settings: ReduceSettings = REDUCE_DEFAULTS): ReducedGraph {
  const transfer = transferToLast(graph);
  const final = transfer.cumulative.at(-1) ?? new Float64Array(graph.inputIds.length);
  const tokens = dominant([...final].map(Math.abs), settings.mass).slice(0, settings.tokens)
    .map(({ index, share }) => ({ token: index, transfer: final[index]!, share }));
  const layers = dominant(transfer.massByTransition, settings.mass).map(({ index, share }) => {
    const { source, target } = graph.transitions[index]!;
    return { source, target, share };
  });
  const paths = strongestPaths(graph, settings.paths, settings.measure);
  return { tokens, layers, paths, ...joinPaths(graph, paths) };
}

/** The largest values, in descending order, until their sum reaches a share of the total. */
function dominant(values: readonly number[], mass: number): { readonly index: number; readonly share: number }[] {
  const total = values.reduce((sum, value) => sum + value, 0);
  const order = values.map((_, index) => index).sort((a, b) => values[b]! - values[a]! || a - b);
  const result = [];
  let sum = 0;
  for (const index of order) {
    if (sum >= mass * total || !(values[index]! > 0)) break;
    sum += values[index]!;
    result.push({ index, share: values[index]! / total });
  }
  return result;
}

/** The union of paths, with every vertical run in which nothing begins, ends, meets or parts drawn as one edge. */
function joinPaths(graph: MeasuredGraph, paths: readonly GraphPath[]): Pick<ReducedGraph, "nodes" | "edges"> {
  const nameOf = ({ layer, token }: GraphNode) => `${layer}/${token}`;
  const [before, after] = [new Map<string, Set<number>>(), new Map<string, Set<number>>()];
  const add = (sets: Map<string, Set<number>>, node: GraphNode, token: number) => {
    sets.set(nameOf(node), (sets.get(nameOf(node)) ?? new Set()).add(token));
  };
  for (const { nodes } of paths) {
    for (let at = 1; at < nodes.length; at++) {
      add(after, nodes[at - 1]!, nodes[at]!.token);
      add(before, nodes[at]!, nodes[at - 1]!.token);
    }
  }
  const isRunThrough = (node: GraphNode) =>
    [before, after].every((sets) => {
      const tokens = sets.get(nameOf(node));
      return tokens?.size === 1 && tokens.has(node.token);
    });
  const nodes = new Map<string, GraphNode>();
  const edges = new Map<string, { source: GraphNode; target: GraphNode; weight: number | null; paths: number }>();
  for (const { nodes: own, weights } of paths) {
    let start = 0;
    own.forEach((node, at) => {
      if (isRunThrough(node)) return;
      nodes.set(nameOf(node), node);
      if (at > 0) {
        const source = own[start]!;
        const name = `${nameOf(source)} ${nameOf(node)}`;
        const weight = at - start === 1 ? weights[start]! : null;
        edges.set(name, { source, target: node, weight, paths: (edges.get(name)?.paths ?? 0) + 1 });
      }
      start = at;
    });
  }
  return {
    nodes: [...nodes.values()].map((node) => ({ ...node, relevance: relevanceOf(graph, node.layer)[node.token]! }))
      .sort((a, b) => a.layer - b.layer || a.token - b.token),
    edges: [...edges.values()],
  };
}
