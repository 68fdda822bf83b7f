import type { GraphEdges, RelevanceResult, Transition } from "../../gpu/mod.ts";

/** A node of a graph. */
export interface GraphNode {
  /** Node layer: 0 = embeddings, l = after block l. */
  readonly layer: number;
  readonly token: number;
  /** Raw, in logit units. */
  readonly relevance: number;
}

/** The nodes that kept edges touch, and the last token of the last listed layer; by layer, then token. */
export function graphNodes(
  { inputIds, nodeLayers, nodeRelevance, transitions }: RelevanceResult & GraphEdges,
): readonly GraphNode[] {
  const tokens = inputIds.length;
  const touched = new Map(nodeLayers.map((layer) => [layer, new Set<number>()]));
  touched.get(nodeLayers.at(-1)!)!.add(tokens - 1);
  for (const { source, target, edges } of transitions) {
    edges.sources.forEach((token) => touched.get(source)!.add(token));
    edges.targets.forEach((token) => touched.get(target)!.add(token));
  }
  return [...touched].flatMap(([layer, set]) =>
    [...set].sort((a, b) => a - b)
      .map((token) => ({ layer, token, relevance: nodeRelevance[layer * tokens + token]! }))
  );
}

/** Rows of a piece of text. */
const PIECE_ROWS = 10_000;

/**
 * What `graph --json` prints, in pieces: edges by head can be millions of rows, more than one string holds. `fields` are
 * those of what was attributed. Edges are [source token, target token, weight], edges by head [source token, target token, head, ov, qk].
 */
export function* graphJson(
  result: RelevanceResult & GraphEdges,
  fields: object,
  more: object = {},
): Generator<string> {
  yield `${open({ ...fields, nodes: graphNodes(result), ...more })},"transitions":[`;
  for (const [index, transition] of result.transitions.entries()) {
    if (index > 0) yield ",";
    yield* transitionJson(transition);
  }
  yield "]}\n";
}

function* transitionJson(transition: Transition): Generator<string> {
  const { edges, headEdges, ...numbers } = transition;
  const { sources, targets, weights } = edges;
  yield `${open(numbers)},"edges":[`;
  yield* rows(weights.length, (edge) => [sources[edge]!, targets[edge]!, weights[edge]!]);
  if (headEdges) {
    const { heads, terms } = headEdges;
    yield '],"headEdges":[';
    yield* rows(weights.length * heads, (row) => {
      const edge = Math.floor(row / heads);
      return [sources[edge]!, targets[edge]!, row % heads, terms[2 * row]!, terms[2 * row + 1]!];
    });
  }
  yield "]}";
}

/** An object's JSON without its closing brace. */
function open(value: object): string {
  return JSON.stringify(value).slice(0, -1);
}

function* rows(count: number, row: (index: number) => readonly number[]): Generator<string> {
  for (let start = 0; start < count; start += PIECE_ROWS) {
    const piece = Array.from({ length: Math.min(PIECE_ROWS, count - start) }, (_, index) => row(start + index));
    yield (start > 0 ? "," : "") + JSON.stringify(piece).slice(1, -1);
  }
}
