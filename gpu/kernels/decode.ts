/** Attention with a cache of keys and values, one new row a sequence, and the largest logit. Sources: cache-store.wgsl,
 * decode-attention.wgsl, argmax.wgsl. */
import { type Device, floatBits } from "../dawn.ts";
import { columns4, panelsOf } from "../panels.ts";
import { softmaxReference } from "./softmax.ts";

/** Widest head that decode-attention.wgsl has room for. */
export const MAX_HEAD_DIMENSION = 256;

interface CacheShape {
  readonly rows: number;
  readonly queryHeads: number;
  readonly keyHeads: number;
  readonly headDimension: number;
  /** [rows, q | k] */
  readonly rotated: GPUBuffer;
  /** [cache rows, k | v] */
  readonly cache: GPUBuffer;
}

/** Records cache[targetRows[i]] = (k, v) of row i. `x` [rows, q | k | v]. */
export function cacheStore(
  device: Device,
  { rows, queryHeads, keyHeads, headDimension, rotated, cache, x, targetRows }: CacheShape & {
    readonly x: GPUBuffer;
    readonly targetRows: GPUBuffer;
  },
): void {
  const keyChunks = keyHeads * headDimension / 4;
  device.run({
    kernel: "cache-store",
    bindings: [targetRows, rotated, x, cache],
    params: [rows, queryHeads * headDimension / 4, keyChunks],
    workgroups: [Math.ceil(2 * keyChunks / 16), Math.ceil(rows / 4), 1],
  });
}

/** Records out [rows, q] = attention of each row to the cache rows of its span, [low, end). */
export function decodeAttention(
  device: Device,
  { rows, queryHeads, keyHeads, headDimension, rotated, cache, spans, longest, probability, bias, out }: CacheShape & {
    /** [cache rows]: added to all scores toward a row; HIDDEN (softmax.ts) hides it. A sequence sees its newest row. */
    readonly bias?: GPUBuffer | undefined;
    /** [rows, (low, end)] */
    readonly spans: GPUBuffer;
    /** Length of the longest span. */
    readonly longest: number;
    /** Scratch, f32 [rows, queryHeads, longest]. */
    readonly probability: GPUBuffer;
    readonly out: GPUBuffer;
  },
): void {
  device.run({
    kernel: "decode-attention",
    constants: { BIAS: bias ? "yes" : "no" },
    bindings: [spans, rotated, cache, probability, out, ...(bias ? [bias] : [])],
    params: [
      queryHeads * headDimension / 4,
      keyHeads * headDimension / 4,
      headDimension / 4,
      queryHeads / keyHeads,
      queryHeads,
      longest,
      floatBits(1 / Math.sqrt(headDimension)),
    ],
    workgroups: [rows, queryHeads, 1],
  });
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

/** Reference for one head of one row: keys and values [count, headDimension]. */
export function decodeAttentionReference(
  query: readonly number[],
  keys: readonly (readonly number[])[],
  values: readonly (readonly number[])[],
): number[] {
  const scores = keys.map((key) =>
    key.reduce((sum, value, d) => sum + value * (query[d] as number), 0) / Math.sqrt(query.length)
  );
  const probability = softmaxReference(scores, 0, keys.length - 1);
  return query.map((_, d) => probability.reduce((sum, p, j) => sum + p * (values[j]?.[d] as number), 0));
}

/** Reference: the first of the largest. */
export function argmaxReference(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}
