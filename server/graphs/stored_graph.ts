/** A stored graph as the metrics and the classifier read it. */
import type { MeasuredGraph } from "./graph.ts";

interface Head {
  readonly tokens: number;
  readonly layers: number;
  readonly nodeLayers: readonly number[];
  readonly heads: number;
  readonly transitions: readonly { readonly source: number; readonly target: number; readonly edges: number }[];
}

/** Reads the bytes of server/graphs/graph_file.ts, uncompressed. Throws RangeError where they end too early. */
export function readGraphFile(bytes: Uint8Array, inputIds: readonly number[]): MeasuredGraph {
  // A copy: views of words need their own alignment.
  const { buffer } = Uint8Array.from(bytes);
  const length = new DataView(buffer).getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as Head;
  let at = 8 + length;
  const next = <Words>(Type: new (buffer: ArrayBuffer, at: number, count: number) => Words, count: number): Words => {
    const words = new Type(buffer, at, count);
    at += 4 * count;
    return words;
  };
  const nodeRelevance = next(Float32Array, (head.layers + 1) * head.tokens);
  const transitions = head.transitions.map(({ source, target, edges: count }) => {
    const edges = {
      sources: next(Uint32Array, count),
      targets: next(Uint32Array, count),
      weights: next(Float32Array, count),
    };
    next(Float32Array, count * head.heads * 2);
    return { source, target, edges };
  });
  return { inputIds, nodeRelevance, nodeLayers: head.nodeLayers, transitions };
}
