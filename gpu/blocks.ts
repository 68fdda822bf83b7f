/**
 * One transformer block on the device, forward and backward by a rule (method.md section 2), for several sequences laid
 * one after the other in one matrix of rows. Each sequence starts at a whole panel and has score blocks of its own, so
 * every sum runs over the same numbers in the same order as when the sequence is alone: packing changes no bit.
 */
import type { Device } from "./dawn.ts";
import type { Rule } from "./engine.ts";
import { heads, matmul, matmulTransposed, type Operand, whole } from "./kernels/matmul.ts";
import { type NormRule, rmsNorm, rmsNormBackward } from "./kernels/norm.ts";
import { rotate, rotateBackward, rotationAngles } from "./kernels/rotate.ts";
import { type ScoreBlock, softmax, softmaxBackward } from "./kernels/softmax.ts";
import { swiglu, swigluBackward } from "./kernels/swiglu.ts";
import type { ModelConfig } from "./model/config.ts";
import { columns4, PANEL, panelBytes, panelsOf } from "./panels.ts";
import type { BlockWeights, WeightMatrix } from "./weights.ts";

/** What the backward pass of a block needs from its forward pass. All [rows, ...]. */
export interface BlockState {
  /** Residual stream before the block, [rows, hidden]. */
  readonly input: GPUBuffer;
  /** Residual stream between attention and MLP. */
  readonly middle: GPUBuffer;
  /** 1 / RMS of `input` and of `middle`, [rows]. */
  readonly inputScale: GPUBuffer;
  readonly middleScale: GPUBuffer;
  /** Projections before the head norms, [rows, q | k | v]. */
  readonly queryKeyValue: GPUBuffer;
  /** Normed and rotated, [rows, q | k]. */
  readonly rotated: GPUBuffer;
  /** 1 / RMS of each q and k head, [heads, rows]. */
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
  readonly scoreBlocks: readonly PlacedBlock[];
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
  readonly sequences: readonly Sequence[];
  readonly angles: GPUBuffer;
  readonly scoreBlocks: readonly PlacedBlock[];
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
  return panelBytes(rows, config.hidden + rotated + queryKeyValue + 2 * inner) +
    panelsOf(rows) * PANEL * 4 * (2 + config.heads + config.keyValueHeads);
}

/** Lays out the sequences, given by their lengths, one after the other and allocates the work space. */
export function openWorkspace(device: Device, config: ModelConfig, lengths: readonly number[]): Workspace {
  let rows = 0;
  const sequences = lengths.map((length): Sequence => {
    const firstRow = rows;
    rows += panelsOf(length) * PANEL;
    return { firstRow, length };
  });
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
    const angleValues = rotationAngles(positions, config.ropeTheta, config.headDimension);
    const angles = allocateBytes(angleValues.byteLength, "rotation angles");
    device.write(angles, 0, angleValues);

    const { query, rotated, queryKeyValue, inner } = widths(config);
    const scoreBlocks = sequences.flatMap((sequence) => cutScores(config.heads, sequence));
    const scratch: Scratch = {
      hidden: allocate(config.hidden, "normed rows"),
      attention: allocate(query, "attention output"),
      inner: allocate(inner, "MLP inner"),
      probability: allocateBytes(scoreBytes(scoreBlocks), "attention probabilities"),
    };
    return {
      device,
      config,
      rows,
      sequences,
      angles,
      scoreBlocks,
      scratch,
      allocate,
      adopt,
      blockState: (input) => ({
        input,
        middle: allocate(config.hidden, "middle rows"),
        inputScale: perRow(1, "input scale"),
        middleScale: perRow(1, "middle scale"),
        queryKeyValue: allocate(queryKeyValue, "q, k and v"),
        rotated: allocate(rotated, "rotated q and k"),
        headScale: perRow(config.heads + config.keyValueHeads, "head scales"),
        gateUp: allocate(2 * inner, "gate and up"),
      }),
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
  return allocateGradients(workspace, 1, workspace.rows, workspace.scoreBlocks);
}

/** Allocates the work space for several targets over the first `rows` rows of a workspace of one sequence. */
export function openTargetSpace(workspace: Workspace, targets: number, rows: number): GradientSpace {
  const [sequence, another] = workspace.sequences;
  if (!sequence || another) throw new Error("targets are packed over one sequence");
  const length = Math.min(rows, sequence.length);
  return allocateGradients(
    workspace,
    targets,
    rows,
    cutScores(workspace.config.heads, { firstRow: 0, length }, targets),
  );
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
  scoreBlocks: readonly PlacedBlock[],
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
  try {
    return {
      workspace,
      targets,
      rows,
      scoreBlocks,
      hidden: allocate(config.hidden, "gradient of normed rows"),
      attention: allocate(query, "gradient of the attention output"),
      inner: allocate(inner, "gradient of the MLP inner"),
      rotated: allocate(rotated, "gradients of q and k"),
      queryKeyValue: allocate(queryKeyValue, "gradients of q, k and v"),
      gateUp: allocate(2 * inner, "gradients of gate and up"),
      probability: allocateBytes(targets * scoreBytes(scoreBlocks), "gradients of attention probabilities"),
      scores: allocateBytes(targets * scoreBytes(scoreBlocks), "gradients of attention scores"),
      allocate,
      free,
    };
  } catch (error) {
    free();
    throw error;
  }
}

/** Cuts a sequence's score matrices into blocks of query rows, each with the keys that its queries can see. */
function cutScores(headCount: number, { firstRow, length }: Sequence, targets = 1): PlacedBlock[] {
  const blocks: PlacedBlock[] = [];
  for (let firstQuery = 0; firstQuery < length;) {
    let end = Math.min(firstQuery + PANEL, length);
    while (end < length) {
      const next = Math.min(end + PANEL, length);
      if (targets * headCount * panelBytes(next - firstQuery, next) > SCORE_BYTES) break;
      end = next;
    }
    // Whole panels of keys: the transposed product reads and writes them so.
    const keys = panelsOf(end) * PANEL;
    blocks.push({ heads: headCount, firstRow, firstQuery, queries: end - firstQuery, keys });
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
  { workspace: { device }, targets, rows }: GradientSpace,
  gradient: GPUBuffer,
  weight: WeightMatrix,
  out: GPUBuffer,
  accumulate = false,
): void {
  const stride = columns4(weight.rows);
  for (const { buffer, firstRow, rows: k } of weight.shards) {
    matmul(device, {
      mode: "nn",
      m: targets * rows,
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

const bytesOf = (workspace: Workspace) => panelBytes(workspace.rows, workspace.config.hidden);

/** Records the attention probabilities of a block of queries into scratch.probability. */
function attend(workspace: Workspace, state: BlockState, block: PlacedBlock): void {
  const { probability } = workspace.scratch;
  attentionScores(workspace, state, block, probability);
  softmax(workspace.device, block, probability);
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
    b: heads(state.rotated, rotated, headDimension, query, block.firstRow),
    c: scores(out, block),
    scale: 1 / Math.sqrt(headDimension),
  });
}

/** Records a block's forward pass: state filled from state.input, output [rows, hidden] written. */
export function blockForward(workspace: Workspace, weights: BlockWeights, state: BlockState, output: GPUBuffer): void {
  const { device, config, rows, scratch } = workspace;
  const { hidden: columns, normEpsilon: epsilon, headDimension } = config;
  const { query, rotated, queryKeyValue, inner } = widths(config);

  rmsNorm(device, {
    rows,
    columns,
    epsilon,
    x: state.input,
    weight: weights.attentionNorm,
    y: scratch.hidden,
    r: state.inputScale,
  });
  project(device, rows, scratch.hidden, weights.queryKeyValue, state.queryKeyValue);
  rotate(device, { ...headArguments(workspace, weights, state), epsilon, out: state.rotated });
  for (const block of workspace.scoreBlocks) {
    attend(workspace, state, block);
    matmul(device, {
      mode: "nn",
      m: block.queries,
      n: headDimension,
      k: block.keys,
      batch: config.heads,
      group: config.heads / config.keyValueHeads,
      a: scores(scratch.probability, block),
      b: heads(state.queryKeyValue, queryKeyValue, headDimension, rotated, block.firstRow),
      c: heads(scratch.attention, query, headDimension, 0, block.firstRow + block.firstQuery),
    });
  }
  device.copy(state.input, 0, state.middle, 0, bytesOf(workspace));
  project(device, rows, scratch.attention, weights.output, state.middle, true);

  rmsNorm(device, {
    rows,
    columns,
    epsilon,
    x: state.middle,
    weight: weights.mlpNorm,
    y: scratch.hidden,
    r: state.middleScale,
  });
  project(device, rows, scratch.hidden, weights.gateUp, state.gateUp);
  swiglu(device, rows, inner, state.gateUp, scratch.inner);
  device.copy(state.middle, 0, output, 0, bytesOf(workspace));
  project(device, rows, scratch.inner, weights.down, output, true);
}

function headArguments({ config, rows, angles }: Workspace, weights: BlockWeights, state: BlockState) {
  return {
    rows,
    queryHeads: config.heads,
    keyHeads: config.keyValueHeads,
    headDimension: config.headDimension,
    weight: weights.headNorms,
    angles,
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
  const { workspace: { device, config }, targets, rows } = space;
  projectBack(space, gradient, weights.down, space.inner);
  swigluBackward(device, rule, rows, widths(config).inner, state.gateUp, space.inner, space.gateUp, targets);
  projectBack(space, space.gateUp, weights.gateUp, space.hidden);
  rmsNormBackward(device, {
    rule: normRule(rule),
    rows,
    columns: config.hidden,
    targets,
    dy: space.hidden,
    weight: weights.mlpNorm,
    r: state.middleScale,
    x: state.middle,
    g: gradient,
  });
  projectBack(space, gradient, weights.output, space.attention);
}

/** Records the second half of a block's backward pass, after `mlpBackward`: `gradient` goes to the block's input. */
export function attentionBackward(
  space: GradientSpace,
  weights: BlockWeights,
  state: BlockState,
  rule: Rule,
  gradient: GPUBuffer,
): void {
  const { workspace, targets, rows } = space;
  const { device, config } = workspace;
  const [factor] = ATTENTION_FACTORS[rule];
  device.clear(space.queryKeyValue);
  device.clear(space.rotated);
  for (const block of space.scoreBlocks) {
    if (factor > 0) scoreGradients(space, state, block);
    else attend(workspace, state, block);
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
  projectBack(space, space.queryKeyValue, weights.queryKeyValue, space.hidden);
  rmsNormBackward(device, {
    rule: normRule(rule),
    rows,
    columns: config.hidden,
    targets,
    dy: space.hidden,
    weight: weights.attentionNorm,
    r: state.inputScale,
    x: state.input,
    g: gradient,
  });
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
    b: heads(state.queryKeyValue, queryKeyValue, headDimension, rotated, block.firstRow),
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
  matmulTransposed(device, {
    m: block.keys,
    n: headDimension,
    q: block.queries,
    batch: keyValueHeads,
    outer: targets,
    heads: group,
    x: scores(scratch.probability, block, true),
    y: heads(space.attention, query, headDimension, 0, firstQuery, rows),
    c: heads(space.queryKeyValue, queryKeyValue, headDimension, rotated, block.firstRow, rows),
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
    b: heads(state.rotated, rotated, headDimension, query, block.firstRow),
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
    c: heads(space.rotated, rotated, headDimension, query, block.firstRow, rows),
    accumulate: true,
  });
}
