/**
 * A model of machines: what an operation has to move and to compute, and so the least time that it can take on a chip whose
 * memory and arithmetic are known. Operations are those of operations.ts; bytes are what cannot stay on the chip: weights
 * once a pass, a block's state written once and read once, gradients likewise, keys and values of a decoding step.
 * Scores and probabilities of attention count nothing: they need not leave the chip.
 */
import type { ModelConfig } from "../../gpu/model/config.ts";
import { headColumns } from "../../gpu/model/config.ts";
import { blockStateBytes, countedOfAll, gradientRowBytes } from "../../gpu/pass/block.ts";
import {
  attentionOperations,
  attributionOperations,
  blockWeights,
  decodeOperations,
  forwardOperations,
  matmulOperations,
} from "./operations.ts";

export interface Chip {
  readonly name: string;
  /** Bytes a second. */
  readonly bandwidth: number;
  /** Operations a second on float32, and on the matrix units from 16 bits to float32 sums, without sparsity. */
  readonly f32: number;
  readonly matrix: number;
  /** Where the numbers are from. */
  readonly source: string;
}

export const CHIPS: readonly Chip[] = [
  {
    name: "H200",
    bandwidth: 4.8e12,
    f32: 67e12,
    matrix: 989e12,
    source: "NVIDIA's data sheet of the H200 SXM (its 1,979 of bf16 are with sparsity)",
  },
  {
    name: "RTX 4090",
    bandwidth: 1.008e12,
    f32: 82.6e12,
    matrix: 165.2e12,
    source: "NVIDIA's Ada white paper, f16 with float32 sums",
  },
  {
    name: "M3 Max",
    bandwidth: 400e9,
    f32: 14.3e12,
    matrix: 14.3e12,
    source: "Apple's 400 GB/s; 40 cores x 128 lanes x 2 x 1.4 GHz, which Apple does not publish",
  },
  {
    name: "Arc B580",
    bandwidth: 456e9,
    f32: 13.7e12,
    matrix: 109e12,
    source: "Intel's 456 GB/s; 20 cores x 128 lanes x 2 and 160 matrix engines x 256 at its 2.67 GHz",
  },
];

export interface Cost {
  readonly operations: number;
  readonly bytes: number;
}

/** What bounds an operation on a chip, and the seconds that it takes at least. */
export function leastSeconds({ bandwidth, ...chip }: Chip, { operations, bytes }: Cost, unit: "f32" | "matrix") {
  const computing = operations / chip[unit];
  const moving = bytes / bandwidth;
  return { seconds: Math.max(computing, moving), bound: computing > moving ? "operations" as const : "bytes" as const };
}

const FLOAT = 4;

/** C [m, n] = A [m, k] W^T of weights that take so many bytes each. */
export const productCost = (m: number, n: number, k: number, weightBytes: number): Cost => ({
  operations: matmulOperations(m, n, k),
  bytes: weightBytes * n * k + FLOAT * m * (n + k),
});

/** One block's attention: q, k and v are read, and what the heads write is written. */
export function attentionCost(config: ModelConfig, tokens: number): Cost {
  const { heads, keyValueHeads } = config;
  return {
    operations: attentionOperations(config, tokens),
    bytes: FLOAT * tokens * 2 * (heads + keyValueHeads) * headColumns(config),
  };
}

/** All blocks and the logits of the last token: weights are read once, every node layer is written and read. */
export function forwardCost(config: ModelConfig, tokens: number, weightBytes: number): Cost {
  const { layers, vocabulary, hidden } = config;
  return {
    operations: forwardOperations(config, tokens),
    bytes: weightBytes * (blockWeights(config) + vocabulary * hidden) + 2 * FLOAT * layers * tokens * hidden,
  };
}

/** Greedy completions side by side: prompts forward together, then steps in which all weights are read once. */
export function completionsCost(
  config: ModelConfig,
  prompts: readonly number[],
  newTokens: readonly number[],
  weightBytes: number,
): Cost {
  const tokens = prompts.reduce((sum, length) => sum + length, 0);
  let { bytes } = forwardCost(config, tokens, weightBytes);
  for (let step = 0; step < Math.max(...newTokens) - 1; step++) {
    bytes += decodingCost(config, prompts.length, tokens / prompts.length + step + 1, weightBytes).bytes;
  }
  return { operations: decodeOperations(config, prompts, newTokens), bytes };
}

/** Forward and backward over several prompts of so many tokens at once; the graph of adjacent layers costs the same. */
export function attributionCost(config: ModelConfig, tokens: number, weightBytes: number, prompts = 1): Cost {
  const rows = tokens * prompts;
  return {
    operations: prompts * attributionOperations(config, tokens),
    bytes: 2 * weightBytes * blockWeights(config) +
      2 * config.layers * (blockStateBytes(config, rows) + gradientRowBytes(config) * rows),
  };
}

/** One decoding step of so many sequences, each after `context` tokens: a new token of each. */
export function decodingCost(config: ModelConfig, sequences: number, context: number, weightBytes: number): Cost {
  const { perToken, perScore } = countedOfAll(config);
  const { layers, keyValueHeads, vocabulary, hidden } = config;
  return {
    operations: sequences * (perToken + perScore * context + matmulOperations(1, vocabulary, hidden)),
    bytes: weightBytes * (blockWeights(config) + vocabulary * hidden) +
      sequences * context * layers * 2 * keyValueHeads * headColumns(config) * FLOAT,
  };
}
