/**
 * Edges of one block by the closed form (docs/method.md section 3), tile by tile while the backward pass of its attention
 * is recorded, and pruned as they come: a histogram of |A| finds the threshold, then the edges above it are emitted. Of a
 * long context no matrix of all edges is ever held, on the device or the host.
 */
import type { GradientSpace, Place, PlacedBlock } from "../pass/operation.ts";
import type { TileLimits } from "../pass/pass.ts";
import type { BlockReader } from "../pass/operations/attention.ts";
import type { Device } from "../device/device.ts";
import type { GraphSettings } from "../engine.ts";
import { type ClosedRule, edgeBytes } from "../kernels/edges.ts";
import {
  countEdges,
  counterBytes,
  EDGE_WORDS,
  emitEdges,
  HISTOGRAM_BYTES,
  REACHED,
  readCounters,
  readEmitted,
  readHistogram,
  WANTED,
} from "../kernels/prune.ts";
import { panelIndex } from "../kernels/panels.ts";
import { type EdgeTerms, openEdgeTerms } from "./edge_terms.ts";
import {
  type EdgeRow,
  type EmittedEdges,
  filterEdges,
  type MassBin,
  massBin,
  orderEdges,
  type Reduced,
  reduceEmitted,
  reduceRows,
  thresholdIn,
} from "./prune.ts";
import { binOf, type Edges } from "../kernels/edge_bins.ts";

export const TILE_LIMITS: TileLimits = { hostBytes: 2 ** 20, keptBytes: 2 ** 27, pendingEdges: 2 ** 20 };

/** Edges that are emitted before they are read back, when no more are to be expected. */
const EMITTED_EDGES = 2 ** 20;
/** Edges that are read back at once. */
const READ_EDGES = 2 ** 18;
/** Bytes of (target, source), and of (ov, qk). */
const PAIR_BYTES = 8;
const TERM_BYTES = 8;
/** Bytes of edges' terms by head that are computed and read back at once. */
const SPLIT_BYTES = 2 ** 24;

/** (ov, qk) of each head for edges, in their order. */
export interface HeadTerms {
  readonly heads: number;
  readonly edges: Edges;
  /** [edges, heads, 2] */
  readonly terms: Float32Array;
}

/** What pruning knows of the transitions above. */
export interface Above {
  /** By token: 1 where edges into it lead on to the last token. */
  readonly reached: Uint8Array;
  /** |weight| that edges must exceed to stay within the graph's budget. */
  readonly floor: number;
  /** The same when edges of this transition are held besides. */
  floorWith(pending: readonly Edges[]): number;
}

/** Collects the edges of a block. */
export interface Collection extends BlockReader {
  /**
   * Prunes. To be called when the backward pass of the block's attention is recorded, and nothing after it. Head terms are
   * those of the edges within the graph's budget, by what is known so far.
   */
  finish(above: Above): Promise<Reduced & { readonly heads?: HeadTerms }>;
}

export type Collector = (
  place: Place,
  middleGradient: GPUBuffer,
  targets: readonly number[],
) => Collection;

interface Buffers {
  readonly tiles: readonly GPUBuffer[];
  readonly flags: GPUBuffer;
  readonly histogram: GPUBuffer;
  readonly counters: GPUBuffer;
  readonly emitted: GPUBuffer | undefined;
  readonly capacity: number;
  readonly split: SplitBuffers | undefined;
}

/** What edges are split by head in, at most `capacity` at once. */
interface SplitBuffers {
  readonly pairs: GPUBuffer;
  readonly terms: GPUBuffer;
  readonly capacity: number;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Allocates what collecting takes in all blocks of a pass over one sequence; freed with the workspace. */
export function openCollector(
  space: GradientSpace,
  rule: ClosedRule,
  request: GraphSettings & { readonly mass: number },
  limits: TileLimits,
): Collector {
  const { workspace } = space;
  const { device } = workspace;
  const buffers = allocateBuffers(space, limits, request.heads === true);
  const openTerms = openEdgeTerms(space, rule);
  const { flags, histogram, split } = buffers;
  return (place, middleGradient, targets) => {
    const terms = openTerms(place, middleGradient);
    const blocks = workspace.scoreBlocks(place.weights.attention);
    const wanted = new Set(blocks.filter((block) => targetsIn(block, targets).length > 0));
    const bytes = sum(blocks.map(edgeBytes));
    const onHost = bytes <= limits.hostBytes;
    const kept = bytes <= Math.max(limits.hostBytes, limits.keptBytes);
    const tileOf = (block: PlacedBlock) => buffers.tiles[kept ? blocks.indexOf(block) : 0] as GPUBuffer;
    if (!onHost) {
      writeFlags(device, flags, workspace.rows, targets, undefined);
      device.clear(histogram);
    }
    return {
      wants: (block) => wanted.has(block),
      record(block) {
        terms.edges(block, tileOf(block));
        if (!onHost) countEdges(device, block, tileOf(block), flags, histogram);
      },
      async finish(above) {
        const reduced = onHost
          ? reduceRows(await readRows(device, [...wanted], tileOf, targets), request.mass, above)
          : await emit({
            device,
            buffers,
            blocks: [...wanted],
            tile: kept ? tileOf : (block) => (terms.edgesAgain(block, tileOf(block)), tileOf(block)),
            rows: workspace.rows,
            targets,
            mass: request.mass,
            pendingEdges: limits.pendingEdges,
            above,
          });
        if (!split) return reduced;
        return { ...reduced, heads: await splitByHead(device, terms, split, withinBudget(reduced.edges, above)) };
      },
    };
  };
}

function targetsIn({ firstQuery, queries }: PlacedBlock, targets: readonly number[]): number[] {
  return targets.filter((token) => token >= firstQuery && token < firstQuery + queries);
}

function allocateBuffers({ workspace }: GradientSpace, limits: TileLimits, byHead: boolean): Buffers {
  const { device, config, rows } = workspace;
  const lists = [...new Map(config.attention.map((layer) => [layer.window, workspace.scoreBlocks(layer)])).values()];
  const own = (bytes: number, label: string) => workspace.adopt(device.allocate(bytes, label));
  const all = lists.flat();
  const largest = Math.max(...all.map(edgeBytes));
  const keeping = lists.filter((list) => sum(list.map(edgeBytes)) <= Math.max(limits.hostBytes, limits.keptBytes));
  const tiles = Array.from({ length: Math.max(1, ...keeping.map(({ length }) => length)) }, (_, index) => {
    const sizes = keeping.flatMap((list) => list[index] ? [edgeBytes(list[index])] : []);
    const single = index === 0 && keeping.length < lists.length ? largest : 0;
    return own(Math.max(single, ...sizes), "a tile of edges");
  });
  const onDevice = lists.some((list) => sum(list.map(edgeBytes)) > limits.hostBytes);
  const capacity = Math.max(
    largest / 4,
    Math.min(EMITTED_EDGES, Math.max(...lists.map((l) => sum(l.map(edgeBytes)))) / 4),
  );
  const headBytes = config.heads * TERM_BYTES;
  const most = Math.max(...lists.map((list) => sum(list.map(({ queries, keys }) => queries * keys))));
  const splitCapacity = Math.min(most, Math.floor(SPLIT_BYTES / headBytes));
  return {
    tiles,
    flags: own(rows * 4, "flags of targets"),
    histogram: own(onDevice ? HISTOGRAM_BYTES : 16, "histogram of edges"),
    counters: own(counterBytes(rows), "counters of edges"),
    emitted: onDevice ? own(capacity * EDGE_WORDS * 4, "edges above the threshold") : undefined,
    capacity,
    split: byHead
      ? {
        pairs: own(splitCapacity * PAIR_BYTES, "edges to split by head"),
        terms: own(splitCapacity * headBytes, "edges split by head"),
        capacity: splitCapacity,
      }
      : undefined,
  };
}

function writeFlags(
  device: Device,
  flags: GPUBuffer,
  rows: number,
  targets: readonly number[],
  reached: Uint8Array | undefined,
): void {
  const words = new Uint32Array(rows);
  for (const token of targets) words[token] = WANTED | (reached?.[token] ? REACHED : 0);
  device.write(flags, 0, words);
}

/** Whole rows of edges, read back. */
async function readRows(
  device: Device,
  blocks: readonly PlacedBlock[],
  tileOf: (block: PlacedBlock) => GPUBuffer,
  targets: readonly number[],
): Promise<EdgeRow[]> {
  const rows: EdgeRow[] = [];
  for (const block of blocks) {
    const values = new Float32Array(await device.read(tileOf(block), 0, edgeBytes(block)));
    for (const target of targetsIn(block, targets)) rows.push(readEdgeRow(values, block, target));
  }
  return rows;
}

function readEdgeRow(tile: Float32Array, { firstQuery, firstKey, keys }: PlacedBlock, target: number): EdgeRow {
  const weights = new Float32Array(target + 1);
  for (let source = firstKey; source <= target; source++) {
    weights[source] = tile[panelIndex(target - firstQuery, source - firstKey, keys)] as number;
  }
  return { target, weights };
}

interface EmitArguments {
  readonly device: Device;
  readonly buffers: Buffers;
  readonly blocks: readonly PlacedBlock[];
  /** The tile of a block, recorded again where it was not kept. */
  readonly tile: (block: PlacedBlock) => GPUBuffer;
  readonly rows: number;
  readonly targets: readonly number[];
  readonly mass: number;
  readonly pendingEdges: number;
  readonly above: Above;
}

/** The second pass: the histogram gives the bin of the threshold, the edges from there on are emitted and read. */
async function emit(
  { device, buffers, blocks, tile, rows, targets, mass, pendingEdges, above }: EmitArguments,
): Promise<Reduced> {
  const { histogram, counters, flags, capacity } = buffers;
  const out = buffers.emitted as GPUBuffer;
  const counted = readHistogram(await device.read(histogram, 0, HISTOGRAM_BYTES));
  const found = massBin(counted, mass);
  writeFlags(device, flags, rows, targets, above.reached);
  const expected = found.countAbove + (counted.counts[found.bin] as number);
  let { floor } = above;
  let parts: Edges[] = [];
  let pending = 0;
  let reaching = 0;
  const marks = new Uint8Array(above.reached.length);
  const aboveBin = (edges: Edges) => filterEdges(edges, (edge) => binOf(bitsOf(edges)[edge] as number) !== found.bin);
  const collect = async () => {
    const read = readCounters(await device.read(counters, 0, counterBytes(rows)));
    if (read.emitted > capacity) throw new Error(`${read.emitted} edges emitted where ${capacity} fit`);
    reaching += read.reaching;
    for (let token = 0; token < marks.length; token++) if (read.marks[token]) marks[token] = 1;
    for (let first = 0; first < read.emitted; first += READ_EDGES) {
      const count = Math.min(READ_EDGES, read.emitted - first);
      const edges = readEmitted(await device.read(out, first * EDGE_WORDS * 4, count * EDGE_WORDS * 4));
      parts.push(edges);
      pending += count;
      if (pending < pendingEdges) continue;
      // Those of the threshold's bin stay until the threshold is known.
      floor = above.floorWith(parts.map(aboveBin));
      parts = [joinEdges(parts.map((part) => {
        const bits = bitsOf(part);
        return filterEdges(
          part,
          (edge) => binOf(bits[edge] as number) === found.bin || Math.abs(part.weights[edge] as number) > floor,
        );
      }))];
      pending = 0;
    }
    device.clear(counters);
  };
  device.clear(counters);
  let waiting = 0;
  for (const block of blocks) {
    const most = Math.min(expected, edgeBytes(block) / 4);
    if (expected > capacity && waiting + most > capacity) {
      await collect();
      waiting = 0;
    }
    emitEdges(device, block, tile(block), flags, { counters, out, capacity, bin: found.bin, floor });
    waiting += most;
  }
  await collect();
  return finishEmitted(joinEdges(parts), found, { reaching, marks, reached: above.reached, floor });
}

/** The exact threshold, out of its bin's edges, and what stays. */
function finishEmitted(
  emitted: Edges,
  found: MassBin,
  { reaching, marks, reached, floor }: Pick<EmittedEdges, "reaching" | "marks" | "reached" | "floor">,
): Reduced {
  const bits = bitsOf(emitted);
  const inBin = Float32Array.from(
    emitted.weights.filter((_, edge) => binOf(bits[edge] as number) === found.bin),
    Math.abs,
  );
  const threshold = thresholdIn(inBin, found);
  return reduceEmitted(orderEdges(emitted, marks.length), { found, threshold, reaching, marks, reached, floor });
}

/** The bits of edges' weights. */
const bitsOf = ({ weights }: Edges) => new Uint32Array(weights.buffer, weights.byteOffset, weights.length);

function joinEdges(parts: readonly Edges[]): Edges {
  const count = sum(parts.map(({ weights }) => weights.length));
  const joined = { sources: new Uint32Array(count), targets: new Uint32Array(count), weights: new Float32Array(count) };
  let at = 0;
  for (const { sources, targets, weights } of parts) {
    joined.sources.set(sources, at);
    joined.targets.set(targets, at);
    joined.weights.set(weights, at);
    at += weights.length;
  }
  return joined;
}

/** Edges without those that the budget drops as soon as they are among the graph's. */
function withinBudget(edges: Edges, above: Above): Edges {
  const floor = above.floorWith([edges]);
  return filterEdges(edges, (edge) => Math.abs(edges.weights[edge] as number) > floor);
}

/** Splits edges, which are ordered by target. */
async function splitByHead(
  device: Device,
  terms: EdgeTerms,
  { pairs, terms: out, capacity }: SplitBuffers,
  edges: Edges,
): Promise<HeadTerms> {
  const { sources, targets } = edges;
  const heads = terms.parts[0]?.heads ?? 0;
  const result = new Float32Array(targets.length * heads * 2);
  let done = 0;
  for (const part of terms.parts) {
    const behind = part.firstQuery + part.queries;
    let isOpen = false;
    while (done < targets.length && (targets[done] as number) < behind) {
      if (!isOpen) terms.open(part);
      isOpen = true;
      let end = done;
      while (end < targets.length && end - done < capacity && (targets[end] as number) < behind) end++;
      const count = end - done;
      const words = new Uint32Array(2 * count);
      for (let index = 0; index < count; index++) {
        words[2 * index] = targets[done + index] as number;
        words[2 * index + 1] = sources[done + index] as number;
      }
      device.write(pairs, 0, words);
      terms.heads(part, { buffer: pairs, count }, out);
      result.set(new Float32Array(await device.read(out, 0, count * heads * TERM_BYTES)), done * heads * 2);
      done = end;
    }
  }
  return { heads, edges, terms: result };
}
