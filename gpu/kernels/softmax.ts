/** Softmax over a block of attention scores, and its Jacobian. Sources: softmax.wgsl, softmax-backward.wgsl. */
import { type Device, floatBits } from "../device/device.ts";
import { columns4, panelsOf } from "./panels.ts";

/** A block of query rows of one sequence, all heads: scores [heads, queries, keys] in panels. */
export interface ScoreBlock {
  readonly heads: number;
  /** First query, counted from the start of the sequence; a multiple of 16. */
  readonly firstQuery: number;
  readonly queries: number;
  /** First key that a query of the block may see, counted from the start of the sequence; a multiple of 16. */
  readonly firstKey: number;
  /** Keys from there to the last query, rounded up to a multiple of 16. */
  readonly keys: number;
  /** A query sees itself and the window - 1 keys before it; null: all before it. */
  readonly window: number | null;
}

/** The bias of a key that no query sees. */
export const HIDDEN = -1e30;

/** Numbers added to every score toward a key before the softmax. */
export interface KeyBias {
  /** [rows of the pass]; HIDDEN hides a key. A query to whom all its keys are hidden reads zeros. */
  readonly buffer: GPUBuffer;
  /** The row of the block's first key; a multiple of 16. */
  readonly firstRow: number;
}

/** Records probabilities in place of scores. */
export function softmax(device: Device, block: ScoreBlock, scores: GPUBuffer, bias?: KeyBias): void {
  device.run({
    kernel: "softmax",
    constants: { BIAS: bias ? "yes" : "no" },
    bindings: bias ? [scores, bias.buffer] : [scores],
    params: [
      columns4(block.keys),
      panelsOf(block.queries),
      block.firstQuery,
      block.queries,
      block.firstKey,
      // No sequence is as long as this.
      block.window ?? 2 ** 30,
      (bias?.firstRow ?? 0) / 4,
    ],
    workgroups: [panelsOf(block.queries), block.heads, 1],
  });
}

/** Records ds = factor * the softmax Jacobian's pullback of dp, [targets, heads, queries, keys] each. */
export function softmaxBackward(
  device: Device,
  block: ScoreBlock,
  probability: GPUBuffer,
  dp: GPUBuffer,
  ds: GPUBuffer,
  factor: number,
  targets = 1,
): void {
  device.run({
    kernel: "softmax-backward",
    bindings: [probability, dp, ds],
    params: [columns4(block.keys), panelsOf(block.queries), floatBits(factor), block.heads],
    workgroups: [panelsOf(block.queries), targets * block.heads, 1],
  });
}

/** Reference for one row: probabilities of the keys from `low` to `query`, 0 elsewhere. */
export function softmaxReference(scores: readonly number[], low: number, query: number): number[] {
  const most = Math.max(...scores.slice(low, query + 1));
  const raised = scores.map((score, key) => key >= low && key <= query ? Math.exp(score - most) : 0);
  const total = raised.reduce((sum, value) => sum + value, 0);
  return raised.map((value) => value / total);
}

/** Reference for one row. */
export function softmaxBackwardReference(probability: readonly number[], dp: readonly number[]): number[] {
  const inner = probability.reduce((sum, value, key) => sum + value * (dp[key] as number), 0);
  return probability.map((value, key) => value * ((dp[key] as number) - inner));
}
