/** The forward pass: node layers, what blocks keep for a backward pass, and the rows whose predictions are wanted. */
import { markedAt, openAblations } from "./ablation.ts";
import { type Block, blockStateBytes, countedOfAll } from "./block.ts";
import { takeRows } from "./few_rows.ts";
import { blockForward, type Rest } from "./forward.ts";
import { type BlockState, type Place, type Sequence, type Workspace } from "./operation.ts";
import { expandAttention, type ExpandedAttention } from "./expanded_attention.ts";
import { type PassSequence, shareRows } from "./shared_rows.ts";
import { openLooseRows, openWorkspace } from "./workspace.ts";
import { embedRows, readRow, writeRow } from "./embedding.ts";
import type { Device } from "../device/device.ts";
import type { RunOptions } from "../engine.ts";
import type { Intervened } from "./intervention.ts";
import { embedTokens } from "../kernels/decode.ts";
import { norm } from "../kernels/norm.ts";
import { softcap } from "../kernels/softcap.ts";
import { project, type WeightMatrix } from "../kernels/weight_matrix.ts";
import { rowOf } from "../model/architectures.ts";
import { moveRows } from "../kernels/row-moves.ts";
import type { ModelConfig } from "../model/config.ts";
import type { ModelDirectory } from "../model/directory.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import type { BlockWeights, Weights } from "./weights.ts";

/**
 * Work recorded between waits for the device, in floating point operations: bounds how long cancelling takes, and how
 * long a person waits for a batch that runs.
 */
const FLUSH_OPERATIONS = { hardware: 4e9, software: 1e9 };

/** Where edges of a transition are pruned and held while they are. */
export interface TileLimits {
  /** Tiles of a transition up to these bytes are read and pruned on the host: less than a histogram's worth of work. */
  readonly hostBytes: number;
  /** Tiles up to these bytes stay on the device between the two passes; beyond, they are computed again. */
  readonly keptBytes: number;
  /** Edges read back before those are dropped which the graph's budget cannot take. */
  readonly pendingEdges: number;
}

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
export interface TokenPlace {
  readonly sequence: number;
  readonly position: number;
}

/** A forward pass over sequences laid one after the other. */
export interface ForwardPass {
  readonly workspace: Workspace;
  /** The row of a place that is read or kept, in the last node layer. */
  readonly rowOf: (place: TokenPlace) => number;
  /**
   * Residual stream at every node layer, layers + 1 of [rows, hidden]; only the last when nothing is kept, and of it only
   * rows that are read or kept.
   */
  readonly nodes: readonly GPUBuffer[];
  /** A state for each block; the same one where they are computed again. */
  readonly states: readonly BlockState[];
  /** Where a block that is computed again writes its output, which nobody reads; undefined when all states are kept. */
  readonly spare: GPUBuffer | undefined;
  /** Places whose predictions are wanted, and their rows. */
  readonly reads: readonly TokenPlace[];
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
  readonly reads?: readonly TokenPlace[] | undefined;
  /** Places whose rows of the last node layer the caller reads besides. */
  readonly kept?: readonly TokenPlace[] | undefined;
  /** What is changed in each sequence; not for a backward pass. */
  readonly interventions?: readonly Intervened[] | undefined;
}

/** Runs the forward pass of all sequences; the caller frees the workspace. */
export async function forward(
  { device, model, weights, keepBytes }: Runner,
  sequences: readonly (readonly number[])[],
  options: RunOptions,
  { purpose, afterBlock, interventions, reads, kept: keptPlaces = [] }: ForwardPurpose = { purpose: "backward" },
): Promise<ForwardPass> {
  const { config } = model;
  const forBackward = purpose === "backward";
  const places = reads ?? sequences.map(({ length }, sequence): TokenPlace => ({ sequence, position: length - 1 }));
  const { workspace, expanded, rowOf: firstRowOf, tokens } = layOutRows(device, config, sequences, {
    shares: !forBackward,
    interventions,
    reads: [...places, ...keptPlaces],
  });
  try {
    const { rows } = workspace;
    const node = (layer: number) => workspace.allocate(config.hidden, `node layer ${layer}`);
    const nodes = [node(0)];
    device.write(nodes[0] as GPUBuffer, 0, embedTokensOf(model, rows, sequences, tokens, interventions));
    const whole = expanded?.workspace ?? workspace;
    const bias = interventions && uploadBias(whole, interventions);
    const ablations = interventions && openAblations(
      workspace,
      workspace.sequences.map(({ firstRow, length }, index) => {
        const { ablation } = interventions[index] as Intervened;
        return { firstRow, marked: markedAt(ablation, length), ablation };
      }),
    );
    const kept = forBackward && blockStateBytes(config, rows) * config.layers <= keepBytes;
    const spare = forBackward && !kept
      ? workspace.allocate(config.hidden, "output of blocks computed again")
      : undefined;
    const few = forBackward || ablations ? undefined : fewRows(workspace, [...places, ...keptPlaces], firstRowOf);
    const rowOf = few?.rowOf ?? firstRowOf;
    const states: BlockState[] = [];
    const pace = pacer(device, config, rows, options);
    for (let layer = 0; layer < config.layers; layer++) {
      // Without a backward pass two buffers take turns.
      const own = nodes[layer] as GPUBuffer;
      const output = forBackward || layer === 0 ? node(layer + 1) : nodes[layer - 1] as GPUBuffer;
      nodes.push(output);
      const first = states[0];
      const blank = kept || !first ? workspace.blockState(own) : { ...first, node: own, input: own };
      const state = layer === 0 && weights.positions ? withPositions(workspace, weights.positions, blank) : blank;
      states.push(state);
      const place: Place = { weights: weights.blocks[layer] as BlockWeights, state };
      const attend = (block: Block) =>
        expanded ? expanded.attend(block, place, bias) : block.attention.forward(workspace, place, bias);
      const isLast = layer === config.layers - 1;
      blockForward(workspace, place, output, attend, ablations?.[layer], isLast ? few?.take : undefined);
      afterBlock?.(layer, whole, expanded?.stateOf(state) ?? state);
      await pace("forward", layer + 1);
    }

    const own = workspace.adopt;
    const count = places.length;
    const lastRowsBuffer = own(device.allocate(panelsOf(count) * PANEL * 4, "last rows"));
    device.write(lastRowsBuffer, 0, Uint32Array.from(places, rowOf));
    const last = own(device.allocate(panelBytes(count, config.hidden), "last rows of the residual stream"));
    const lastNormed = own(device.allocate(panelBytes(count, config.hidden), "last rows, normed"));
    const lastScale = own(device.allocate(panelsOf(count) * PANEL * 4, "final norm's scale"));
    moveRows(device, "gather", count, config.hidden, lastRowsBuffer, nodes[config.layers] as GPUBuffer, last);
    finalNorm({ device, model, weights }, count, last, lastNormed, lastScale);
    return { workspace, nodes, states, spare, rowOf, reads: places, lastRowsBuffer, last, lastNormed, lastScale };
  } catch (error) {
    workspace.free();
    throw error;
  }
}

/** The rows that are read of the last block's output; undefined where they are most of them. */
function fewRows(workspace: Workspace, places: readonly TokenPlace[], rowOf: LaidOut["rowOf"]) {
  const rows = [...new Set(places.map(rowOf))];
  if (2 * rows.length > workspace.usedRows) return undefined;
  const numbers = new Map(rows.map((row, index) => [row, index]));
  return {
    rowOf: (place: TokenPlace) => numbers.get(rowOf(place)) as number,
    take: (all: Rest) => takeRows(workspace, rows, all),
  };
}

/** The rows of a pass. */
interface LaidOut {
  readonly workspace: Workspace;
  /** Where sequences share rows. */
  readonly expanded: ExpandedAttention | undefined;
  readonly rowOf: (place: TokenPlace) => number;
  /** The token of each row; undefined in padding. */
  readonly tokens: readonly (TokenPlace | undefined)[];
}

/** Lays out sequences one after the other, or, where it pays and `shares` allows it, the rows in which they differ. */
function layOutRows(
  device: Device,
  config: ModelConfig,
  sequences: readonly (readonly number[])[],
  { shares, interventions, reads }: {
    readonly shares: boolean;
    readonly interventions: readonly Intervened[] | undefined;
    readonly reads: readonly TokenPlace[];
  },
): LaidOut {
  const lengths = sequences.map(({ length }) => length);
  const shared = shares ? shareRows(config, passSequences(sequences, interventions, reads)) : undefined;
  if (!shared) {
    const workspace = openWorkspace(device, config, lengths);
    const tokens = new Array<TokenPlace | undefined>(workspace.rows);
    workspace.sequences.forEach(({ firstRow, length }, sequence) => {
      for (let position = 0; position < length; position++) tokens[firstRow + position] = { sequence, position };
    });
    return {
      workspace,
      expanded: undefined,
      rowOf: ({ sequence, position }) => (workspace.sequences[sequence] as Sequence).firstRow + position,
      tokens,
    };
  }
  const { unique, rowOf } = shared;
  const rows = unique.map(({ sequence, position }) => ({ position, tokens: lengths[sequence] as number }));
  const workspace = openLooseRows(device, config, rows);
  try {
    return {
      workspace,
      expanded: expandAttention(workspace, shared, lengths),
      rowOf: ({ sequence, position }) => rowOf[sequence]?.[position] as number,
      tokens: unique,
    };
  } catch (error) {
    workspace.free();
    throw error;
  }
}

/** Sequences with what is changed in them, and the positions at which they are read. */
function passSequences(
  sequences: readonly (readonly number[])[],
  interventions: readonly Intervened[] | undefined,
  reads: readonly TokenPlace[],
): PassSequence[] {
  const positions = sequences.map((): number[] => []);
  for (const { sequence, position } of reads) positions[sequence]?.push(position);
  return sequences.map((ids, index) => ({
    ids,
    intervened: interventions?.[index],
    reads: positions[index] as number[],
  }));
}

/** What enters the first block, in panels [rows, hidden]: embeddings of tokens, or what an intervention puts there. */
function embedTokensOf(
  model: ModelDirectory,
  rows: number,
  sequences: readonly (readonly number[])[],
  tokens: readonly (TokenPlace | undefined)[],
  interventions: readonly Intervened[] | undefined,
): Float32Array<ArrayBuffer> {
  const ids = Array.from(tokens, (place) => place && sequences[place.sequence]?.[place.position]);
  const embedded = embedRows(model, rows, ids);
  tokens.forEach((place, row) => {
    const values = place && interventions?.[place.sequence]?.embeddings.get(place.position);
    if (values) writeRow(embedded, row, values);
  });
  return embedded;
}

/** What the final norm is, and its weights. */
export const finalNormOf = ({ model: { config }, weights }: Pick<Runner, "model" | "weights">) => ({
  kind: rowOf(config.architecture).norm === "layer" ? "layer" : "rms",
  columns: config.hidden,
  weight: weights.finalNorm,
} as const);

/** Records y [rows, hidden] = the final norm of x, and its scale r. */
export function finalNorm(
  runner: Pick<Runner, "device" | "model" | "weights">,
  rows: number,
  x: GPUBuffer,
  y: GPUBuffer,
  r: GPUBuffer,
): void {
  norm(runner.device, { ...finalNormOf(runner), rows, epsilon: runner.model.config.normEpsilon, x, y, r });
}

/** Records logits [rows, vocabulary] of final-normed rows. */
export function recordLogits(
  { device, model: { config }, weights }: Pick<Runner, "device" | "model" | "weights">,
  rows: number,
  normed: GPUBuffer,
  logits: GPUBuffer,
): void {
  project(device, rows, normed, weights.unembedding, logits);
  if (config.logitCap !== null) softcap(device, panelsOf(rows), config.vocabulary, config.logitCap, logits);
}

/** A state whose block reads learned positions besides the node layer. */
function withPositions(workspace: Workspace, matrix: WeightMatrix, state: BlockState): BlockState {
  const { device, config, rows, positions } = workspace;
  const input = workspace.allocate(config.hidden, "node layer 0 with positions");
  const numbers = new Uint32Array(rows);
  numbers.set(positions);
  const list = workspace.adopt(device.allocate(numbers.byteLength, "positions"));
  device.write(list, 0, numbers);
  device.copy(state.node, 0, input, 0, panelBytes(rows, config.hidden));
  embedTokens(device, { count: rows, tokens: list, matrix, x: input, accumulate: true });
  return { ...state, input };
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

/** A block for its backward pass; records its forward pass again where its state was not kept. */
export function placeOf({ weights }: Runner, { workspace, states, spare }: ForwardPass, layer: number): Place {
  const place = { weights: weights.blocks[layer] as BlockWeights, state: states[layer] as BlockState };
  if (spare) blockForward(workspace, place, spare);
  return place;
}

/** Waits for the device every so often, reports progress, and stops when the signal says so. */
export function pacer(device: Device, config: ModelConfig, rows: number, { signal, onProgress }: RunOptions) {
  const { layers } = config;
  const { perToken, perScore } = countedOfAll(config);
  const operations = (perToken * rows + perScore * rows * rows) / layers;
  const most = FLUSH_OPERATIONS[device.info.kind === "hardware" ? "hardware" : "software"];
  let sinceFlush = 0;
  return async (phase: "forward" | "backward", done: number): Promise<void> => {
    signal?.throwIfAborted();
    sinceFlush += operations;
    if (sinceFlush < most && done < layers) return;
    sinceFlush = 0;
    await device.advance();
    onProgress?.({ phase, done, total: layers });
  };
}

/** Places whose logits over the vocabulary are held at once. */
const LOGITS_AT_ONCE = 128;

/** Calls `use` with the logits [vocabulary] at places that the pass reads, by their index among its reads. */
export async function eachLogits(
  runner: Runner,
  pass: ForwardPass,
  reads: readonly number[],
  use: (read: number, logits: Float32Array) => void,
): Promise<void> {
  const { device, model: { config: { hidden, vocabulary } }, rehearsal } = runner;
  for (let first = 0; first < reads.length; first += LOGITS_AT_ONCE) {
    const part = reads.slice(first, first + LOGITS_AT_ONCE);
    const count = part.length;
    const list = device.allocate(panelsOf(count) * PANEL * 4, "rows whose logits are wanted");
    const normed = device.allocate(panelBytes(count, hidden), "rows, normed");
    const bytes = panelBytes(count, vocabulary);
    const logits = device.allocate(bytes, "logits");
    try {
      device.write(list, 0, Uint32Array.from(part));
      moveRows(device, "gather", count, hidden, list, pass.lastNormed, normed);
      recordLogits(runner, count, normed, logits);
      const packed = new Float32Array(await device.read(logits, 0, bytes));
      part.forEach((read, row) =>
        use(read, rehearsal ? packed.subarray(0, vocabulary) : readRow(packed, row, vocabulary))
      );
    } finally {
      [list, normed, logits].forEach((buffer) => device.free(buffer));
    }
  }
}

/** Logits at each place that the pass reads, [vocabulary] each. */
export async function lastLogits(runner: Runner, pass: ForwardPass): Promise<Float32Array[]> {
  const all = new Array<Float32Array>(pass.reads.length);
  await eachLogits(runner, pass, [...all.keys()], (read, logits) => all[read] = logits);
  return all;
}
