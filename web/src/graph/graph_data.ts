/** An attribution graph as the server's graph file holds it: typed arrays, never one object an edge. */

/** What the head of a graph file says of one transition. */
export interface TransitionSummary {
  /** Node layers; 0 = embeddings. */
  readonly source: number;
  readonly target: number;
  readonly edges: number;
  /** Share of the candidates' absolute weight that stays. */
  readonly keptMass: number;
  readonly columnError: number;
  readonly droppedByReach: number;
  readonly droppedByBudget: number;
}

/** Edges of one transition, ordered by target, then source. */
export interface Transition extends TransitionSummary {
  /** Source token of each edge, [edges]. */
  readonly sources: Uint32Array;
  /** Target token of each edge, [edges]. */
  readonly targets: Uint32Array;
  /** Signed weight of each edge in logits, [edges]. */
  readonly weights: Float32Array;
  /** [edges, heads, (OV, QK)], or undefined where edges are not split. */
  readonly terms: Float32Array | undefined;
}

export interface GraphData {
  readonly rule: string;
  /** Of weights and relevance, where it is another than logits. */
  readonly unit?: string;
  readonly tokens: number;
  /** Blocks of the model. */
  readonly layers: number;
  /** The node layers that transitions join, ascending. */
  readonly nodeLayers: readonly number[];
  /** Heads that edges are split into; 0 when they are not. */
  readonly heads: number;
  /** Signed relevance in logits, [layers + 1, tokens]. */
  readonly relevance: Float32Array;
  /** From the first layers to the last. */
  readonly transitions: readonly Transition[];
}

interface Head {
  readonly rule: string;
  readonly tokens: number;
  readonly layers: number;
  readonly nodeLayers: readonly number[];
  readonly heads: number;
  readonly transitions: readonly TransitionSummary[];
}

const MAGIC = "CGF1";

/**
 * Reads a graph file: the letters CGF1, the length of its JSON head as u32, the head padded to a multiple of four
 * bytes, then little-endian words: relevance f32 [layers + 1, tokens], and for each transition sources u32 [edges],
 * targets u32 [edges], weights f32 [edges] and, when heads > 0, terms f32 [edges, heads, 2].
 * Throws RangeError when the file ends too early or is of another kind.
 */
export function parseGraphFile(file: ArrayBuffer): GraphData {
  const view = new DataView(file);
  const magic = new TextDecoder().decode(new Uint8Array(file, 0, Math.min(4, file.byteLength)));
  if (magic !== MAGIC) throw new RangeError("This is no graph file");
  const length = view.getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length))) as Head;
  let at = 8 + length;
  const floats = (count: number) => {
    const values = new Float32Array(file, at, count);
    at += 4 * count;
    return values;
  };
  const integers = (count: number) => {
    const values = new Uint32Array(file, at, count);
    at += 4 * count;
    return values;
  };
  const relevance = floats((head.layers + 1) * head.tokens);
  const transitions = head.transitions.map((summary): Transition => ({
    ...summary,
    sources: integers(summary.edges),
    targets: integers(summary.edges),
    weights: floats(summary.edges),
    terms: head.heads > 0 ? floats(summary.edges * head.heads * 2) : undefined,
  }));
  return { ...head, relevance, transitions };
}
