/**
 * The floating point operations that each measurement is counted with, in one place: a multiplication and an addition
 * are two. Counted is what the mathematics needs, not what an implementation does: masked pairs of the causal attention,
 * padding, states that are computed again, norms, softmax and pruning count nothing.
 */
import type { ModelConfig } from "../../gpu/model/config.ts";
import { countedOfAll } from "../../gpu/pass/block.ts";

/** C [m, n] = A [m, k] B. */
export const matmulOperations = (m: number, n: number, k: number): number => 2 * m * n * k;

/** Elements of all blocks' matrices that a token meets. */
export const blockWeights = (config: ModelConfig): number => countedOfAll(config).perToken / 2;

/** One product over the visible (query, key) pairs of all heads of all blocks. */
function pairProducts(config: ModelConfig, tokens: number): number {
  return countedOfAll(config).perScore / 2 * tokens * (tokens + 1) / 2;
}

/** The scores of one block and their product with v. */
export const attentionOperations = (config: ModelConfig, tokens: number): number =>
  2 * pairProducts(config, tokens) / config.layers;

/** dP, dq, dk and dv. */
const attentionBackwardOperations = (config: ModelConfig, tokens: number): number => 4 * pairProducts(config, tokens);

const blocksForwardOperations = (config: ModelConfig, tokens: number): number =>
  2 * blockWeights(config) * tokens + 2 * pairProducts(config, tokens);

/** Gradients of activations only: weights have none. */
const blocksBackwardOperations = (config: ModelConfig, tokens: number): number =>
  2 * blockWeights(config) * tokens + attentionBackwardOperations(config, tokens);

/** All blocks, and the logits of the last token. */
export function forwardOperations(config: ModelConfig, tokens: number): number {
  return blocksForwardOperations(config, tokens) + matmulOperations(1, config.vocabulary, config.hidden);
}

/** Forward and backward through all blocks. A graph of adjacent layers counts the same: its edges cost no product. */
export function attributionOperations(config: ModelConfig, tokens: number): number {
  return blocksForwardOperations(config, tokens) + blocksBackwardOperations(config, tokens);
}

/** A transition that skips blocks, and the tokens of its target layer that have edges. */
export interface SkippedBlocks {
  readonly source: number;
  readonly target: number;
  readonly targets: readonly number[];
}

/** An attribution, and a backward pass through the skipped blocks for each target, over the positions up to its own. */
export function skipGraphOperations(
  config: ModelConfig,
  tokens: number,
  transitions: readonly SkippedBlocks[],
): number {
  return transitions.reduce(
    (sum, { source, target, targets }) =>
      sum + targets.reduce(
        (all, token) => all + (target - source) / config.layers * blocksBackwardOperations(config, token + 1),
        0,
      ),
    attributionOperations(config, tokens),
  );
}

/** Greedy completions: each prompt forward, then a step for each new token but the last, over the tokens before it. */
export function decodeOperations(
  config: ModelConfig,
  prompts: readonly number[],
  newTokens: readonly number[],
): number {
  return prompts.reduce((sum, tokens, index) => {
    let all = sum + forwardOperations(config, tokens);
    for (let at = tokens; at < tokens + (newTokens[index] as number) - 1; at++) {
      const { perToken, perScore } = countedOfAll(config);
      all += perToken + perScore * (at + 1) + matmulOperations(1, config.vocabulary, config.hidden);
    }
    return all;
  }, 0);
}
