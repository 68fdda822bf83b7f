/** Softmax over a block of attention scores, and its Jacobian. Sources: softmax.wgsl, softmax-backward.wgsl. */
import { type Device, floatBits } from "../dawn.ts";
import { columns4, panelsOf } from "../panels.ts";

/** A block of rows of the score matrices of all heads: [heads, queries, keys], in panels. */
export interface ScoreBlock {
  readonly heads: number;
  /** First query's row, a multiple of 16. */
  readonly firstQuery: number;
  readonly queries: number;
  /** First key's row, a multiple of 16. */
  readonly firstKey: number;
  readonly keys: number;
}

/** Records probabilities in place of scores. `lowest` [rows with padding]: the first key that each query sees. */
export function softmax(device: Device, block: ScoreBlock, scores: GPUBuffer, lowest: GPUBuffer): void {
  device.run({
    kernel: "softmax",
    bindings: [scores, lowest],
    params: [columns4(block.keys), panelsOf(block.queries), block.firstQuery, block.firstKey],
    workgroups: [panelsOf(block.queries), block.heads, 1],
  });
}

/** Records dp = factor * the softmax Jacobian's pullback of dp. */
export function softmaxBackward(
  device: Device,
  block: ScoreBlock,
  probability: GPUBuffer,
  dp: GPUBuffer,
  factor: number,
): void {
  device.run({
    kernel: "softmax-backward",
    bindings: [probability, dp],
    params: [columns4(block.keys), panelsOf(block.queries), floatBits(factor)],
    workgroups: [panelsOf(block.queries), block.heads, 1],
  });
}

/** Reference for one row: probabilities of the keys from `low` to `query`, 0 elsewhere. */
export function softmaxReference(scores: readonly number[], low: number, query: number): number[] {
  const seen = (key: number) => key >= low && key <= query;
  const most = Math.max(...scores.filter((_, key) => seen(key)));
  const raised = scores.map((score, key) => seen(key) ? Math.exp(score - most) : 0);
  const total = raised.reduce((sum, value) => sum + value, 0);
  return raised.map((value) => total > 0 ? value / total : 0);
}

/** Reference for one row. */
export function softmaxBackwardReference(probability: readonly number[], dp: readonly number[]): number[] {
  const inner = probability.reduce((sum, value, key) => sum + value * (dp[key] as number), 0);
  return probability.map((value, key) => value * ((dp[key] as number) - inner));
}
