/**
 * What every way of explaining a prediction starts with: the forward pass, the token pair with its logits, and the
 * gradient of the objective at the last node layer (method.md section 1).
 */
import {
  blockForward,
  type BlockState,
  blockStateBytes,
  causalAttention,
  openWorkspace,
  project,
  type Sequence,
  type Workspace,
} from "./blocks.ts";
import type { TileLimits } from "../explanation/closed_form.ts";
import type { Device } from "../device/dawn.ts";
import type { AttributionRequest, Rule, RunOptions, TokenLogit } from "../engine.ts";
import { InputError } from "../errors.ts";
import type { Intervened } from "./intervention.ts";
import { argmaxReference } from "../kernels/decode.ts";
import { rmsNorm, rmsNormBackward } from "../kernels/norm.ts";
import { moveRows } from "../kernels/row-moves.ts";
import type { ModelConfig } from "../model/config.ts";
import type { ModelDirectory } from "../model/directory.ts";
import { PANEL, panelBytes, panelIndex, panelsOf } from "../kernels/panels.ts";
import { type BlockWeights, readRowAsNumbers, type Weights } from "./weights.ts";

/** Work recorded between waits for the device, in floating point operations: bounds how long cancelling takes. */
const FLUSH_OPERATIONS = 4e9;

/** A model on a device. */
export interface Runner {
  readonly device: Device;
  readonly model: ModelDirectory;
  readonly weights: Weights;
  readonly keepBytes: number;
  readonly tiles: TileLimits;
  /** Device bytes that a pass may take; as many as it needs when it is not known. */
  readonly passBytes?: number | undefined;
  /** Nothing is computed, only counted: one pack of targets stands for all. */
  readonly rehearsal?: boolean;
}

/** A token of a sequence of a pass. */
export interface Place {
  readonly sequence: number;
  readonly position: number;
}

/** A forward pass over sequences laid one after the other. */
export interface ForwardPass {
  readonly workspace: Workspace;
  /** Residual stream at every node layer, layers + 1 of [rows, hidden]; only the last when nothing is kept. */
  readonly nodes: readonly GPUBuffer[];
  /** A state for each block; the same one where they are computed again. */
  readonly states: readonly BlockState[];
  /** Where a block that is computed again writes its output, which nobody reads; undefined when all states are kept. */
  readonly spare: GPUBuffer | undefined;
  /** Places whose predictions are wanted, and their rows. */
  readonly reads: readonly Place[];
  readonly lastRowsBuffer: GPUBuffer;
  /** Residual stream and final-normed residual stream at those places, [reads, hidden]; 1 / RMS beside. */
  readonly last: GPUBuffer;
  readonly lastNormed: GPUBuffer;
  readonly lastScale: GPUBuffer;
}

/** What a forward pass is for: a backward pass needs every node layer, the others only the last rows. */
export interface ForwardPurpose {
  readonly purpose: "backward" | "logits" | "prefill";
  /** Called when a block's work is recorded, to record more that reads its state. */
  readonly afterBlock?: (layer: number, workspace: Workspace, state: BlockState) => void;
  /** Places whose predictions are wanted; by default the last token of each sequence. */
  readonly reads?: readonly Place[] | undefined;
  /** What is changed in each sequence; not for a backward pass. */
  readonly interventions?: readonly Intervened[] | undefined;
}

/** Runs the forward pass of all sequences; the caller frees the workspace. */
export async function forward(
  { device, model, weights, keepBytes }: Runner,
  sequences: readonly (readonly number[])[],
  options: RunOptions,
  { purpose, afterBlock, interventions, reads }: ForwardPurpose = { purpose: "backward" },
): Promise<ForwardPass> {
  const { config } = model;
  const forBackward = purpose === "backward";
  const workspace = openWorkspace(device, config, sequences.map(({ length }) => length));
  try {
    const { rows } = workspace;
    const node = (layer: number) => workspace.allocate(config.hidden, `node layer ${layer}`);
    const nodes = [node(0)];
    const ids = new Array<number | undefined>(rows);
    workspace.sequences.forEach(({ firstRow }, index) => {
      sequences[index]?.forEach((id, position) => ids[firstRow + position] = id);
    });
    const embedded = embedRows(model, rows, ids);
    interventions?.forEach(({ embeddings }, index) => {
      const { firstRow } = workspace.sequences[index] as Sequence;
      for (const [position, values] of embeddings) writeRow(embedded, firstRow + position, values);
    });
    device.write(nodes[0] as GPUBuffer, 0, embedded);
    const bias = interventions && uploadBias(workspace, interventions);
    const kept = forBackward && blockStateBytes(config, rows) * config.layers <= keepBytes;
    const spare = forBackward && !kept
      ? workspace.allocate(config.hidden, "output of blocks computed again")
      : undefined;
    const states: BlockState[] = [];
    const pace = pacer(device, config, rows, options);
    for (let layer = 0; layer < config.layers; layer++) {
      // Without a backward pass two buffers take turns.
      const input = nodes[layer] as GPUBuffer;
      const output = forBackward || layer === 0 ? node(layer + 1) : nodes[layer - 1] as GPUBuffer;
      nodes.push(output);
      const first = states[0];
      const state = kept || !first ? workspace.blockState(input) : withInput(config, first, input);
      states.push(state);
      blockForward(
        workspace,
        weights.blocks[layer] as BlockWeights,
        state,
        output,
        (attention) => causalAttention(workspace, attention, state, bias),
      );
      afterBlock?.(layer, workspace, state);
      await pace("forward", layer + 1);
    }

    const places = reads ?? sequences.map(({ length }, sequence): Place => ({ sequence, position: length - 1 }));
    const lastRows = places.map(({ sequence, position }) =>
      (workspace.sequences[sequence] as Sequence).firstRow + position
    );
    const own = workspace.adopt;
    const count = places.length;
    const lastRowsBuffer = own(device.allocate(panelsOf(count) * PANEL * 4, "last rows"));
    device.write(lastRowsBuffer, 0, Uint32Array.from(lastRows));
    const last = own(device.allocate(panelBytes(count, config.hidden), "last rows of the residual stream"));
    const lastNormed = own(device.allocate(panelBytes(count, config.hidden), "last rows, normed"));
    const lastScale = own(device.allocate(panelsOf(count) * PANEL * 4, "final norm's scale"));
    moveRows(device, "gather", count, config.hidden, lastRowsBuffer, nodes[config.layers] as GPUBuffer, last);
    rmsNorm(device, {
      rows: count,
      columns: config.hidden,
      epsilon: config.normEpsilon,
      x: last,
      weight: weights.finalNorm,
      y: lastNormed,
      r: lastScale,
    });
    return { workspace, nodes, states, spare, reads: places, lastRowsBuffer, last, lastNormed, lastScale };
  } catch (error) {
    workspace.free();
    throw error;
  }
}

/** The numbers added to the scores toward each row, [rows]. */
function uploadBias(workspace: Workspace, interventions: readonly Intervened[]): GPUBuffer {
  const { device, rows, sequences } = workspace;
  const values = new Float32Array(rows);
  interventions.forEach(({ bias }, index) => {
    const { firstRow } = sequences[index] as Sequence;
    for (const [position, added] of bias) values[firstRow + position] = added;
  });
  const buffer = workspace.adopt(device.allocate(values.byteLength, "bias of attention scores"));
  device.write(buffer, 0, values);
  return buffer;
}

/** A block's state for its backward pass; records the block's forward pass again where the state was not kept. */
export function blockStateOf(
  { weights }: Runner,
  { workspace, states, spare }: ForwardPass,
  layer: number,
): BlockState {
  const state = states[layer] as BlockState;
  if (spare) blockForward(workspace, weights.blocks[layer] as BlockWeights, state, spare);
  return state;
}

/** The same state for another block. */
function withInput({ blockNorms }: ModelConfig, state: BlockState, input: GPUBuffer): BlockState {
  return { ...state, input, attentionNormed: blockNorms === "input" ? input : state.attentionNormed };
}

/** Waits for the device every so often, reports progress, and stops when the signal says so. */
export function pacer(device: Device, config: ModelConfig, rows: number, { signal, onProgress }: RunOptions) {
  const { hidden, intermediate, heads, keyValueHeads, headDimension, layers } = config;
  const parameters = hidden * (3 * intermediate + (2 * heads + 2 * keyValueHeads) * headDimension);
  const operations = 2 * parameters * rows + 4 * rows * rows * heads * headDimension;
  let sinceFlush = 0;
  return async (phase: "forward" | "backward", done: number): Promise<void> => {
    signal?.throwIfAborted();
    sinceFlush += operations;
    if (sinceFlush < FLUSH_OPERATIONS && done < layers) return;
    sinceFlush = 0;
    await device.advance();
    onProgress?.({ phase, done, total: layers });
  };
}

/** Embeddings read from the file, in panels [rows, hidden]; rows without an id are zero. */
export function embedRows(
  model: ModelDirectory,
  rows: number,
  ids: readonly (number | undefined)[],
): Float32Array<ArrayBuffer> {
  const { hidden } = model.config;
  const embeddings = new Map<number, Float32Array>();
  const packed = new Float32Array(panelBytes(rows, hidden) / 4);
  ids.forEach((id, row) => {
    if (id === undefined) return;
    let values = embeddings.get(id);
    if (!values) embeddings.set(id, values = readRowAsNumbers(model, "model.embed_tokens.weight", id, hidden));
    writeRow(packed, row, values);
  });
  return packed;
}

function writeRow(packed: Float32Array, row: number, values: Float32Array): void {
  for (let column = 0; column < values.length; column++) {
    packed[panelIndex(row, column, values.length)] = values[column] as number;
  }
}

function readRow(packed: Float32Array, row: number, columns: number): Float32Array {
  return Float32Array.from({ length: columns }, (_, column) => packed[panelIndex(row, column, columns)] as number);
}

/** Logits at each place that the pass reads, [vocabulary] each. */
export async function lastLogits(
  { device, model, weights, rehearsal }: Runner,
  pass: ForwardPass,
): Promise<Float32Array[]> {
  const count = pass.reads.length;
  const { vocabulary } = model.config;
  const bytes = panelBytes(count, vocabulary);
  const logits = device.allocate(bytes, "logits");
  try {
    project(device, count, pass.lastNormed, weights.unembedding, logits);
    const packed = new Float32Array(await device.read(logits, 0, bytes));
    if (rehearsal) return new Array<Float32Array>(count).fill(packed.subarray(0, vocabulary));
    return pass.reads.map((_, row) => readRow(packed, row, vocabulary));
  } finally {
    device.free(logits);
  }
}

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

export interface Pair {
  readonly target: TokenLogit;
  readonly contrast: TokenLogit;
}

/** The token pairs with their logits; the argmax where a request names no target. */
export async function chooseTokens(
  runner: Runner,
  pass: ForwardPass,
  requests: readonly AttributionRequest[],
): Promise<readonly Pair[]> {
  const { device, model, weights } = runner;
  const { hidden } = model.config;
  const logits = requests.some(({ target }) => target === undefined) ? await lastLogits(runner, pass) : undefined;
  const packed = new Float32Array(await device.read(pass.lastNormed, 0, panelBytes(requests.length, hidden)));
  return requests.map(({ target, contrast }, index) => {
    const normed = readRow(packed, index, hidden);
    const withLogit = (id: number): TokenLogit => ({
      id,
      logit: dot(normed, readRowAsNumbers(model, weights.unembeddingName, id, hidden)),
    });
    const wrong = target ?? argmaxReference((logits as Float32Array[])[index] as Float32Array);
    if (wrong === contrast) {
      throw new InputError(
        `the contrast ${contrast} is the model's own choice at this position, so there is nothing to contrast it with`,
        "contrast",
        "name another contrast, or a target",
      );
    }
    return { target: withLogit(wrong), contrast: withLogit(contrast) };
  });
}

/** Records the gradient of the objective at the last node layer, [rows, hidden]: zero but for the last tokens. */
export function seed(runner: Runner, pass: ForwardPass, pairs: readonly Pair[], rule: Rule): GPUBuffer {
  const { hidden } = runner.model.config;
  const rows = seedRows(runner, pass, pairs, rule);
  const gradient = pass.workspace.allocate(hidden, "gradient");
  moveRows(runner.device, "scatter", pairs.length, hidden, pass.lastRowsBuffer, rows, gradient);
  return gradient;
}

/** Records the gradient of each pair's objective at the row that the pass reads for it, [pairs, hidden]. */
export function seedRows(
  { device, model, weights }: Runner,
  pass: ForwardPass,
  pairs: readonly Pair[],
  rule: Rule,
): GPUBuffer {
  const { workspace } = pass;
  const { hidden } = model.config;
  const packed = new Float32Array(panelBytes(pairs.length, hidden) / 4);
  pairs.forEach(({ target, contrast }, row) => {
    const wrong = readRowAsNumbers(model, weights.unembeddingName, target.id, hidden);
    const right = readRowAsNumbers(model, weights.unembeddingName, contrast.id, hidden);
    writeRow(packed, row, wrong.map((value, i) => value - (right[i] as number)));
  });
  const difference = workspace.adopt(device.allocate(packed.byteLength, "unembedding difference"));
  device.write(difference, 0, packed);
  const lastGradient = workspace.adopt(device.allocate(packed.byteLength, "gradient at the last tokens"));
  rmsNormBackward(device, {
    rule: rule === "gradient" ? "exact" : "constant",
    rows: pairs.length,
    columns: hidden,
    dy: difference,
    weight: weights.finalNorm,
    r: pass.lastScale,
    x: pass.last,
    g: lastGradient,
    accumulate: false,
  });
  return lastGradient;
}
