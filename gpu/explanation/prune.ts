/**
 * Which edges of a graph stay (docs/method.md section 3): the mass rule for each transition, then only what reaches the
 * prediction, then the graph's edge budget. Plain functions over plain arrays.
 */
import { binOf, BINS, type Edges, type MassHistogram } from "../kernels/edge_bins.ts";

/** Edges out of which a transition's are chosen: whole rows of targets; weights[s] of source token s. */
export interface EdgeRow {
  readonly target: number;
  /** [target + 1] */
  readonly weights: Float32Array;
}

/** Sum of |value| over a bin, exact up to 2^29 values. */
function binSum(bin: number, count: number, low: number): number {
  const exponent = bin >>> 7;
  // Subnormal numbers have no hidden bit.
  const lowest = (exponent > 0 ? 2 ** 23 : 0) + (bin & 127) * 2 ** 16;
  return (count * lowest + low) * 2 ** (Math.max(exponent, 1) - 150);
}

/** Where the mass is reached. */
export interface MassBin {
  /** Sum of all absolute values. */
  readonly total: number;
  /** The bin that holds the threshold, the sum of all bins above it, and what the sum must reach. */
  readonly bin: number;
  readonly above: number;
  readonly wanted: number;
  /** Values in the bins above. */
  readonly countAbove: number;
}

/** The bin in which the sum of the largest absolute values reaches `mass` (0 to 1) of their total. */
export function massBin({ counts, lows }: MassHistogram, mass: number): MassBin {
  const sums = new Float64Array(BINS);
  let total = 0;
  for (let bin = 0; bin < BINS; bin++) total += sums[bin] = binSum(bin, counts[bin] as number, lows[bin] as number);
  const wanted = mass * total;
  // Rounding may leave the sum of all bins a little short.
  const lowest = Math.max(0, sums.findIndex((sum) => sum > 0));
  let bin = BINS - 1;
  let above = 0;
  let countAbove = 0;
  for (; bin > lowest && above + (sums[bin] as number) < wanted; bin--) {
    above += sums[bin] as number;
    countAbove += counts[bin] as number;
  }
  return { total, bin, above, wanted, countAbove };
}

/** The threshold among the absolute values of its bin, which are sorted in place. */
export function thresholdIn(
  values: Float32Array,
  { total, above, wanted }: Pick<MassBin, "total" | "above" | "wanted">,
): number {
  if (total === 0) return 0;
  values.sort();
  let at = values.length - 1;
  for (let sum = above; at > 0 && sum + (values[at] as number) < wanted; at--) sum += values[at] as number;
  return values[at] ?? 0;
}

/**
 * The largest threshold such that the values with |value| >= threshold sum to at least `mass` (0 to 1) of the total of
 * absolute values. A histogram over the upper half of the values' bits finds the bin in which the sum is reached, and
 * only that bin is sorted. Sums of bins are exact, so the order of the values changes nothing. 0 when all values are 0.
 */
export function massThreshold(rows: readonly EdgeRow[], mass: number): { threshold: number; total: number } {
  const count = rows.reduce((sum, { weights }) => sum + weights.length, 0);
  if (count <= FEW) return massThresholdOfFew(rows, count, mass);
  const counts = new Float64Array(BINS);
  const lows = new Float64Array(BINS);
  forEachBits(rows, (bits) => {
    counts[binOf(bits)]!++;
    lows[binOf(bits)]! += bits & 0xffff;
  });
  const found = massBin({ counts, lows }, mass);
  const inBin = new Float32Array(counts[found.bin] as number);
  const inBinBits = new Uint32Array(inBin.buffer);
  let filled = 0;
  forEachBits(rows, (bits) => {
    if (binOf(bits) === found.bin) inBinBits[filled++] = bits & 0x7fffffff;
  });
  return { threshold: thresholdIn(inBin, found), total: found.total };
}

/** Up to so many values a sort costs less than looking at all bins. */
const FEW = 2 ** 14;

/** The same sums, of the bins that have values. */
function massThresholdOfFew(
  rows: readonly EdgeRow[],
  count: number,
  mass: number,
): { threshold: number; total: number } {
  const all = new Uint32Array(count);
  let filled = 0;
  forEachBits(rows, (bits) => all[filled++] = bits & 0x7fffffff);
  const sorted = all.subarray(0, filled).sort();
  const starts: number[] = [];
  const sums: number[] = [];
  for (let start = 0; start < filled;) {
    const bin = binOf(sorted[start] as number);
    let end = start;
    let low = 0;
    for (; end < filled && binOf(sorted[end] as number) === bin; end++) low += (sorted[end] as number) & 0xffff;
    starts.push(start);
    sums.push(binSum(bin, end - start, low));
    start = end;
  }
  const total = sums.reduce((sum, value) => sum + value, 0);
  if (total === 0) return { threshold: 0, total };
  const wanted = mass * total;
  let at = sums.length - 1;
  let above = 0;
  for (; at > 0 && above + (sums[at] as number) < wanted; at--) above += sums[at] as number;
  const inBin = new Float32Array(sorted.slice(starts[at], starts[at + 1] ?? filled).buffer);
  return { threshold: thresholdIn(inBin, { total, above, wanted }), total };
}

/** Calls `use` with the bits of each number but zeros. */
function forEachBits(rows: readonly EdgeRow[], use: (bits: number) => void): void {
  for (const { weights } of rows) {
    const bits = new Uint32Array(weights.buffer, weights.byteOffset, weights.length);
    for (let i = 0; i < bits.length; i++) if (((bits[i] as number) & 0x7fffffff) !== 0) use(bits[i] as number);
  }
}

/** The edges with |weight| >= threshold; zeros never. */
export function edgesAbove(rows: readonly EdgeRow[], threshold: number): Edges {
  let count = 0;
  const keep = (weight: number) => weight !== 0 && Math.abs(weight) >= threshold;
  for (const { weights } of rows) for (const weight of weights) if (keep(weight)) count++;
  const edges = emptyEdges(count);
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

function emptyEdges(count: number): Edges {
  return { sources: new Uint32Array(count), targets: new Uint32Array(count), weights: new Float32Array(count) };
}

/** Edges in any order, ordered by target, then source; tokens are below `tokens`. Linear in their number. */
export function orderEdges(edges: Edges, tokens: number): Edges {
  const count = edges.weights.length;
  let order = Uint32Array.from({ length: count }, (_, index) => index);
  // Two stable counting sorts, the less important key first.
  for (const keys of [edges.sources, edges.targets]) {
    const starts = new Uint32Array(tokens + 1);
    for (let i = 0; i < count; i++) starts[(keys[i] as number) + 1]!++;
    for (let token = 0; token < tokens; token++) starts[token + 1]! += starts[token] as number;
    const next = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      const index = order[i] as number;
      next[starts[keys[index] as number]!++] = index;
    }
    order = next;
  }
  return pickEdges(edges, order);
}

function pickEdges(edges: Edges, chosen: Uint32Array): Edges {
  const picked = emptyEdges(chosen.length);
  for (let at = 0; at < chosen.length; at++) {
    const index = chosen[at] as number;
    picked.sources[at] = edges.sources[index] as number;
    picked.targets[at] = edges.targets[index] as number;
    picked.weights[at] = edges.weights[index] as number;
  }
  return picked;
}

/** The edges for which `keep` holds. */
export function filterEdges(edges: Edges, keep: (index: number) => boolean): Edges {
  const chosen = new Uint32Array(edges.weights.length);
  let count = 0;
  for (let index = 0; index < edges.weights.length; index++) if (keep(index)) chosen[count++] = index;
  return pickEdges(edges, chosen.subarray(0, count));
}

/** Keeps, of transitions given from the first layers to the last, the edges from which one of `ends` of the last is reached. */
export function keepReaching(transitions: readonly Edges[], ends: readonly number[]): Edges[] {
  const kept: Edges[] = [];
  let reached: Set<number> = new Set(ends);
  for (const edges of [...transitions].reverse()) {
    const reaching = filterEdges(edges, (index) => reached.has(edges.targets[index] as number));
    reached = new Set(reaching.sources);
    kept.unshift(reaching);
  }
  return kept;
}

/**
 * The |weight| that edges must exceed for at most `budget` of them to stay, the largest; of equal ones at the border,
 * none stays. -1 when they all stay.
 */
function budgetBorder(transitions: readonly Edges[], budget: number): number {
  const count = transitions.reduce((sum, { weights }) => sum + weights.length, 0);
  if (count <= budget) return -1;
  const magnitudes = new Float32Array(count);
  let at = 0;
  for (const { weights } of transitions) for (const weight of weights) magnitudes[at++] = Math.abs(weight);
  magnitudes.sort();
  // The largest that must go: what is not larger goes with it.
  return magnitudes[count - budget - 1] as number;
}

/** Keeps the `budget` edges of largest |weight| over all transitions; of equal ones at the border, none. */
export function keepBudget(transitions: readonly Edges[], budget: number): Edges[] {
  const border = budgetBorder(transitions, budget);
  return transitions.map((edges) => filterEdges(edges, (index) => Math.abs(edges.weights[index] as number) > border));
}

/** What the mass rule left of a transition. */
export interface Reduced {
  /** Smallest |weight| that the mass rule keeps. */
  readonly threshold: number;
  /** Sum of |weight| of all candidates. */
  readonly total: number;
  /** Edges that the mass rule keeps, and how many of them reach the last token. */
  readonly chosen: number;
  readonly reaching: number;
  /** Those that reach and are above the floor. */
  readonly edges: Edges;
  /** Source tokens of those that reach; all when reach does not matter. */
  readonly reached: Uint8Array;
}

/** Prunes transitions one after another, from the last layers to the first, and holds no more edges than it must. */
export interface Pruner {
  /** By token of the next transition's target layer: 1 when the last token is reached from it. */
  reached(): Uint8Array;
  /** |weight| that an edge must exceed to stay within the budget, by what is known so far. */
  floor(): number;
  /** The same when these edges of the next transition, which reach, are held besides. */
  floorWith(pending: readonly Edges[]): number;
  /** Takes the next transition. */
  add(reduced: Reduced): void;
  /** The edges that stay, in the order in which transitions were added. */
  finish(): readonly Edges[];
}

/**
 * Opens a pruner of a graph of `tokens` tokens, whose objective reads those at `ends`. Its edges are those of keepReaching,
 * keepBudget and keepReaching again over all transitions at once: the budget's border only rises while edges are added.
 */
export function openPruner(
  tokens: number,
  ends: readonly number[],
  settings: { readonly reach: "last" | "all"; readonly edgeBudget: number },
): Pruner {
  let reached: Uint8Array = settings.reach === "all" ? new Uint8Array(tokens).fill(1) : new Uint8Array(tokens);
  for (const end of ends) reached[end] = 1;
  let floor = -1;
  let held: Edges[] = [];
  const cut = () => {
    const border = budgetBorder(held, settings.edgeBudget);
    if (border <= floor) return;
    floor = border;
    held = held.map((edges) => filterEdges(edges, (index) => Math.abs(edges.weights[index] as number) > floor));
  };
  return {
    reached: () => reached,
    floor: () => floor,
    floorWith: (pending) => Math.max(floor, budgetBorder([...held, ...pending], settings.edgeBudget)),
    add(reduced) {
      held.push(reduced.edges);
      if (settings.reach === "last") reached = reduced.reached;
      cut();
    },
    finish() {
      if (settings.reach === "all") return held;
      return keepReaching([...held].reverse(), ends).reverse();
    },
  };
}

/** The mass rule, reach and floor over whole rows of edges. */
export function reduceRows(
  rows: readonly EdgeRow[],
  mass: number,
  { reached, floor }: { readonly reached: Uint8Array; readonly floor: number },
): Reduced {
  const { threshold, total } = massThreshold(rows, mass);
  return reduceEdges(edgesAbove(rows, threshold), { threshold, total, reached, floor });
}

/** Reach and floor over the edges that the mass rule keeps. */
function reduceEdges(
  chosen: Edges,
  { threshold, total, reached, floor }: {
    readonly threshold: number;
    readonly total: number;
    readonly reached: Uint8Array;
    readonly floor: number;
  },
): Reduced {
  const next = new Uint8Array(reached.length);
  let reaching = 0;
  const edges = filterEdges(chosen, (index) => {
    if (!reached[chosen.targets[index] as number]) return false;
    reaching++;
    next[chosen.sources[index] as number] = 1;
    return Math.abs(chosen.weights[index] as number) > floor;
  });
  return { threshold, total, chosen: chosen.weights.length, reaching, edges, reached: next };
}

/** What is known of emitted edges. */
export interface EmittedEdges {
  readonly found: MassBin;
  readonly threshold: number;
  /** Edges above the threshold's bin that lead on to a reached target, and by token whether one starts there. */
  readonly reaching: number;
  readonly marks: Uint8Array;
  readonly reached: Uint8Array;
  readonly floor: number;
}

/**
 * The same over the edges that a device emitted, in order: those of the threshold's bin whatever they lead to, and those
 * above it that lead on and exceed the floor.
 */
export function reduceEmitted(
  emitted: Edges,
  { found, threshold, reaching, marks, reached, floor }: EmittedEdges,
): Reduced {
  const bits = new Uint32Array(emitted.weights.buffer, emitted.weights.byteOffset, emitted.weights.length);
  const next = marks.slice();
  let chosen = found.countAbove;
  let reachingInBin = 0;
  const edges = filterEdges(emitted, (index) => {
    if (binOf(bits[index] as number) !== found.bin) return true;
    const magnitude = Math.abs(emitted.weights[index] as number);
    if (magnitude < threshold) return false;
    chosen++;
    if (!reached[emitted.targets[index] as number]) return false;
    reachingInBin++;
    next[emitted.sources[index] as number] = 1;
    return magnitude > floor;
  });
  return { threshold, total: found.total, chosen, reaching: reaching + reachingInBin, edges, reached: next };
}
