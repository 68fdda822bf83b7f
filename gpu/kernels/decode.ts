/** Attention with a cache of keys and values, one new row a sequence, and the largest logit. Sources: cache-store.wgsl,
 * decode-attention.wgsl, decode-merge.wgsl, embed-tokens.wgsl, argmax.wgsl. */
import { type Device, floatBits, sharesByBroadcast } from "../device/device.ts";
import type { LayerAttention } from "../model/config.ts";
import { columns4, panelsOf, storageConstants } from "./panels.ts";
import { softcapReference } from "./softcap.ts";
import { softmaxReference } from "./softmax.ts";
import type { WeightMatrix } from "./weight_matrix.ts";

interface CacheShape {
  readonly rows: number;
  readonly queryHeads: number;
  readonly keyHeads: number;
  /** Columns of a head, its padding included; at most 256 (decode-attention.wgsl). */
  readonly headColumns: number;
  /** [rows, q | k] */
  readonly rotated: GPUBuffer;
  /** [cache rows, k | v] */
  readonly cache: GPUBuffer;
}

/** Records cache[targetRows[i]] = (k, v) of row i. `x` [rows, q | k | v]. */
export function cacheStore(
  device: Device,
  { rows, queryHeads, keyHeads, headColumns, rotated, cache, x, targetRows }: CacheShape & {
    readonly x: GPUBuffer;
    readonly targetRows: GPUBuffer;
  },
): void {
  const keyChunks = keyHeads * headColumns / 4;
  device.run({
    kernel: "cache-store",
    bindings: [targetRows, rotated, x, cache],
    params: [rows, queryHeads * headColumns / 4, keyChunks],
    workgroups: [Math.ceil(2 * keyChunks / 16), Math.ceil(rows / 4), 1],
  });
}

/** Where a sequence's keys and values lie, as decode-attention.wgsl reads it. */
export interface CachePlace {
  /** Positions that the new row sees: its own is the last. */
  readonly end: number;
  /** Positions that lie in cache rows from `sharedStart` on; the others lie from `ownStart` on. */
  readonly shared: number;
  readonly sharedStart: number;
  readonly ownStart: number;
}

/** The words of a place. */
export const placeWords = ({ end, shared, sharedStart, ownStart }: CachePlace): number[] => [
  end,
  shared,
  sharedStart,
  ownStart - shared,
];

/** The cache row of the place's last position. */
export const newestRow = ({ end, shared, ownStart }: CachePlace): number => ownStart + end - 1 - shared;

/** No context is as long as this. */
const NO_WINDOW = 2 ** 30;

/** Positions that one workgroup of decode-attention.wgsl attends to. */
const SPLIT = 128;

/** Runs of positions into which the last `window` of at most `longest` positions fall. */
function runsOf(longest: number, window: number | null): number {
  const all = Math.ceil(longest / SPLIT);
  return window === null ? all : Math.min(all, Math.ceil(window / SPLIT) + 1);
}

/** Bytes of the scratch that `decodeAttention` needs. */
export function decodeScratchBytes(
  { rows, queryHeads, headColumns, longest }: Pick<CacheShape, "rows" | "queryHeads" | "headColumns"> & {
    readonly longest: number;
  },
): { readonly sums: number; readonly stats: number } {
  const runs = rows * queryHeads * Math.ceil(longest / SPLIT);
  return { sums: runs * headColumns * 4, stats: runs * 8 };
}

/** Most vectors of 4 sums that a lane holds, and of them for a head by broadcast: more take long to compile. */
const LANE_SUMS = 16;
const BROADCAST_VECTORS = 8;

/** How decode-attention.wgsl is cut on an adapter, for query heads that share a key head `group` at a time. */
function decodeTiling(device: Device, chunks: number, group: number) {
  // A software adapter's lanes run in one thread: more than a subgroup of them only costs barriers.
  const isSoftware = sharesByBroadcast(device);
  const LANES = isSoftware ? device.info.lanes : 64;
  const VECTORS = Math.ceil(chunks / LANES);
  let HEADS = Math.min(8, group);
  while (group % HEADS !== 0 || HEADS * VECTORS > Math.max(VECTORS, LANE_SUMS)) HEADS--;
  const PARTS = 2 ** Math.floor(Math.log2(Math.max(1, LANES / chunks)));
  return {
    LANES,
    HEADS,
    VECTORS,
    PARTS,
    CHUNKS: chunks,
    SPLIT,
    SHARE: isSoftware && chunks >= LANES && VECTORS <= BROADCAST_VECTORS ? "subgroup" : "workgroup",
    QUERY_CELLS: VECTORS * LANES,
  };
}

/** Records out [rows, q] = attention of each row to the positions of its place, the last `window` of them. */
export function decodeAttention(
  device: Device,
  { rows, queryHeads, keyHeads, headColumns, rotated, cache, places, attention, longest, sums, stats, bias, out }:
    & CacheShape
    & {
      /** [cache rows]: added to all scores toward a row; HIDDEN (softmax.ts) hides it. A sequence sees its newest row. */
      readonly bias?: GPUBuffer | undefined;
      /** [rows, 4]: see `placeWords`. */
      readonly places: GPUBuffer;
      readonly attention: Pick<LayerAttention, "window" | "scale" | "cap">;
      /** Largest number of positions that a row sees. */
      readonly longest: number;
      /** Scratch of `decodeScratchBytes`. */
      readonly sums: GPUBuffer;
      readonly stats: GPUBuffer;
      readonly out: GPUBuffer;
    },
): void {
  const runs = runsOf(longest, attention.window);
  const chunks = headColumns / 4;
  const tiling = decodeTiling(device, chunks, queryHeads / keyHeads);
  device.run({
    kernel: "decode-attention",
    constants: {
      ...tiling,
      BIAS: bias ? "yes" : "no",
      CAP: attention.cap === null ? "no" : "yes",
    },
    bindings: [places, rotated, cache, sums, stats, ...bias ? [bias] : []],
    params: [
      queryHeads * chunks,
      keyHeads * chunks,
      queryHeads / keyHeads,
      queryHeads,
      runs,
      attention.window ?? NO_WINDOW,
      floatBits(attention.scale),
      floatBits(attention.cap ?? 0),
    ],
    workgroups: [rows, queryHeads / tiling.HEADS, runs],
  });
  device.run({
    kernel: "decode-merge",
    bindings: [sums, stats, out],
    params: [queryHeads * chunks, chunks, runs],
    workgroups: [Math.ceil(queryHeads * chunks / 16), rows, 1],
  });
}

export interface EmbedTokens {
  readonly count: number;
  /** u32 [count]: rows of the matrix. */
  readonly tokens: GPUBuffer;
  readonly matrix: WeightMatrix;
  /** [count, hidden] */
  readonly x: GPUBuffer;
  /** Factor of what is read. */
  readonly scale?: number;
  readonly accumulate?: boolean;
}

/** Records x (+)= rows of a matrix, scaled; the matrix's parts write the rows that they hold. */
export function embedTokens(
  device: Device,
  { count, tokens, matrix: { columns, shards }, x, scale = 1, accumulate = false }: EmbedTokens,
): void {
  const chunks = columns4(columns);
  for (const { buffer, firstRow, rows, type } of shards) {
    device.run({
      kernel: "embed-tokens",
      constants: { ...storageConstants(type), MODE: accumulate ? "add" : "set" },
      bindings: [tokens, buffer, x],
      params: [chunks, count, firstRow, rows, floatBits(scale)],
      workgroups: [Math.ceil(chunks / 16), Math.ceil(count / 4), 1],
    });
  }
}

/** Records the column of each row's largest value, u32 [rows with padding]. */
export function argmaxRows(device: Device, rows: number, columns: number, x: GPUBuffer, out: GPUBuffer): void {
  device.run({
    kernel: "argmax",
    bindings: [x, out],
    params: [columns4(columns), columns],
    workgroups: [panelsOf(rows), 1, 1],
  });
}

/** Reference for one head of one row: keys and values [count, dimension]. */
export function decodeAttentionReference(
  { scale, cap }: Pick<LayerAttention, "scale" | "cap">,
  query: readonly number[],
  keys: readonly (readonly number[])[],
  values: readonly (readonly number[])[],
): number[] {
  const scores = keys.map((key) => {
    const score = scale * key.reduce((sum, value, d) => sum + value * (query[d] as number), 0);
    return cap === null ? score : softcapReference(score, cap);
  });
  const probability = softmaxReference(scores, 0, keys.length - 1);
  return query.map((_, d) => probability.reduce((sum, p, j) => sum + p * (values[j]?.[d] as number), 0));
}

/** Reference: the first of the largest. */
export function argmaxReference(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}
