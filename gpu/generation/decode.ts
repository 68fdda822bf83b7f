/**
 * Decoding steps over a set of sequences: one new row each against a cache of keys and values. Several steps are
 * recorded at once where the embeddings are on the device: then the next token is chosen and embedded there too.
 */
import type { Device } from "../device/device.ts";
import type { Ablation } from "../engine.ts";
import { openAblations } from "../pass/ablation.ts";
import { countedOfAll } from "../pass/block.ts";
import { embedRows } from "../pass/embedding.ts";
import { blockForward } from "../pass/forward.ts";
import { type BlockState, type Place, slot, type Workspace } from "../pass/operation.ts";
import { ATTENDED, QUERY_KEY_VALUE, ROTATED } from "../pass/operations/heads.ts";
import { openWorkspace, rotationsOf } from "../pass/workspace.ts";
import {
  argmaxRows,
  cacheStore,
  decodeAttention,
  decodeScratchBytes,
  embedTokens,
  newestRow,
  placeWords,
} from "../kernels/decode.ts";
import { rotationAngles } from "../kernels/rotate.ts";
import { headColumns, type ModelConfig } from "../model/config.ts";
import type { Rotation } from "../model/rotary.ts";
import { panelBytes } from "../kernels/panels.ts";
import { finalNorm, recordLogits, type Runner } from "../pass/pass.ts";
import type { BlockWeights } from "../pass/weights.ts";

/** Most steps between two looks at the chosen tokens: sequences that end meanwhile run on in vain. */
export const MOST_STEPS = 8;
/** Work recorded between two looks, in floating point operations: bounds how long cancelling takes. */
const STEP_OPERATIONS = 4e9;

/** A sequence as the steps see it. */
export interface DecodingRow {
  /** Its positions before the first new token, and those of them that lie in rows that others may share: all. */
  readonly promptTokens: number;
  readonly sharedStart: number;
  /** Cache rows of its new tokens: as many as it may have, and MOST_STEPS more. */
  readonly ownStart: number;
  /** New tokens so far; the last one enters the next step. */
  readonly ids: readonly number[];
  readonly stopped: boolean;
  /** Holds at new tokens where it names no positions. */
  readonly ablation: Ablation;
}

export interface DecodingSteps {
  /** Runs steps, at most `most`, and returns the tokens that each step chose, [steps][sequences]. */
  run(most: number): Promise<readonly Uint32Array[]>;
  free(): void;
}

/** How the cache of one block is told to the kernels. */
export function cacheShape({ config, rows }: Workspace, state: BlockState, cache: GPUBuffer) {
  return {
    rows,
    queryHeads: config.heads,
    keyHeads: config.keyValueHeads,
    headColumns: headColumns(config),
    rotated: slot(state, ROTATED),
    cache,
  };
}

/** Steps that are worth recording at once. */
function stepsAtOnce(config: ModelConfig, rows: number): number {
  if (!config.tiedEmbeddings) return 1;
  const perRow = countedOfAll(config).perToken + 2 * config.vocabulary * config.hidden;
  return Math.min(MOST_STEPS, Math.max(1, Math.floor(STEP_OPERATIONS / (perRow * rows))));
}

/** What the steps of a set of sequences are computed in. */
type StepBuffers = ReturnType<typeof openStepBuffers>;

/** Numbers of all steps, known beforehand, and the buffer that holds those of the step in work. */
interface Stepped {
  readonly all: GPUBuffer;
  readonly current: GPUBuffer;
  /** Records the copy of a step's numbers. */
  take(step: number): void;
}

/** Buffers of decoding steps of sequences, all of whose new rows form one matrix; freed with their workspace. */
function openStepBuffers(
  { device, model: { config }, weights }: Runner,
  active: readonly DecodingRow[],
  longest: number,
) {
  const sequences = active.length;
  const workspace = openWorkspace(device, config, [sequences]);
  const { rows } = workspace;
  const own = (bytes: number, label: string) => workspace.adopt(device.allocate(bytes, label));
  const most = stepsAtOnce(config, rows);
  function stepped(bytes: number, label: string, current = own(bytes, label)): Stepped {
    const all = own(most * bytes, `${label}, all steps`);
    return { all, current, take: (step) => device.copy(all, step * bytes, current, 0, bytes) };
  }
  const scratch = decodeScratchBytes({
    rows: sequences,
    queryHeads: config.heads,
    headColumns: headColumns(config),
    longest: longest + MOST_STEPS,
  });
  const ablations = openAblations(
    workspace,
    active.map(({ ablation }, firstRow) => ({
      firstRow,
      marked: [true],
      ablation: ablation.positions === undefined ? ablation : {},
    })),
  );
  const nodes = [
    workspace.allocate(config.hidden, "rows"),
    workspace.allocate(config.hidden, "rows of the next block"),
  ] as const;
  return {
    workspace,
    rows,
    /** Steps that are recorded at once, at most. */
    most,
    ablations,
    nodes,
    states: nodes.map((node) => workspace.blockState(node)),
    normed: workspace.allocate(config.hidden, "rows, normed"),
    scale: own(rows * 4, "final norm's scale"),
    logits: own(panelBytes(rows, config.vocabulary), "logits"),
    chosen: own(rows * 4, "chosen tokens"),
    allChosen: own(most * rows * 4, "chosen tokens of all steps"),
    places: stepped(rows * 16, "places in the cache"),
    targets: stepped(rows * 4, "cache rows of the new tokens"),
    angles: rotationsOf(config).map((rotation) => ({
      rotation,
      ...stepped(rows * headColumns(config) * 4, "rotation angles", workspace.angles(rotation)),
    })),
    learned: weights.positions && {
      matrix: weights.positions,
      input: workspace.allocate(config.hidden, "rows with positions"),
      ...stepped(rows * 4, "positions"),
    },
    sums: own(scratch.sums, "attention over runs of positions"),
    stats: own(scratch.stats, "totals of runs of positions"),
  };
}

/** Where each sequence stands. One that has stopped writes over its own new rows, which nobody reads any more. */
function placesAt(active: readonly DecodingRow[], step: number) {
  return active.map(({ promptTokens, sharedStart, ownStart, ids, stopped }) => ({
    end: promptTokens + (stopped ? 1 : ids.length) + step,
    shared: promptTokens,
    sharedStart,
    ownStart,
  }));
}

/** Writes what `steps` steps know beforehand, and the tokens that enter the first of them. */
function upload({ device, model }: Runner, buffers: StepBuffers, active: readonly DecodingRow[], steps: number): void {
  const { config } = model;
  const { rows, places, targets, angles, learned } = buffers;
  const words = new Uint32Array(steps * rows * 4);
  const newest = new Uint32Array(steps * rows);
  const positions = new Float64Array(steps * rows);
  for (let step = 0; step < steps; step++) {
    placesAt(active, step).forEach((place, row) => {
      words.set(placeWords(place), (step * rows + row) * 4);
      newest[step * rows + row] = newestRow(place);
      positions[step * rows + row] = place.end - 1;
    });
  }
  device.write(places.all, 0, words);
  device.write(targets.all, 0, newest);
  for (const { rotation, all } of angles) device.write(all, 0, anglesOf(rotation, positions, headColumns(config)));
  if (learned) device.write(learned.all, 0, Uint32Array.from(positions));
  const next = active.map(({ ids }) => ids.at(-1) as number);
  if (config.tiedEmbeddings) device.write(buffers.chosen, 0, Uint32Array.from(next));
  else device.write(buffers.nodes[0], 0, embedRows(model, rows, next));
}

/** Records one step, from the tokens that the step before it chose to those that it chooses. */
function recordStep(
  runner: Runner,
  buffers: StepBuffers,
  { caches, bias, active, step }: DecodingCaches & { readonly active: readonly DecodingRow[]; readonly step: number },
): void {
  const count = active.length;
  // Runs of positions that nobody has reached yet are left out.
  const reached = Math.max(...placesAt(active, step).map(({ end }) => end));
  const { device, model: { config }, weights } = runner;
  const { workspace, rows, nodes, places, targets, angles, learned, chosen } = buffers;
  for (const { take } of [places, targets, ...angles, ...learned ? [learned] : []]) take(step);
  if (config.tiedEmbeddings) {
    const matrix = weights.unembedding;
    embedTokens(device, { count, tokens: chosen, matrix, x: nodes[0], scale: config.embeddingScale });
  }
  for (let layer = 0; layer < config.layers; layer++) {
    const own = buffers.states[layer % 2] as BlockState;
    const state = layer === 0 ? withPositions(device, buffers, own, count) : own;
    const place: Place = { weights: weights.blocks[layer] as BlockWeights, state };
    const attend = () => {
      const shape = { ...cacheShape(workspace, state, caches[layer] as GPUBuffer), rows: count };
      cacheStore(device, { ...shape, x: slot(state, QUERY_KEY_VALUE), targetRows: targets.current });
      decodeAttention(device, {
        ...shape,
        places: places.current,
        attention: place.weights.attention,
        longest: reached,
        sums: buffers.sums,
        stats: buffers.stats,
        bias,
        out: slot(workspace, ATTENDED),
      });
    };
    blockForward(workspace, place, nodes[(layer + 1) % 2] as GPUBuffer, attend, buffers.ablations?.[layer]);
  }
  finalNorm(runner, rows, nodes[config.layers % 2] as GPUBuffer, buffers.normed, buffers.scale);
  recordLogits(runner, rows, buffers.normed, buffers.logits);
  argmaxRows(device, rows, config.vocabulary, buffers.logits, chosen);
  device.copy(chosen, 0, buffers.allChosen, step * rows * 4, rows * 4);
}

/** Records what the first block reads where it adds learned positions; its state with that. */
function withPositions(
  device: Device,
  { workspace, rows, learned }: StepBuffers,
  state: BlockState,
  count: number,
): BlockState {
  if (!learned) return state;
  const { input, current: tokens, matrix } = learned;
  device.copy(state.node, 0, input, 0, panelBytes(rows, workspace.config.hidden));
  embedTokens(device, { count, tokens, matrix, x: input, accumulate: true });
  return { ...state, input };
}

interface DecodingCaches {
  /** Keys and values by block. */
  readonly caches: readonly GPUBuffer[];
  readonly bias: GPUBuffer | undefined;
}

/** Buffers and the work of decoding steps. `longest`: positions that a sequence has at most. */
export function openSteps(
  runner: Runner,
  active: readonly DecodingRow[],
  { longest, ...caches }: DecodingCaches & { readonly longest: number },
): DecodingSteps {
  const { device } = runner;
  const count = active.length;
  const buffers = openStepBuffers(runner, active, longest);
  const { rows, allChosen } = buffers;
  return {
    run: async (wanted) => {
      const steps = Math.min(buffers.most, wanted);
      upload(runner, buffers, active, steps);
      for (let step = 0; step < steps; step++) recordStep(runner, buffers, { ...caches, active, step });
      const tokens = new Uint32Array(await device.read(allChosen, 0, steps * rows * 4));
      return Array.from({ length: steps }, (_, step) => tokens.subarray(step * rows, step * rows + count));
    },
    free: buffers.workspace.free,
  };
}

/** Angles by position, as far as they were wanted: sines and cosines of one position serve many sequences. */
const tables = new WeakMap<Rotation, Map<number, Float32Array>>();

function anglesOf(rotation: Rotation, positions: Float64Array, columns: number): Float32Array<ArrayBuffer> {
  const table = tables.get(rotation) ?? new Map<number, Float32Array>();
  tables.set(rotation, table);
  const all = new Float32Array(positions.length * columns);
  positions.forEach((position, row) => {
    let angles = table.get(position);
    if (!angles) table.set(position, angles = rotationAngles([position], rotation, columns, [position + 1]));
    all.set(angles, row * columns);
  });
  return all;
}
