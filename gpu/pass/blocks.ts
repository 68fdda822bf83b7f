/**
 * One transformer block on the device, forward and backward by a rule (method.md section 2), for several sequences laid
 * one after the other in one matrix of rows. Each sequence starts at a whole panel and has score blocks of its own, so
 * every sum runs over the same numbers in the same order as when the sequence is alone: packing changes no bit.
 */
import type { Device } from "../device/dawn.ts";
import type { Rule } from "../engine.ts";
import { heads, matmul, matmulTransposed, type Operand, whole } from "../kernels/matmul.ts";
import { type NormRule, rmsNorm, rmsNormBackward } from "../kernels/norm.ts";
import { moveRows } from "../kernels/row-moves.ts";
import { normSlices, rotate, rotateBackward, rotationAngles } from "../kernels/rotate.ts";
import { type ScoreBlock, softmax, softmaxBackward } from "../kernels/softmax.ts";
import { swiglu, swigluBackward } from "../kernels/swiglu.ts";
import type { LayerAttention, ModelConfig } from "../model/config.ts";
import type { Rotation } from "../model/rotary.ts";
import { columns4, PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import type { BlockWeights, WeightMatrix } from "./weights.ts";

/** What the backward pass of a block needs from its forward pass. All [rows, ...]. */
export interface BlockState {
  /** Residual stream before the block, [rows, hidden]. */
  readonly input: GPUBuffer;
  /** Residual stream between attention and MLP. */
  readonly middle: GPUBuffer;
  /** What the block's two norms run over, and 1 / RMS of it, [rows]. */
  readonly attentionNormed: GPUBuffer;
  readonly attentionScale: GPUBuffer;
  readonly mlpNormed: GPUBuffer;
  readonly mlpScale: GPUBuffer;
  /** Projections before the head norms, [rows, q | k | v]. */
  readonly queryKeyValue: GPUBuffer;
  /** Normed and rotated, [rows, q | k]. */
  readonly rotated: GPUBuffer;
  /** 1 / RMS of q and k, [slices, rows]. */
  readonly headScale: GPUBuffer;
  /** [rows, gate | up] */
  readonly gateUp: GPUBuffer;
}

/** Buffers that the forward passes of all blocks use in turn. */
interface Scratch {
  readonly hidden: GPUBuffer;
  readonly attention: GPUBuffer;
  readonly inner: GPUBuffer;
  /** P of one score block, [heads, queries, keys]. */
  readonly probability: GPUBuffer;
}

/**
 * Work space of backward passes: several gradients (targets) over the first `rows` rows of a workspace, that share its
 * block states. Matrices are [targets, rows, ...], one target's panels after the other's.
 */
export interface GradientSpace {
  readonly workspace: Workspace;
  readonly targets: number;
  /** Rows of each target; a multiple of 16. */
  readonly rows: number;
  scoreBlocks(attention: LayerAttention): readonly PlacedBlock[];
  readonly hidden: GPUBuffer;
  /** Gradient of the attention's output, before its projection. */
  readonly attention: GPUBuffer;
  readonly inner: GPUBuffer;
  readonly rotated: GPUBuffer;
  readonly queryKeyValue: GPUBuffer;
  readonly gateUp: GPUBuffer;
  /** dP and dS of one score block, [targets, heads, queries, keys]. dS carries the scale of the scores. */
  readonly probability: GPUBuffer;
  readonly scores: GPUBuffer;
  /** A zeroed [targets, rows, columns] matrix, owned by this space. */
  allocate(columns: number, label: string): GPUBuffer;
  /** Frees all that the space allocated, before the workspace would. */
  free(): void;
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
export interface Workspace {
  readonly device: Device;
  readonly config: ModelConfig;
  readonly rows: number;
  /** Rows up to the last token of the last sequence; those after it are padding. */
  readonly usedRows: number;
  readonly sequences: readonly Sequence[];
  /** Angles of rotary embedding, as rotate.wgsl reads them. */
  angles(rotation: Rotation): GPUBuffer;
  /** Gives the first rows other positions than those in their sequences. */
  setPositions(positions: readonly number[]): void;
  /** Blocks into which a layer's scores are cut. */
  scoreBlocks(attention: LayerAttention): readonly PlacedBlock[];
  readonly scratch: Scratch;
  /** A zeroed [rows, columns] matrix of the workspace. */
  allocate(columns: number, label: string): GPUBuffer;
  /** Makes the workspace the owner of a buffer. */
  adopt(buffer: GPUBuffer): GPUBuffer;
  /** A state for one block, to be kept or used again. `input` is the caller's. */
  blockState(input: GPUBuffer): BlockState;
  /** Frees all that the workspace allocated. */
  free(): void;
}

/** Bytes of a block of attention scores over all heads; longer contexts are cut into more blocks. */
const SCORE_BYTES = 64 * 2 ** 20;

/** Factors of the attention's backward pass: dq and dk, then dv. */
const ATTENTION_FACTORS: Readonly<Record<Rule, readonly [number, number]>> = {
  attnlrp: [1 / 4, 1 / 2],
  cplrp: [0, 1],
  gradient: [1, 1],
};

const normRule = (rule: Rule): NormRule => rule === "gradient" ? "exact" : "constant";

const widths = ({ heads: queryHeads, keyValueHeads, headDimension, intermediate }: ModelConfig) => ({
  query: queryHeads * headDimension,
  rotated: (queryHeads + keyValueHeads) * headDimension,
  queryKeyValue: (queryHeads + 2 * keyValueHeads) * headDimension,
  inner: columns4(intermediate) * 4,
});

/** Device bytes of one BlockState over `rows` rows, its input left out. */
export function blockStateBytes(config: ModelConfig, rows: number): number {
  const { rotated, queryKeyValue, inner } = widths(config);
  const hidden = config.blockNorms === "input" ? config.hidden : 3 * config.hidden;
  return panelBytes(rows, hidden + rotated + queryKeyValue + 2 * inner) +
    panelsOf(rows) * PANEL * 4 * (2 + normSlices(config.headNorms, config.heads, config.keyValueHeads));
}

/** Lays out the sequences, given by their lengths, one after the other and allocates the work space. */
export function openWorkspace(device: Device, config: ModelConfig, lengths: readonly number[]): Workspace {
  let rows = 0;
  const sequences = lengths.map((length): Sequence => {
    const firstRow = rows;
    rows += panelsOf(length) * PANEL;
    return { firstRow, length };
  });
  const last = sequences.at(-1);
  const usedRows = last ? last.firstRow + last.length : 0;
  const owned: GPUBuffer[] = [];
  const adopt = (buffer: GPUBuffer) => {
    owned.push(buffer);
    return buffer;
  };
  const allocateBytes = (bytes: number, label: string) => adopt(device.allocate(bytes, label));
  const allocate = (columns: number, label: string) => allocateBytes(panelBytes(rows, columns), label);
  const perRow = (count: number, label: string) => allocateBytes(rows * count * 4, label);
  const free = () => owned.forEach((buffer) => device.free(buffer));
  try {
    const positions = new Float64Array(rows);
    for (const { firstRow, length } of sequences) {
      for (let position = 0; position < length; position++) positions[firstRow + position] = position;
    }
    const rotations = [...new Set(config.attention.map((layer) => layer.rotation))];
    const angles = new Map(
      rotations.map((rotation) => [rotation, allocateBytes(rows * config.headDimension * 4, "rotation angles")]),
    );
    const setPositions = (given: ArrayLike<number>) => {
      for (const [rotation, buffer] of angles) {
        device.write(buffer, 0, rotationAngles(given, rotation, config.headDimension));
      }
    };
    setPositions(positions);

    const { query, rotated, queryKeyValue, inner } = widths(config);
    const scoreBlocks = cutByWindow(
      config,
      (window) => sequences.flatMap((sequence) => cutScores(config.heads, sequence, window)),
    );
    const scratch: Scratch = {
      hidden: allocate(config.hidden, "normed rows"),
      attention: allocate(query, "attention output"),
      inner: allocate(inner, "MLP inner"),
      probability: allocateBytes(scoreBytes([...scoreBlocks.values()].flat()), "attention probabilities"),
    };
    return {
      device,
      config,
      rows,
      usedRows,
      sequences,
      angles: (rotation) => angles.get(rotation) as GPUBuffer,
      setPositions,
      scoreBlocks: ({ window }) => scoreBlocks.get(window) as PlacedBlock[],
      scratch,
      allocate,
      adopt,
      blockState(input) {
        const middle = allocate(config.hidden, "middle rows");
        const isPreNorm = config.blockNorms === "input";
        return {
          input,
          middle,
          attentionNormed: isPreNorm ? input : allocate(config.hidden, "attention's output"),
          attentionScale: perRow(1, "attention norm's scale"),
          mlpNormed: isPreNorm ? middle : allocate(config.hidden, "MLP's output"),
          mlpScale: perRow(1, "MLP norm's scale"),
          queryKeyValue: allocate(queryKeyValue, "q, k and v"),
          rotated: allocate(rotated, "rotated q and k"),
          headScale: perRow(normSlices(config.headNorms, config.heads, config.keyValueHeads), "head scales"),
          gateUp: allocate(2 * inner, "gate and up"),
        };
      },
      free,
    };
  } catch (error) {
    free();
    throw error;
  }
}

const scoreBytes = (blocks: readonly ScoreBlock[]) =>
  Math.max(...blocks.map(({ heads, queries, keys }) => heads * panelBytes(queries, keys)));

/** Allocates the work space of a backward pass of all rows, one gradient; freed with the workspace. */
export function openGradientSpace(workspace: Workspace): GradientSpace {
  return allocateGradients(
    workspace,
    1,
    workspace.rows,
    new Map(workspace.config.attention.map((layer) => [layer.window, workspace.scoreBlocks(layer)])),
  );
}

/**
 * Allocates the work space for several targets over the first `rows` rows of a workspace of one sequence. Blocks of scores
 * are those of a single target, so that every sum is that of the target alone.
 */
export function openTargetSpace(workspace: Workspace, targets: number, rows: number): GradientSpace {
  const [sequence, another] = workspace.sequences;
  if (!sequence || another) throw new Error("targets are packed over one sequence");
  const length = Math.min(rows, sequence.length);
  const { config } = workspace;
  const cut = (window: number | null) => cutScores(config.heads, { firstRow: 0, length }, window);
  return allocateGradients(workspace, targets, rows, cutByWindow(config, cut));
}

/** Scores of one head that are computed for a sequence, hidden ones in its blocks included. */
export function scoreCells({ heads }: ModelConfig, length: number, window: number | null): number {
  return cutScores(heads, { firstRow: 0, length }, window).reduce((sum, { queries, keys }) => sum + queries * keys, 0);
}

/** Device bytes of the blocks of scores of a GradientSpace for each target of `length` tokens. */
export function targetScoreBytes(config: ModelConfig, length: number): number {
  const blocks = cutByWindow(config, (window) => cutScores(config.heads, { firstRow: 0, length }, window));
  return 2 * scoreBytes([...blocks.values()].flat());
}

/** Device bytes of a GradientSpace but for its blocks of scores, for each row of each target. */
export function gradientRowBytes(config: ModelConfig): number {
  const { query, rotated, queryKeyValue, inner } = widths(config);
  return 4 * (2 * config.hidden + query + rotated + queryKeyValue + 3 * inner);
}

function allocateGradients(
  workspace: Workspace,
  targets: number,
  rows: number,
  scoreBlocks: ReadonlyMap<number | null, readonly PlacedBlock[]>,
): GradientSpace {
  const { device, config } = workspace;
  const owned: GPUBuffer[] = [];
  const allocateBytes = (bytes: number, label: string) => {
    const buffer = workspace.adopt(device.allocate(bytes, label));
    owned.push(buffer);
    return buffer;
  };
  const allocate = (columns: number, label: string) => allocateBytes(panelBytes(targets * rows, columns), label);
  const free = () => owned.forEach((buffer) => device.free(buffer));
  const { query, rotated, queryKeyValue, inner } = widths(config);
  const blockBytes = targets * scoreBytes([...scoreBlocks.values()].flat());
  try {
    return {
      workspace,
      targets,
      rows,
      scoreBlocks: ({ window }) => scoreBlocks.get(window) as readonly PlacedBlock[],
      hidden: allocate(config.hidden, "gradient of normed rows"),
      attention: allocate(query, "gradient of the attention output"),
      inner: allocate(inner, "gradient of the MLP inner"),
      rotated: allocate(rotated, "gradients of q and k"),
      queryKeyValue: allocate(queryKeyValue, "gradients of q, k and v"),
      gateUp: allocate(2 * inner, "gradients of gate and up"),
      probability: allocateBytes(blockBytes, "gradients of attention probabilities"),
      scores: allocateBytes(blockBytes, "gradients of attention scores"),
      allocate,
      free,
    };
  } catch (error) {
    free();
    throw error;
  }
}

/** Score blocks for each window that the layers have. */
function cutByWindow(
  { attention }: ModelConfig,
  cut: (window: number | null) => PlacedBlock[],
): ReadonlyMap<number | null, PlacedBlock[]> {
  return new Map([...new Set(attention.map(({ window }) => window))].map((window) => [window, cut(window)]));
}

/** Cuts a sequence's score matrices into blocks of query rows, each with the keys that its queries can see. */
function cutScores(
  headCount: number,
  { firstRow, length }: Sequence,
  window: number | null,
): PlacedBlock[] {
  const blocks: PlacedBlock[] = [];
  for (let firstQuery = 0; firstQuery < length;) {
    const firstKey = window === null ? 0 : Math.floor(Math.max(0, firstQuery + 1 - window) / PANEL) * PANEL;
    let end = Math.min(firstQuery + PANEL, length);
    while (end < length) {
      const next = Math.min(end + PANEL, length);
      // Counted in whole panels: a prefix of a sequence is cut where the sequence is, so their sums are the same.
      if (headCount * panelBytes(next - firstQuery, panelsOf(next) * PANEL - firstKey) > SCORE_BYTES) break;
      end = next;
    }
    // Whole panels of keys: the transposed product reads and writes them so.
    const keys = panelsOf(end) * PANEL - firstKey;
    blocks.push({ heads: headCount, firstRow, firstQuery, queries: end - firstQuery, firstKey, keys, window });
    firstQuery = end;
  }
  return blocks;
}

/** Records out [rows, weight.rows] (+)= x [rows, weight.columns] W^T. */
export function project(
  device: Device,
  rows: number,
  x: GPUBuffer,
  weight: WeightMatrix,
  out: GPUBuffer,
  accumulate = false,
): void {
  const stride = columns4(weight.rows);
  for (const { buffer, firstRow, rows: n } of weight.shards) {
    matmul(device, {
      mode: "nt",
      m: rows,
      n,
      k: weight.columns,
      a: whole(x, weight.columns),
      b: { ...whole(buffer, weight.columns), type: weight.type },
      c: { buffer: out, base: firstRow / 4, step: 0, outer: 0, stride },
      accumulate,
    });
  }
}

/** Records out [targets, rows, weight.columns] (+)= gradient [targets, rows, weight.rows] W. */
function projectBack(
  { workspace: { device, usedRows }, targets, rows }: GradientSpace,
  gradient: GPUBuffer,
  weight: WeightMatrix,
  out: GPUBuffer,
  accumulate = false,
): void {
  const stride = columns4(weight.rows);
  for (const { buffer, firstRow, rows: k } of weight.shards) {
    matmul(device, {
      mode: "nn",
      m: targets === 1 ? Math.min(rows, usedRows) : targets * rows,
      n: weight.columns,
      k,
      a: { buffer: gradient, base: firstRow / 4, step: 0, outer: 0, stride },
      b: { ...whole(buffer, weight.columns), type: weight.type },
      c: whole(out, weight.columns),
      accumulate: accumulate || firstRow > 0,
    });
  }
}

/** A block's scores as a batch of matrices, one a head; `shared` where all targets use the same ones. */
function scores(buffer: GPUBuffer, { heads, queries, keys }: ScoreBlock, shared = false): Operand {
  const step = panelsOf(queries) * columns4(keys);
  return { buffer, base: 0, step, outer: shared ? 0 : heads * step, stride: columns4(keys) };
}

/** Records the attention probabilities of a block of queries into scratch.probability. */
function attend(workspace: Workspace, state: BlockState, block: PlacedBlock, bias?: GPUBuffer): void {
  const { probability } = workspace.scratch;
  attentionScores(workspace, state, block, probability);
  const keyBias = bias && { buffer: bias, firstRow: block.firstRow + block.firstKey };
  softmax(workspace.device, block, probability, keyBias);
}

/** Records the scaled scores q k / sqrt(D) of a block of queries, hidden pairs included. */
export function attentionScores(
  { device, config }: Workspace,
  state: BlockState,
  block: PlacedBlock,
  out: GPUBuffer,
): void {
  const { query, rotated } = widths(config);
  const { headDimension } = config;
  matmul(device, {
    mode: "nt",
    m: block.queries,
    n: block.keys,
    k: headDimension,
    batch: config.heads,
    group: config.heads / config.keyValueHeads,
    a: heads(state.rotated, rotated, headDimension, 0, block.firstRow + block.firstQuery),
    b: heads(state.rotated, rotated, headDimension, query, block.firstRow + block.firstKey),
    c: scores(out, block),
    scale: 1 / Math.sqrt(headDimension),
  });
}

/**
 * Records a block's forward pass: state filled from state.input, output [rows, hidden] written. `attention` records
 * scratch.attention [rows, q] from the state's projections; by default every sequence attends to itself.
 */
export function blockForward(
  workspace: Workspace,
  weights: BlockWeights,
  state: BlockState,
  output: GPUBuffer,
  attention: (layer: LayerAttention) => void = () => causalAttention(workspace, weights.attention, state),
): void {
  const { device, config, rows, usedRows, scratch } = workspace;
  const { inner } = widths(config);
  const attentionNorm = {
    rows,
    columns: config.hidden,
    epsilon: config.normEpsilon,
    x: state.attentionNormed,
    weight: weights.attentionNorm,
    r: state.attentionScale,
  };
  const mlpNorm = { ...attentionNorm, x: state.mlpNormed, weight: weights.mlpNorm, r: state.mlpScale };
  const bytes = panelBytes(rows, config.hidden);
  const isPreNorm = config.blockNorms === "input";

  if (isPreNorm) rmsNorm(device, { ...attentionNorm, y: scratch.hidden });
  project(device, usedRows, isPreNorm ? scratch.hidden : state.input, weights.queryKeyValue, state.queryKeyValue);
  rotate(device, {
    ...headArguments(workspace, weights, state),
    epsilon: config.normEpsilon,
    out: state.rotated,
  });
  attention(weights.attention);
  device.copy(state.input, 0, state.middle, 0, bytes);
  if (isPreNorm) project(device, usedRows, scratch.attention, weights.output, state.middle, true);
  else {
    project(device, usedRows, scratch.attention, weights.output, state.attentionNormed);
    rmsNorm(device, { ...attentionNorm, y: state.middle, accumulate: true });
  }

  if (isPreNorm) rmsNorm(device, { ...mlpNorm, y: scratch.hidden });
  project(device, usedRows, isPreNorm ? scratch.hidden : state.middle, weights.gateUp, state.gateUp);
  swiglu(device, rows, inner, state.gateUp, scratch.inner);
  device.copy(state.middle, 0, output, 0, bytes);
  if (isPreNorm) project(device, usedRows, scratch.inner, weights.down, output, true);
  else {
    project(device, usedRows, scratch.inner, weights.down, state.mlpNormed);
    rmsNorm(device, { ...mlpNorm, y: output, accumulate: true });
  }
}

/**
 * Records the attention of every sequence to itself into scratch.attention. `bias` [rows] is added to all scores toward
 * each row.
 */
export function causalAttention(
  workspace: Workspace,
  layer: LayerAttention,
  state: BlockState,
  bias?: GPUBuffer,
): void {
  const { device, config, scratch } = workspace;
  const { headDimension } = config;
  const { query, rotated, queryKeyValue } = widths(config);
  for (const block of workspace.scoreBlocks(layer)) {
    attend(workspace, state, block, bias);
    matmul(device, {
      mode: "nn",
      m: block.queries,
      n: headDimension,
      k: block.keys,
      batch: config.heads,
      group: config.heads / config.keyValueHeads,
      a: scores(scratch.probability, block),
      b: heads(state.queryKeyValue, queryKeyValue, headDimension, rotated, block.firstRow + block.firstKey),
      c: heads(scratch.attention, query, headDimension, 0, block.firstRow + block.firstQuery),
    });
  }
}

function headArguments({ config, rows, angles }: Workspace, weights: BlockWeights, state: BlockState) {
  return {
    rows,
    queryHeads: config.heads,
    keyHeads: config.keyValueHeads,
    headDimension: config.headDimension,
    headNorms: config.headNorms,
    weight: weights.headNorms,
    angles: angles(weights.attention.rotation),
    r: state.headScale,
    x: state.queryKeyValue,
  };
}

/** Records the pull-back of `gradient` [targets, rows, hidden] from a block's output to its input, in place. */
export function blockBackward(
  space: GradientSpace,
  weights: BlockWeights,
  state: BlockState,
  rule: Rule,
  gradient: GPUBuffer,
): void {
  mlpBackward(space, weights, state, rule, gradient);
  attentionBackward(space, weights, state, rule, gradient);
}

/**
 * Records the first half of a block's backward pass: `gradient` goes from the block's output to the residual stream
 * between attention and MLP, in place; the gradient of the attention's output is left in space.attention.
 */
export function mlpBackward(
  space: GradientSpace,
  weights: BlockWeights,
  state: BlockState,
  rule: Rule,
  gradient: GPUBuffer,
): void {
  const { workspace: { device, config } } = space;
  const isPreNorm = config.blockNorms === "input";
  const norm = normBackward(space, rule, weights.mlpNorm, state.mlpNormed, state.mlpScale);
  if (!isPreNorm) rmsNormBackward(device, { ...norm, dy: gradient, g: space.hidden, accumulate: false });
  projectBack(space, isPreNorm ? gradient : space.hidden, weights.down, space.inner);
  innerBackward(space, weights, state, rule, gradient);
  outputBackward(space, weights, state, rule, gradient);
}

/** Records what the gradient of the MLP's neurons (space.inner) adds to the residual stream that the MLP reads. */
export function innerBackward(
  space: GradientSpace,
  weights: BlockWeights,
  state: BlockState,
  rule: Rule,
  gradient: GPUBuffer,
): void {
  const { workspace: { device, config } } = space;
  const isPreNorm = config.blockNorms === "input";
  const norm = normBackward(space, rule, weights.mlpNorm, state.mlpNormed, state.mlpScale);
  const { inner } = widths(config);
  swigluBackward(device, rule, space.rows, inner, state.gateUp, space.inner, space.gateUp, space.targets);
  if (isPreNorm) {
    projectBack(space, space.gateUp, weights.gateUp, space.hidden);
    rmsNormBackward(device, { ...norm, dy: space.hidden, g: gradient, accumulate: true });
  } else projectBack(space, space.gateUp, weights.gateUp, gradient, true);
}

/** Records the gradient of what the heads write (space.attention) from that of the residual stream behind them. */
export function outputBackward(
  space: GradientSpace,
  weights: BlockWeights,
  state: BlockState,
  rule: Rule,
  gradient: GPUBuffer,
): void {
  const { workspace: { device, config } } = space;
  const isPreNorm = config.blockNorms === "input";
  const attentionNorm = normBackward(space, rule, weights.attentionNorm, state.attentionNormed, state.attentionScale);
  if (!isPreNorm) rmsNormBackward(device, { ...attentionNorm, dy: gradient, g: space.hidden, accumulate: false });
  projectBack(space, isPreNorm ? gradient : space.hidden, weights.output, space.attention);
}

/**
 * Records `mlpBackward` for targets whose gradient is zero but for one row each: from `seeds` [targets, hidden], the
 * gradient at row `rows[i]` of the block's output, to `gradient` and space.attention, zero in all other rows; `places[i]`
 * is the target's row there. As the MLP half keeps tokens apart, it runs over these rows only. Buffers come from
 * `allocate`, and `seeds` is overwritten.
 */
export function mlpBackwardOfRows(
  space: GradientSpace,
  weights: BlockWeights,
  state: BlockState,
  rule: Rule,
  { seeds, rows, places, gradient, allocate }: {
    readonly seeds: GPUBuffer;
    readonly rows: GPUBuffer;
    readonly places: GPUBuffer;
    readonly gradient: GPUBuffer;
    readonly allocate: (bytes: number, label: string) => GPUBuffer;
  },
): void {
  const { workspace, targets: count } = space;
  const { device, config } = workspace;
  const { query, inner } = widths(config);
  const compact = (columns: number, label: string) => allocate(panelBytes(count, columns), label);
  const gather = (matrix: GPUBuffer, columns: number, label: string) => {
    const out = compact(columns, label);
    moveRows(device, "gather", count, columns, rows, matrix, out);
    return out;
  };
  const few: GradientSpace = {
    ...space,
    workspace: { ...workspace, usedRows: count },
    targets: 1,
    rows: panelsOf(count) * PANEL,
    hidden: compact(config.hidden, "gradients of targets' normed rows"),
    attention: compact(query, "gradients of targets' attention output"),
    inner: compact(inner, "gradients of targets' MLP inner"),
    gateUp: compact(2 * inner, "gradients of targets' gate and up"),
  };
  const normed = (matrix: GPUBuffer, weight: GPUBuffer) => {
    const x = gather(matrix, config.hidden, "normed rows of targets");
    const r = allocate(panelsOf(count) * PANEL * 4, "scales of targets");
    // The scales come again, to the last bit, with the norm; what it writes besides is overwritten.
    rmsNorm(device, { rows: count, columns: config.hidden, epsilon: config.normEpsilon, x, weight, y: few.hidden, r });
    return { x, r };
  };
  const mlp = normed(state.mlpNormed, weights.mlpNorm);
  const attention = config.blockNorms === "output" ? normed(state.attentionNormed, weights.attentionNorm) : mlp;
  const fewState: BlockState = {
    ...state,
    mlpNormed: mlp.x,
    mlpScale: mlp.r,
    attentionNormed: attention.x,
    attentionScale: attention.r,
    gateUp: gather(state.gateUp, 2 * inner, "targets' gate and up"),
  };
  mlpBackward(few, weights, fewState, rule, seeds);
  device.clear(gradient);
  device.clear(space.attention);
  moveRows(device, "scatter", count, config.hidden, places, seeds, gradient);
  moveRows(device, "scatter", count, query, places, few.attention, space.attention);
}

/** What the pull-back through one of a block's norms does not change from place to place. */
function normBackward(
  { workspace: { config }, targets, rows }: GradientSpace,
  rule: Rule,
  weight: GPUBuffer,
  x: GPUBuffer,
  r: GPUBuffer,
) {
  return { rule: normRule(rule), rows, columns: config.hidden, targets, weight, x, r };
}

/**
 * Records the second half of a block's backward pass, after `mlpBackward`: `gradient` goes to the block's input.
 * `afterScores` is called when P, dP and dS of a score block are recorded, to record more that reads them.
 */
export function attentionBackward(
  space: GradientSpace,
  weights: BlockWeights,
  state: BlockState,
  rule: Rule,
  gradient: GPUBuffer,
  afterScores?: (block: PlacedBlock) => void,
): void {
  projectionsBackward(space, weights, state, rule, afterScores);
  const { device, config } = space.workspace;
  if (config.blockNorms === "output") {
    projectBack(space, space.queryKeyValue, weights.queryKeyValue, gradient, true);
    return;
  }
  projectBack(space, space.queryKeyValue, weights.queryKeyValue, space.hidden);
  rmsNormBackward(device, {
    ...normBackward(space, rule, weights.attentionNorm, state.attentionNormed, state.attentionScale),
    dy: space.hidden,
    g: gradient,
    accumulate: true,
  });
}

/**
 * Records space.queryKeyValue, the gradient of a block's projections before the head norms, from space.attention. Under
 * rules whose norms are linear, its inner product with them and that of the residual stream with the gradient after
 * `mlpBackward` add up to the relevance of the block's input: norm and projection are linear maps of it.
 */
export function projectionsBackward(
  space: GradientSpace,
  weights: BlockWeights,
  state: BlockState,
  rule: Rule,
  afterScores?: (block: PlacedBlock) => void,
): void {
  const { workspace, targets, rows } = space;
  const { device } = workspace;
  const [factor] = ATTENTION_FACTORS[rule];
  device.clear(space.queryKeyValue);
  device.clear(space.rotated);
  for (const block of space.scoreBlocks(weights.attention)) {
    if (factor > 0 || afterScores) scoreGradients(space, state, block);
    else attend(workspace, state, block);
    afterScores?.(block);
    pullScores(space, state, rule, block);
  }
  if (factor > 0) {
    rotateBackward(device, {
      ...headArguments(workspace, weights, state),
      rule: normRule(rule),
      factor,
      targets,
      gradientRows: rows,
      dout: space.rotated,
      dx: space.queryKeyValue,
    });
  }
}

/** Records P (workspace scratch), dP and dS of a score block from the gradient in space.attention. */
export function scoreGradients(space: GradientSpace, state: BlockState, block: PlacedBlock): void {
  const { workspace, targets, rows } = space;
  const { device, config, scratch } = workspace;
  const { query, rotated, queryKeyValue } = widths(config);
  const { headDimension } = config;
  attend(workspace, state, block);
  matmul(device, {
    mode: "nt",
    m: block.queries,
    n: block.keys,
    k: headDimension,
    batch: config.heads,
    outer: targets,
    group: config.heads / config.keyValueHeads,
    a: heads(space.attention, query, headDimension, 0, block.firstRow + block.firstQuery, rows),
    b: heads(state.queryKeyValue, queryKeyValue, headDimension, rotated, block.firstRow + block.firstKey),
    c: scores(space.probability, block),
  });
  softmaxBackward(
    device,
    block,
    scratch.probability,
    space.probability,
    space.scores,
    1 / Math.sqrt(headDimension),
    targets,
  );
}

/** Records a query block's part of dq, dk (space.rotated) and dv (space.queryKeyValue). */
function pullScores(space: GradientSpace, state: BlockState, rule: Rule, block: PlacedBlock): void {
  const { workspace: { device, config, scratch }, targets, rows } = space;
  const { headDimension, heads: queryHeads, keyValueHeads } = config;
  const { query, rotated, queryKeyValue } = widths(config);
  const group = queryHeads / keyValueHeads;
  const [factor, valueFactor] = ATTENTION_FACTORS[rule];
  const firstQuery = block.firstRow + block.firstQuery;
  const firstKey = block.firstRow + block.firstKey;
  matmulTransposed(device, {
    m: block.keys,
    n: headDimension,
    q: block.queries,
    batch: keyValueHeads,
    outer: targets,
    heads: group,
    x: scores(scratch.probability, block, true),
    y: heads(space.attention, query, headDimension, 0, firstQuery, rows),
    c: heads(space.queryKeyValue, queryKeyValue, headDimension, rotated, firstKey, rows),
    scale: valueFactor,
    accumulate: true,
  });
  if (factor === 0) return;
  matmul(device, {
    mode: "nn",
    m: block.queries,
    n: headDimension,
    k: block.keys,
    batch: queryHeads,
    outer: targets,
    group,
    a: scores(space.scores, block),
    b: heads(state.rotated, rotated, headDimension, query, block.firstRow + block.firstKey),
    c: heads(space.rotated, rotated, headDimension, 0, firstQuery, rows),
  });
  matmulTransposed(device, {
    m: block.keys,
    n: headDimension,
    q: block.queries,
    batch: keyValueHeads,
    outer: targets,
    heads: group,
    x: scores(space.scores, block),
    y: heads(state.rotated, rotated, headDimension, 0, firstQuery),
    c: heads(space.rotated, rotated, headDimension, query, firstKey, rows),
    accumulate: true,
  });
}
