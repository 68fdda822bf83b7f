/**
 * Which edges of a graph stay (docs/method.md section 3): the mass rule for each transition, then only what reaches the
 * prediction, then the graph's edge budget. Plain functions over plain arrays.
 */

/** Edges out of which a transition's are chosen: whole rows of targets; weights[s] of source token s. */
export interface EdgeRow {
  readonly target: number;
  /** [target + 1] */
  readonly weights: Float32Array;
}

/** Edges as three parallel arrays, ordered by target, then source. */
export interface Edges {
  readonly sources: Uint32Array;
  readonly targets: Uint32Array;
  readonly weights: Float32Array;
}

const HIGH_BINS = 2 ** 16;

/**
 * The largest threshold such that the values with |value| >= threshold sum to at least `mass` (0 to 1) of the total of
 * absolute values. Exact but for the rounding of float64 sums: a histogram over the upper half of the values' bits finds
 * the bin in which the sum is reached, and only that bin is sorted. 0 when all values are 0.
 */
export function massThreshold(rows: readonly EdgeRow[], mass: number): { threshold: number; total: number } {
  const sums = new Float64Array(HIGH_BINS);
  const counts = new Uint32Array(HIGH_BINS);
  // The bits of a float32 without its sign order as its absolute value does.
  const binOf = (bits: number) => (bits & 0x7fffffff) >>> 16;
  for (const { weights } of rows) {
    const bits = new Uint32Array(weights.buffer, weights.byteOffset, weights.length);
    for (let i = 0; i < weights.length; i++) {
      const bin = binOf(bits[i] as number);
      sums[bin]! += Math.abs(weights[i] as number);
      counts[bin]!++;
    }
  }
  const total = sums.reduce((sum, value) => sum + value, 0);
  if (total === 0) return { threshold: 0, total };
  const wanted = mass * total;
  let bin = HIGH_BINS - 1;
  let above = 0;
  while (bin > 0 && above + (sums[bin] as number) < wanted) above += sums[bin--] as number;

  const inBin = new Float32Array(counts[bin] as number);
  let filled = 0;
  for (const { weights } of rows) {
    const bits = new Uint32Array(weights.buffer, weights.byteOffset, weights.length);
    for (let i = 0; i < weights.length; i++) {
      if (binOf(bits[i] as number) === bin) inBin[filled++] = Math.abs(weights[i] as number);
    }
  }
  inBin.sort();
  let at = inBin.length - 1;
  while (at > 0 && above + (inBin[at] as number) < wanted) above += inBin[at--] as number;
  return { threshold: inBin[at] as number, total };
}

/** The edges with |weight| >= threshold; zeros never. */
export function edgesAbove(rows: readonly EdgeRow[], threshold: number): Edges {
  let count = 0;
  const keep = (weight: number) => weight !== 0 && Math.abs(weight) >= threshold;
  for (const { weights } of rows) for (const weight of weights) if (keep(weight)) count++;
  const edges = { sources: new Uint32Array(count), targets: new Uint32Array(count), weights: new Float32Array(count) };
  let at = 0;
  for (const { target, weights } of [...rows].sort((a, b) => a.target - b.target)) {
    for (let source = 0; source < weights.length; source++) {
      const weight = weights[source] as number;
      if (!keep(weight)) continue;
      edges.sources[at] = source;
      edges.targets[at] = target;
      edges.weights[at++] = weight;
    }
  }
  return edges;
}

/** The edges for which `keep` holds. */
export function filterEdges(edges: Edges, keep: (index: number) => boolean): Edges {
  const chosen = Uint32Array.from(edges.sources.keys()).filter(keep);
  return {
    sources: chosen.map((index) => edges.sources[index] as number),
    targets: chosen.map((index) => edges.targets[index] as number),
    weights: Float32Array.from(chosen, (index) => edges.weights[index] as number),
  };
}

/** Keeps, of transitions given from the first layers to the last, the edges from which `lastToken` of the last is reached. */
export function keepReaching(transitions: readonly Edges[], lastToken: number): Edges[] {
  const kept: Edges[] = [];
  let reached = new Set([lastToken]);
  for (const edges of [...transitions].reverse()) {
    const reaching = filterEdges(edges, (index) => reached.has(edges.targets[index] as number));
    reached = new Set(reaching.sources);
    kept.unshift(reaching);
  }
  return kept;
}

/** Keeps the `budget` edges of largest |weight| over all transitions; of equal ones at the border, none. */
export function keepBudget(transitions: readonly Edges[], budget: number): Edges[] {
  const count = transitions.reduce((sum, { weights }) => sum + weights.length, 0);
  if (count <= budget) return [...transitions];
  const magnitudes = new Float32Array(count);
  let at = 0;
  for (const { weights } of transitions) for (const weight of weights) magnitudes[at++] = Math.abs(weight);
  magnitudes.sort();
  // The largest that must go: what is not larger goes with it.
  const border = magnitudes[count - budget - 1] as number;
  return transitions.map((edges) => filterEdges(edges, (index) => Math.abs(edges.weights[index] as number) > border));
}
