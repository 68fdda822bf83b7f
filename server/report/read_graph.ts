/** Reads a graph file (server/graph_file.ts) as what the metrics measure. */
import type { MeasuredGraph } from "../graph_metrics/graph.ts";

interface Head {
  readonly tokens: number;
  readonly layers: number;
  readonly nodeLayers: readonly number[];
  readonly heads: number;
  readonly transitions: readonly { readonly source: number; readonly target: number; readonly edges: number }[];
}

/** `inputIds`: ids of the case's tokens, [tokens]. */
export function readGraph(file: Uint8Array, inputIds: readonly number[]): MeasuredGraph {
  const bytes = Uint8Array.from(file);
  const length = new DataView(bytes.buffer).getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Head;
  let at = 8 + length;
  const words = <Words>(make: (buffer: ArrayBuffer, at: number, length: number) => Words, count: number): Words => {
    const taken = make(bytes.buffer, at, count);
    at += 4 * count;
    return taken;
  };
  const floats = (buffer: ArrayBuffer, from: number, count: number) => new Float32Array(buffer, from, count);
  const whole = (buffer: ArrayBuffer, from: number, count: number) => new Uint32Array(buffer, from, count);
  const nodeRelevance = words(floats, (head.layers + 1) * head.tokens);
  const transitions = head.transitions.map(({ source, target, edges }) => {
    const own = { sources: words(whole, edges), targets: words(whole, edges), weights: words(floats, edges) };
    if (head.heads > 0) words(floats, edges * head.heads * 2);
    return { source, target, edges: own };
  });
  return { inputIds, nodeRelevance, nodeLayers: head.nodeLayers, transitions };
}
