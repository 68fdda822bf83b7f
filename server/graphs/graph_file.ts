/**
 * A graph as one file, for downloads and for the page: the letters CGF1, the length of a JSON head as u32, the head
 * padded with spaces to a multiple of four bytes, then little-endian words: relevance f32 [layers + 1, tokens], and for
 * each transition sources u32 [edges], targets u32 [edges], weights f32 [edges] and, when the head's `heads` > 0, terms
 * f32 [edges, heads, (OV, QK)].
 */
import type { GraphResult, Transition } from "../../gpu/mod.ts";

/** What is said of a transition beside its edges. */
export function transitionSummary({ edges, headEdges: _headEdges, ...summary }: Transition) {
  return { ...summary, edges: edges.weights.length };
}

/** The file's bytes, uncompressed. */
export function graphFile(graph: GraphResult): Uint8Array<ArrayBuffer> {
  const tokens = graph.inputIds.length;
  const head = new TextEncoder().encode(JSON.stringify({
    rule: graph.rule,
    tokens,
    layers: graph.layers,
    nodeLayers: graph.nodeLayers,
    heads: graph.transitions[0]?.headEdges?.heads ?? 0,
    target: graph.target,
    contrast: graph.contrast,
    logitDifference: graph.logitDifference,
    transitions: graph.transitions.map(transitionSummary),
  }));
  const padded = Math.ceil(head.length / 4) * 4;
  const vectors = [
    graph.nodeRelevance,
    ...graph.transitions.flatMap(({ edges, headEdges }) => [
      edges.sources,
      edges.targets,
      edges.weights,
      ...(headEdges === undefined ? [] : [headEdges.terms]),
    ]),
  ];
  const bytes = vectors.reduce((sum, vector) => sum + vector.byteLength, 0);
  const file = new Uint8Array(8 + padded + bytes);
  file.set(new TextEncoder().encode("CGF1"));
  new DataView(file.buffer).setUint32(4, padded, true);
  file.fill(0x20, 8, 8 + padded);
  file.set(head, 8);
  let at = 8 + padded;
  for (const vector of vectors) {
    file.set(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength), at);
    at += vector.byteLength;
  }
  return file;
}
