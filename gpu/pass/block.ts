/**
 * A block as a list of operations, built from its family's row (gpu/model/architectures.ts) and its layer's shape; and
 * the folds over the list: bytes of states and gradients, floating point operations.
 */
import { columns4, PANEL } from "../kernels/panels.ts";
import { rowOf } from "../model/architectures.ts";
import type { LayerMlp, ModelConfig } from "../model/config.ts";
import type { Counted, Operation, Slot } from "./operation.ts";
import { type Attention, makeAttention } from "./operations/attention.ts";
import { type Heads, headWidths, makeHeads } from "./operations/heads.ts";
import { type Linear, makeLinear } from "./operations/linear.ts";
import { makeExperts } from "./operations/experts.ts";
import { makeDense, type Mlp } from "./operations/mlp.ts";
import { makeNorm, type Norm } from "./operations/norm.ts";

export interface Block {
  /** Attention and MLP read the same input, and both write to the same stream. */
  readonly isParallel: boolean;
  readonly attentionIn: Norm | null;
  readonly queryKeyValue: Linear;
  readonly heads: Heads;
  readonly attention: Attention;
  readonly output: Linear;
  readonly attentionOut: Norm | null;
  readonly mlpIn: Norm | null;
  readonly mlp: Mlp;
  readonly mlpOut: Norm | null;
  /** All of them, in order. */
  readonly operations: readonly Operation[];
}

/**
 * Whether what a block's q, k and v are for a residual stream of 0 is not 0: by biases, by the norm before them, or by
 * learned positions. Such a part gets no relevance.
 */
export function hasConstants(config: ModelConfig, layer: number): boolean {
  const { tensors: { norms, positions }, norm } = rowOf(config.architecture);
  const addsPositions = layer === 0 && positions !== undefined;
  return config.biases.queryKeyValue || (norm === "layer" && norms.attentionIn !== undefined) || addsPositions;
}

/** Blocks of a config; layers whose MLPs are alike share one. */
const known = new WeakMap<ModelConfig, Map<LayerMlp, Block>>();

/** The operations of a layer's block. */
export function blockOf(config: ModelConfig, layer: number): Block {
  const blocks = known.get(config) ?? new Map<LayerMlp, Block>();
  known.set(config, blocks);
  const mlp = config.mlp[layer] as LayerMlp;
  const block = blocks.get(mlp) ?? makeBlock(config, mlp);
  blocks.set(mlp, block);
  return block;
}

function makeBlock(config: ModelConfig, layerMlp: LayerMlp): Block {
  const { tensors: { norms }, norm, headNorms } = rowOf(config.architecture);
  const { hidden, heads, keyValueHeads, headDimension, biases } = config;
  const normAt = (part: "attentionIn" | "attentionOut" | "mlpIn" | "mlpOut") =>
    norms[part] === undefined ? null : makeNorm(config, norm, part);
  const parts = {
    attentionIn: normAt("attentionIn"),
    queryKeyValue: makeLinear("queryKeyValue", {
      rows: (heads + 2 * keyValueHeads) * headDimension,
      columns: hidden,
      bias: biases.queryKeyValue ? "queryKeyValueBias" : null,
    }),
    heads: makeHeads(config, headNorms),
    attention: makeAttention(config),
    output: makeLinear("output", {
      rows: hidden,
      columns: heads * headDimension,
      bias: biases.output ? "outputBias" : null,
    }),
    attentionOut: normAt("attentionOut"),
    mlpIn: normAt("mlpIn"),
    mlp: layerMlp.kind === "experts" ? makeExperts(config, layerMlp) : makeDense(config, layerMlp),
    mlpOut: normAt("mlpOut"),
  };
  const { mlp, ...single } = parts;
  return {
    ...parts,
    isParallel: config.isParallel,
    operations: [...Object.values(single).filter((operation) => operation !== null), ...mlp.operations],
  };
}

const layersOf = ({ layers }: ModelConfig) => Array.from({ length: layers }, (_, layer) => layer);

/** Every different block of a config. */
const kindsOf = (config: ModelConfig): readonly Block[] => [
  ...new Set(layersOf(config).map((layer) => blockOf(config, layer))),
];

/** Slots by name; of several the one that takes the most, so that blocks of different kinds share buffers. */
function merged(slots: readonly Slot[]): readonly Slot[] {
  const found = new Map<string, Slot>();
  for (const slot of slots) {
    const other = found.get(slot.name);
    if (!other || other.bytes(PANEL) < slot.bytes(PANEL)) found.set(slot.name, slot);
  }
  return [...found.values()];
}

const slotsOf = (config: ModelConfig, which: "state" | "scratch" | "gradients") =>
  merged(kindsOf(config).flatMap(({ operations }) => operations.flatMap((operation) => operation[which])));

/** What a block's state holds besides its input and its middle, so that it serves every block. */
export const stateSlots = (config: ModelConfig): readonly Slot[] => slotsOf(config, "state");
export const scratchSlots = (config: ModelConfig): readonly Slot[] => slotsOf(config, "scratch");
export const gradientSlots = (config: ModelConfig): readonly Slot[] => slotsOf(config, "gradients");

const bytesOf = (slots: readonly Slot[], rows: number) => slots.reduce((sum, { bytes }) => sum + bytes(rows), 0);

/** Device bytes of one block's state over `rows` rows, its input left out. */
export function blockStateBytes(config: ModelConfig, rows: number): number {
  const padded = Math.ceil(rows / PANEL) * PANEL;
  return 16 * padded * columns4(config.hidden) + bytesOf(stateSlots(config), padded);
}

/** Device bytes of a GradientSpace but for its blocks of scores, for each row of each target. */
export const gradientRowBytes = (config: ModelConfig): number =>
  16 * columns4(config.hidden) + bytesOf(gradientSlots(config), PANEL) / PANEL;

/** The most bytes that one buffer of a pass takes for each row. */
export const widestRowBytes = (config: ModelConfig): number =>
  Math.max(16 * columns4(config.hidden), ...gradientSlots(config).map(({ bytes }) => bytes(PANEL) / PANEL));

/** Floating point operations of a block's forward pass; a multiplication and an addition are two. */
export function countedOf(config: ModelConfig, layer: number): Counted {
  const { operations } = blockOf(config, layer);
  return {
    perToken: operations.reduce((sum, { counted }) => sum + counted.perToken, 0),
    perScore: operations.reduce((sum, { counted }) => sum + counted.perScore, 0),
  };
}

/** The same of all blocks together. */
export function countedOfAll(config: ModelConfig): Counted {
  const all = layersOf(config).map((layer) => countedOf(config, layer));
  return {
    perToken: all.reduce((sum, { perToken }) => sum + perToken, 0),
    perScore: all.reduce((sum, { perScore }) => sum + perScore, 0),
  };
}

/** Columns of a row of a block's projections. */
export const projectionColumns = (config: ModelConfig): number => headWidths(config).queryKeyValue;
