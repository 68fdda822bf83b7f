/**
 * What of a graph is shown: edges above the sliders, the nodes they join, and where these stand. The canvas, the SVG
 * and the JSON that people export are all made from one scene, so they match.
 */
import type { Table } from "../../../figures/table.ts";
import type { GraphData, Transition } from "./graph_data.ts";

/** A node: the index of its layer in `nodeLayers`, and its token. */
export interface GraphNode {
  readonly row: number;
  readonly token: number;
}

/** Which part of each edge's weight is shown. */
export type Term = "all" | "ov" | "qk";

export interface GraphView {
  /** Edges below this |weight| in logits are hidden. */
  readonly minWeight: number;
  /** Of each transition the strongest edges that make up this share of its |weight| are shown, 0 to 1. */
  readonly mass: number;
  /** Whether the first token, an attention sink in models of the Qwen3 kind, is shown. */
  readonly sink: boolean;
  readonly term: Term;
  /** One attention head, or null for all. */
  readonly head: number | null;
  /** Only paths to and from this node; null shows all. */
  readonly focus: GraphNode | null;
}

/** Edges strongest first. */
export interface SceneEdges {
  /** Rows of the source and of the target node, [edges]; in our own graphs the second is one more. */
  readonly rows: Uint16Array;
  readonly targetRows: Uint16Array;
  readonly sources: Uint32Array;
  readonly targets: Uint32Array;
  readonly weights: Float32Array;
}

export interface Scene {
  /** Node layer of each row, from the bottom up. */
  readonly nodeLayers: readonly number[];
  /** Tokens with a node in sight, ascending: the columns. */
  readonly columns: Uint32Array;
  /** Column of each token, -1 where it has none, [tokens]. */
  readonly columnOf: Int32Array;
  readonly nodes: readonly (GraphNode & { readonly relevance: number })[];
  readonly edges: SceneEdges;
  /** Largest |weight| of the edges and |relevance| of the nodes; 1 where there are none. */
  readonly largestWeight: number;
  readonly largestRelevance: number;
  /** Of weights, in the plural. */
  readonly unit: string;
  /** Edges of the stored graph. */
  readonly stored: number;
}

/** Weights of a transition under a view's head and term, [edges]. */
function weightsOf({ weights, terms }: Transition, heads: number, { term, head }: GraphView): Float32Array {
  if (terms === undefined || (term === "all" && head === null)) return weights;
  const parts = new Float32Array(weights.length);
  for (let edge = 0; edge < weights.length; edge++) {
    let sum = 0;
    for (let h = head ?? 0; h < (head === null ? heads : head + 1); h++) {
      const at = (edge * heads + h) * 2;
      if (term !== "qk") sum += terms[at] ?? 0;
      if (term !== "ov") sum += terms[at + 1] ?? 0;
    }
    parts[edge] = sum;
  }
  return parts;
}

/** Indices of a transition's edges that pass sink, mass and threshold, strongest first. */
function strongest(transition: Transition, weights: Float32Array, view: GraphView): Uint32Array {
  const { sources, targets } = transition;
  const indices = new Uint32Array(weights.length);
  let count = 0;
  let total = 0;
  for (let edge = 0; edge < weights.length; edge++) {
    if (!view.sink && (sources[edge] === 0 || targets[edge] === 0)) continue;
    if (weights[edge] === 0) continue;
    indices[count++] = edge;
    total += Math.abs(weights[edge] as number);
  }
  const size = (edge: number) => Math.abs(weights[edge] as number);
  const kept = indices.subarray(0, count).sort((a, b) => size(b) - size(a) || a - b);
  const wanted = view.mass * total;
  let sum = 0;
  let end = 0;
  while (end < count && (sum < wanted || view.mass >= 1) && size(kept[end] as number) >= view.minWeight) {
    sum += size(kept[end] as number);
    end++;
  }
  // Ties with the last edge stay, as in the stored graph.
  while (end > 0 && end < count && size(kept[end] as number) === size(kept[end - 1] as number)) end++;
  return kept.subarray(0, end);
}

interface Picked {
  readonly transition: Transition;
  readonly sourceRow: number;
  readonly targetRow: number;
  readonly weights: Float32Array;
  /** Edges shown, strongest first. */
  indices: Uint32Array;
}

/** Keeps the edges on paths that lead to the node or start from it. */
function isolate(picked: readonly Picked[], { row, token }: GraphNode): void {
  // Tokens that a path has reached, by row; what is below is followed from the top down, what is above upward.
  const reached = new Map([[row, new Set([token])]]);
  const reach = (at: number) => reached.get(at) ?? new Set<number>();
  const add = (at: number, tokens: Iterable<number>) => reached.set(at, reach(at).union(new Set(tokens)));
  for (const one of picked.toSorted((a, b) => b.targetRow - a.targetRow)) {
    if (one.targetRow > row) continue;
    const { sources, targets } = one.transition;
    one.indices = one.indices.filter((edge) => reach(one.targetRow).has(targets[edge] as number));
    add(one.sourceRow, Array.from(one.indices, (edge) => sources[edge] as number));
  }
  for (const one of picked.toSorted((a, b) => a.sourceRow - b.sourceRow)) {
    if (one.targetRow <= row) continue;
    const { sources, targets } = one.transition;
    // What leads past the row passes the node by.
    one.indices = one.sourceRow < row
      ? one.indices.subarray(0, 0)
      : one.indices.filter((edge) => reach(one.sourceRow).has(sources[edge] as number));
    add(one.targetRow, Array.from(one.indices, (edge) => targets[edge] as number));
  }
}

/** Joins the transitions' edges into one list, strongest first. */
function joinEdges(picked: readonly Picked[]): SceneEdges {
  const count = picked.reduce((sum, { indices }) => sum + indices.length, 0);
  const rows = new Uint16Array(count);
  const targetRows = new Uint16Array(count);
  const sources = new Uint32Array(count);
  const targets = new Uint32Array(count);
  const weights = new Float32Array(count);
  let at = 0;
  picked.forEach(({ transition, sourceRow, targetRow, weights: own, indices }) => {
    for (const edge of indices) {
      rows[at] = sourceRow;
      targetRows[at] = targetRow;
      sources[at] = transition.sources[edge] as number;
      targets[at] = transition.targets[edge] as number;
      weights[at] = own[edge] as number;
      at++;
    }
  });
  const order = new Uint32Array(count).map((_, index) => index)
    .sort((a, b) => Math.abs(weights[b] as number) - Math.abs(weights[a] as number) || a - b);
  return {
    rows: rows.map((_, index) => rows[order[index] as number] as number),
    targetRows: rows.map((_, index) => targetRows[order[index] as number] as number),
    sources: sources.map((_, index) => sources[order[index] as number] as number),
    targets: targets.map((_, index) => targets[order[index] as number] as number),
    weights: weights.map((_, index) => weights[order[index] as number] as number),
  };
}

/** Makes the scene of a view. Takes some 100 ms for 200,000 edges. */
export function makeScene(data: GraphData, view: GraphView): Scene {
  const picked = data.transitions.map((transition): Picked => {
    const weights = weightsOf(transition, data.heads, view);
    return {
      transition,
      sourceRow: data.nodeLayers.indexOf(transition.source),
      targetRow: data.nodeLayers.indexOf(transition.target),
      weights,
      indices: strongest(transition, weights, view),
    };
  });
  if (view.focus !== null) isolate(picked, view.focus);
  const edges = joinEdges(picked);

  const seen = new Set<number>();
  for (let edge = 0; edge < edges.rows.length; edge++) {
    const row = edges.rows[edge] as number;
    seen.add(row * data.tokens + (edges.sources[edge] as number));
    seen.add((edges.targetRows[edge] as number) * data.tokens + (edges.targets[edge] as number));
  }
  if (view.focus !== null) seen.add(view.focus.row * data.tokens + view.focus.token);
  const nodes = [...seen].sort((a, b) => a - b).map((key) => {
    const row = Math.floor(key / data.tokens);
    const token = key % data.tokens;
    return { row, token, relevance: data.relevance[(data.nodeLayers[row] as number) * data.tokens + token] ?? 0 };
  });
  const columns = Uint32Array.from(new Set(nodes.map(({ token }) => token))).sort();
  const columnOf = new Int32Array(data.tokens).fill(-1);
  columns.forEach((token, column) => columnOf[token] = column);
  return {
    nodeLayers: data.nodeLayers,
    columns,
    columnOf,
    nodes,
    edges,
    largestWeight: Math.abs(edges.weights[0] ?? 0) || 1,
    largestRelevance: nodes.reduce((most, { relevance }) => Math.max(most, Math.abs(relevance)), 0) || 1,
    unit: data.unit ?? "logits",
    stored: data.transitions.reduce((sum, transition) => sum + transition.edges, 0),
  };
}

/** The scene as JSON: what the picture shows, with numbers as stored. */
export function sceneJson(data: GraphData, scene: Scene, texts: readonly string[]): string {
  const { edges } = scene;
  return JSON.stringify({
    rule: data.rule,
    nodes: scene.nodes.map(({ row, token, relevance }) => ({
      layer: scene.nodeLayers[row],
      token,
      text: texts[token] ?? "",
      relevance,
    })),
    edges: Array.from(edges.rows, (row, edge) => ({
      source: { layer: scene.nodeLayers[row], token: edges.sources[edge] },
      target: { layer: scene.nodeLayers[edges.targetRows[edge]!], token: edges.targets[edge] },
      weight: edges.weights[edge],
    })),
  });
}

/** The shown edges as a table, strongest first. */
export function sceneTable({ edges, nodeLayers, unit }: Scene, texts: readonly string[]): Table {
  const { rows, targetRows, sources, targets, weights } = edges;
  const place = (row: number, token: number) => [nodeLayers[row] ?? null, token, texts[token] ?? ""];
  return {
    columns: ["from layer", "from position", "from token", "to layer", "to position", "to token", `weight in ${unit}`],
    rows: Array.from(weights, (weight, edge) => [
      ...place(rows[edge]!, sources[edge]!),
      ...place(targetRows[edge]!, targets[edge]!),
      weight,
    ]),
  };
}
