/**
 * What a block is made of. An operation is one object: the weights it reads, the bytes of what it keeps for its backward
 * pass and of its gradients, its floating point operations counted, and (in its own type) forward and backward by rule.
 * A block is a list of them (block.ts); loading, memory, pacing and benchmarks are folds over the list.
 */
import type { Device } from "../device/device.ts";
import type { Rule } from "../engine.ts";
import type { TileTable } from "../kernels/attention.ts";
import type { NormRule } from "../kernels/norm.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import type { ScoreBlock } from "../kernels/softmax.ts";
import type { LayerAttention, ModelConfig } from "../model/config.ts";
import type { Rotation } from "../model/rotary.ts";
import type { BlockWeights } from "./weights.ts";

/** A buffer that an operation needs for some rows; operations that name the same one share it. */
export interface Slot {
  readonly name: string;
  /** What it holds, for errors. */
  readonly label: string;
  /** Of the widest row, where it is a matrix; 0 else. */
  readonly columns: number;
  /** Bytes for `rows` rows, a multiple of 16. */
  readonly bytes: (rows: number) => number;
}

/** A [rows, columns] matrix. */
export const matrixSlot = (name: string, label: string, columns: number): Slot => ({
  name,
  label,
  columns,
  bytes: (rows) => panelBytes(rows, columns),
});

/** Numbers of each row, [count, rows]. */
export const rowSlot = (name: string, label: string, count: number): Slot => ({
  name,
  label,
  columns: 0,
  bytes: (rows) => panelsOf(rows) * PANEL * 4 * count,
});

/** Floating point operations of a forward pass: for each token, and for each pair of a query and a key. */
export interface Counted {
  readonly perToken: number;
  readonly perScore: number;
}

export interface Operation {
  readonly name: string;
  /** Kept for the backward pass. */
  readonly state: readonly Slot[];
  /** Used in a forward pass by one block after the other. */
  readonly scratch: readonly Slot[];
  /** The same in a backward pass, for each target. */
  readonly gradients: readonly Slot[];
  readonly counted: Counted;
}

export const NOTHING_COUNTED: Counted = { perToken: 0, perScore: 0 };

/** What has slots: a block's state, a workspace, a gradient space. */
export interface Slots {
  readonly slots: ReadonlyMap<string, GPUBuffer>;
}

/** The buffer of a slot; one that was never allocated is a bug. */
export function slot({ slots }: Slots, name: string): GPUBuffer {
  const buffer = slots.get(name);
  if (!buffer) throw new Error(`no buffer for ${name}`);
  return buffer;
}

/** What the backward pass of a block needs from its forward pass. */
export interface BlockState extends Slots {
  /** The node layer before the block, [rows, hidden]. */
  readonly node: GPUBuffer;
  /** What the block reads: the node layer, and learned positions where the first block adds them. */
  readonly input: GPUBuffer;
  /** The input and what the attention writes, [rows, hidden]. */
  readonly middle: GPUBuffer;
}

/** A sequence's place among the rows. */
export interface Sequence {
  /** A multiple of 16. */
  readonly firstRow: number;
  readonly length: number;
}

/** A sequence's score block. */
export interface PlacedBlock extends ScoreBlock {
  /** Row of the sequence's first token. */
  readonly firstRow: number;
}

/** Work space for a pass over `rows` token rows, padding included. */
export interface Workspace extends Slots {
  readonly device: Device;
  readonly config: ModelConfig;
  readonly rows: number;
  /** Rows up to the last token of the last sequence; those after it are padding. */
  readonly usedRows: number;
  readonly sequences: readonly Sequence[];
  /** Position of each row in its sequence, padding at the end left out. */
  readonly positions: readonly number[];
  /** Tiles of the sequences' attention; null on adapters that compute it by blocks of scores. */
  readonly tiles: TileTable | null;
  /** Angles of rotary embedding, as rotate.wgsl reads them. */
  angles(rotation: Rotation): GPUBuffer;
  /** Blocks into which a layer's scores are cut. */
  scoreBlocks(attention: LayerAttention): readonly PlacedBlock[];
  /** What a score block needs; allocated when it is asked for first. */
  readonly blockSlots: () => Slots;
  /** A zeroed [rows, columns] matrix of the workspace. */
  allocate(columns: number, label: string): GPUBuffer;
  /** Makes the workspace the owner of a buffer. */
  adopt(buffer: GPUBuffer): GPUBuffer;
  /** A state for a block, to be kept or used again. `node` is the caller's. */
  blockState(node: GPUBuffer): BlockState;
  /** Frees all that the workspace allocated. */
  free(): void;
}

/**
 * Work space of backward passes: several gradients (targets) over the first `rows` rows of a workspace, that share its
 * block states. Matrices are [targets, rows, ...], one target's panels after the other's.
 */
export interface GradientSpace extends Slots {
  readonly workspace: Workspace;
  readonly targets: number;
  /** Rows of each target; a multiple of 16. */
  readonly rows: number;
  /** Tiles of the sequences' attention, cut off at `rows`; null on adapters that compute it by blocks of scores. */
  readonly tiles: TileTable | null;
  scoreBlocks(attention: LayerAttention): readonly PlacedBlock[];
  /** What a score block needs for all targets; allocated when it is asked for first. */
  readonly blockSlots: () => Slots;
  /** A zeroed [targets, rows, columns] matrix, owned by this space. */
  allocate(columns: number, label: string): GPUBuffer;
  /** Frees all that the space allocated, before the workspace would. */
  free(): void;
}

/** Rows of a product over all targets; rows of padding behind the last token are left out where they can be. */
export const gradientRows = ({ workspace: { usedRows }, targets, rows }: GradientSpace): number =>
  targets === 1 ? Math.min(rows, usedRows) : targets * rows;

export const normRule = (rule: Rule): NormRule => rule === "gradient" ? "exact" : "constant";

/** Where an operation of a block works: the block's weights and state. */
export interface Place {
  readonly weights: BlockWeights;
  readonly state: BlockState;
}
