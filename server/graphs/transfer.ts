/** What each token hands to the last position, layer by layer (figure 3 of arXiv 2604.17761). */
import type { MeasuredGraph } from "./graph.ts";

export interface Transfer {
  /** The layers at which the transitions end, ascending. */
  readonly layers: readonly number[];
  /** cumulative[t][i]: sum of the edges from token i to the last token over transitions 0 to t, in logits, signed. */
  readonly cumulative: readonly Float64Array[];
  /** Sum of |edge| from all other tokens to the last one, by transition. */
  readonly massByTransition: readonly number[];
}

/** The last token's own vertical edges are no transfer: its column is 0. */
export function transferToLast({ transitions, inputIds }: MeasuredGraph): Transfer {
  const last = inputIds.length - 1;
  const sum = new Float64Array(inputIds.length);
  const cumulative: Float64Array[] = [];
  const massByTransition: number[] = [];
  for (const { edges: { sources, targets, weights } } of transitions) {
    let mass = 0;
    weights.forEach((weight, edge) => {
      if (targets[edge] !== last || sources[edge] === last) return;
      sum[sources[edge]!]! += weight;
      mass += Math.abs(weight);
    });
    cumulative.push(sum.slice());
    massByTransition.push(mass);
  }
  return { layers: transitions.map(({ target }) => target), cumulative, massByTransition };
}
