/**
 * The floating point operations that each measurement is counted with, in one place: a multiplication and an addition
 * are two. Counted is what the mathematics needs, not what an implementation does: masked pairs of the causal attention,
 * padding, states that are computed again, norms, softmax and pruning count nothing.
 */
import type { ModelConfig } from "../../gpu/model/config.ts";

export type Shape = Pick<
  ModelConfig,
  "hidden" | "intermediate" | "layers" | "heads" | "keyValueHeads" | "headDimension" | "vocabulary"
>;

/** C [m, n] = A [m, k] B. */
export const matmulOperations = (m: number, n: number, k: number): number => 2 * m * n * k;

/** Elements of a block's weight matrices: q, k, v, o, gate, up and down. */
export function blockWeights({ hidden, intermediate, heads, keyValueHeads, headDimension }: Shape): number {
  return hidden * (2 * (heads + keyValueHeads) * headDimension + 3 * intermediate);
}

/** One product over the visible (query, key) pairs of all heads of a block. */
function pairProduct({ heads, headDimension }: Shape, tokens: number): number {
  return 2 * heads * headDimension * tokens * (tokens + 1) / 2;
}

/** A block's scores and their product with v. */
export const attentionOperations = (shape: Shape, tokens: number): number => 2 * pairProduct(shape, tokens);

/** A block's dP, dq, dk and dv. */
const attentionBackwardOperations = (shape: Shape, tokens: number): number => 4 * pairProduct(shape, tokens);

const blockForwardOperations = (shape: Shape, tokens: number): number =>
  2 * blockWeights(shape) * tokens + attentionOperations(shape, tokens);

/** Gradients of activations only: weights have none. */
const blockBackwardOperations = (shape: Shape, tokens: number): number =>
  2 * blockWeights(shape) * tokens + attentionBackwardOperations(shape, tokens);

/** All blocks, and the logits of the last token. */
export function forwardOperations(shape: Shape, tokens: number): number {
  return shape.layers * blockForwardOperations(shape, tokens) + matmulOperations(1, shape.vocabulary, shape.hidden);
}

/** Forward and backward through all blocks. A graph of adjacent layers counts the same: its edges cost no product. */
export function attributionOperations(shape: Shape, tokens: number): number {
  return shape.layers * (blockForwardOperations(shape, tokens) + blockBackwardOperations(shape, tokens));
}

/** A transition that skips blocks, and the tokens of its target layer that have edges. */
export interface SkippedBlocks {
  readonly source: number;
  readonly target: number;
  readonly targets: readonly number[];
}

/** An attribution, and a backward pass through the skipped blocks for each target, over the positions up to its own. */
export function skipGraphOperations(shape: Shape, tokens: number, transitions: readonly SkippedBlocks[]): number {
  return transitions.reduce(
    (sum, { source, target, targets }) =>
      sum + targets.reduce((all, token) => all + (target - source) * blockBackwardOperations(shape, token + 1), 0),
    attributionOperations(shape, tokens),
  );
}

/** Greedy completions: each prompt forward, then a step for each new token but the last, over the tokens before it. */
export function decodeOperations(shape: Shape, prompts: readonly number[], newTokens: readonly number[]): number {
  return prompts.reduce((sum, tokens, index) => {
    let all = sum + forwardOperations(shape, tokens);
    for (let at = tokens; at < tokens + (newTokens[index] as number) - 1; at++) {
      const step = 2 * blockWeights(shape) + 4 * shape.heads * shape.headDimension * (at + 1);
      all += shape.layers * step + matmulOperations(1, shape.vocabulary, shape.hidden);
    }
    return all;
  }, 0);
}
