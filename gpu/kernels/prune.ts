/** The mass rule of a graph's transitions on the device, in two passes over tiles of edges. Source: prune.wgsl. */
import type { Device } from "../device/device.ts";
import { columns4 } from "./panels.ts";
import { binOf, BINS, type Edges, type MassHistogram } from "./edge_bins.ts";
import { elementwise } from "./elementwise.ts";
import type { ScoreBlock } from "./softmax.ts";

/** Flags of target tokens. */
export const WANTED = 1;
export const REACHED = 2;

/** Bytes of a histogram. */
export const HISTOGRAM_BYTES = BINS * 3 * 4;
/** Words of an emitted edge. */
export const EDGE_WORDS = 3;
/** Words before the marks of source tokens. */
const COUNTERS = 2;

export const counterBytes = (tokens: number): number => (COUNTERS + tokens) * 4;

/** Records the counting of a tile's edges. `flags` [tokens, rounded up to whole panels]. */
export function countEdges(
  device: Device,
  block: ScoreBlock,
  tile: GPUBuffer,
  flags: GPUBuffer,
  histogram: GPUBuffer,
): void {
  dispatch(device, "histogram", block, [tile, flags, histogram], [0, 0, 0]);
}

export interface Emission {
  /** [emitted, reaching, marks of source tokens ...], counterBytes. */
  readonly counters: GPUBuffer;
  /** [capacity, EDGE_WORDS] */
  readonly out: GPUBuffer;
  readonly capacity: number;
  /** Bin of the threshold. */
  readonly bin: number;
  /** |weight| that emitted edges above that bin exceed; negative: all of them. */
  readonly floor: number;
}

/** Records the appending of a tile's edges to `out`. What exceeds its capacity is counted and lost. */
export function emitEdges(
  device: Device,
  block: ScoreBlock,
  tile: GPUBuffer,
  flags: GPUBuffer,
  { counters, out, capacity, bin, floor }: Emission,
): void {
  dispatch(device, "emit", block, [tile, flags, counters, out], [bin, magnitudeBits(floor), capacity]);
}

function dispatch(
  device: Device,
  pass: "histogram" | "emit",
  block: ScoreBlock,
  bindings: readonly GPUBuffer[],
  params: readonly number[],
): void {
  const { cells, width, workgroups } = elementwise(block.queries, block.keys);
  device.run({
    kernel: "prune",
    constants: { PASS: pass },
    bindings,
    params: [columns4(block.keys), cells, width, block.firstQuery, block.firstKey, ...params],
    workgroups,
  });
}

const word = new Float32Array(1);
/** Bits of |value|; 0, which no edge has, for negative values. */
function magnitudeBits(value: number): number {
  word[0] = Math.max(0, value);
  return new Uint32Array(word.buffer)[0] as number;
}

/** A histogram as it was read back. */
export function readHistogram(bytes: ArrayBuffer): MassHistogram {
  const words = new Uint32Array(bytes);
  return {
    counts: Float64Array.from({ length: BINS }, (_, bin) => words[bin * 3] as number),
    lows: Float64Array.from(
      { length: BINS },
      (_, bin) => (words[bin * 3 + 1] as number) + (words[bin * 3 + 2] as number) * 2 ** 32,
    ),
  };
}

/** Emitted edges as they were read back, in any order. */
export function readEmitted(bytes: ArrayBuffer): Edges {
  const words = new Uint32Array(bytes);
  const count = words.length / EDGE_WORDS;
  const pick = (at: number) =>
    Uint32Array.from({ length: count }, (_, edge) => words[edge * EDGE_WORDS + at] as number);
  return { targets: pick(0), sources: pick(1), weights: new Float32Array(pick(2).buffer) };
}

/** Counters as they were read back. */
export function readCounters(bytes: ArrayBuffer) {
  const words = new Uint32Array(bytes);
  return { emitted: words[0] as number, reaching: words[1] as number, marks: words.subarray(COUNTERS) };
}

/** A tile in plain numbers: A[row][key], row-major. */
export interface TileNumbers {
  readonly block: Pick<ScoreBlock, "firstQuery" | "firstKey">;
  readonly rows: readonly (readonly number[])[];
}

/** Reference of the first pass. */
export function countEdgesReference(tiles: readonly TileNumbers[], flags: readonly number[]): MassHistogram {
  const counts = new Float64Array(BINS);
  const lows = new Float64Array(BINS);
  forEachEdge(tiles, flags, ({ bits }) => {
    counts[binOf(bits)]!++;
    lows[binOf(bits)]! += bits & 0xffff;
  });
  return { counts, lows };
}

/** Reference of the second pass: [target, source, weight] in the order of the tiles. */
export function emitEdgesReference(
  tiles: readonly TileNumbers[],
  flags: readonly number[],
  { bin, floor }: Pick<Emission, "bin" | "floor">,
): { edges: [number, number, number][]; reaching: number; marks: number[] } {
  const edges: [number, number, number][] = [];
  const marks = flags.map(() => 0);
  let reaching = 0;
  forEachEdge(tiles, flags, ({ bits, target, source, weight, flag }) => {
    const isAbove = binOf(bits) > bin && (flag & REACHED) > 0;
    if (isAbove) {
      reaching++;
      marks[source] = 1;
    }
    if (binOf(bits) === bin || (isAbove && Math.abs(weight) > floor)) edges.push([target, source, weight]);
  });
  return { edges, reaching, marks };
}

interface PlainEdge {
  readonly bits: number;
  readonly target: number;
  readonly source: number;
  readonly weight: number;
  readonly flag: number;
}

function forEachEdge(tiles: readonly TileNumbers[], flags: readonly number[], use: (edge: PlainEdge) => void): void {
  for (const { block, rows } of tiles) {
    rows.forEach((row, query) =>
      row.forEach((value, key) => {
        const target = block.firstQuery + query;
        const flag = flags[target] ?? 0;
        const bits = magnitudeBits(Math.abs(value));
        if (flag === 0 || bits === 0) return;
        use({ bits, target, source: block.firstKey + key, weight: Math.fround(value), flag });
      })
    );
  }
}
