/**
 * Decoding steps over a set of sequences: one new row each against a cache of keys and values. Several steps are
 * recorded at once where the embeddings are on the device: then the next token is chosen and embedded there too.
 */
import { countedOfAll } from "../pass/block.ts";
import { embedRows } from "../pass/embedding.ts";
import { blockForward } from "../pass/forward.ts";
import { type BlockState, type Place, slot, type Workspace } from "../pass/operation.ts";
import { ATTENDED } from "../pass/operations/attention.ts";
import { QUERY_KEY_VALUE, ROTATED } from "../pass/operations/heads.ts";
import { openWorkspace, rotationsOf } from "../pass/workspace.ts";
import { argmaxRows, cacheStore, decodeAttention, embedTokens, newestRow, placeWords } from "../kernels/decode.ts";
import { rotationAngles } from "../kernels/rotate.ts";
import { headColumns, type ModelConfig } from "../model/config.ts";
import type { WeightMatrix } from "../kernels/weight_matrix.ts";
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

/** Buffers and the work of decoding steps. `longest`: positions that a sequence has at most. */
export function openSteps(
  runner: Runner,
  active: readonly DecodingRow[],
  caches: readonly GPUBuffer[],
  { bias, longest }: { readonly bias: GPUBuffer | undefined; readonly longest: number },
): DecodingSteps {
  const { device, model, weights } = runner;
  const { config } = model;
  // All sequences' new rows form one matrix.
  const workspace = openWorkspace(device, config, [active.length]);
  const { rows } = workspace;
  const own = (bytes: number, label: string) => workspace.adopt(device.allocate(bytes, label));
  const nodes = [
    workspace.allocate(config.hidden, "rows"),
    workspace.allocate(config.hidden, "rows of the next block"),
  ] as const;
  const states = nodes.map((node) => workspace.blockState(node));
  const normed = workspace.allocate(config.hidden, "rows, normed");
  const scale = own(rows * 4, "final norm's scale");
  const logits = own(panelBytes(rows, config.vocabulary), "logits");
  const most = stepsAtOnce(config, rows);
  const chosen = own(rows * 4, "chosen tokens");
  const allChosen = own(most * rows * 4, "chosen tokens of all steps");
  const places = stepped(rows * 16, "places in the cache");
  const targets = stepped(rows * 4, "cache rows of the new tokens");
  const columns = headColumns(config);
  const angles = rotationsOf(config).map((rotation) => ({
    rotation,
    ...stepped(rows * columns * 4, "rotation angles", workspace.angles(rotation)),
  }));
  const learned = weights.positions &&
    { input: workspace.allocate(config.hidden, "rows with positions"), ...stepped(rows * 4, "positions") };
  const probability = own(active.length * config.heads * (longest + MOST_STEPS) * 4, "attention probabilities");

  /** Numbers of all steps, known beforehand, and the buffer that holds those of the step in work. */
  function stepped(bytes: number, label: string, current = own(bytes, label)) {
    const all = own(most * bytes, `${label}, all steps`);
    const take = (step: number) => device.copy(all, step * bytes, current, 0, bytes);
    return { all, current, take };
  }

  /** Where each sequence stands. One that has stopped writes over its own new rows, which nobody reads any more. */
  const placesAt = (step: number) =>
    active.map(({ promptTokens, sharedStart, ownStart, ids, stopped }) => ({
      end: promptTokens + (stopped ? 1 : ids.length) + step,
      shared: promptTokens,
      sharedStart,
      ownStart,
    }));

  function upload(steps: number): void {
    const words = new Uint32Array(steps * rows * 4);
    const newest = new Uint32Array(steps * rows);
    const positions = new Float64Array(steps * rows);
    for (let step = 0; step < steps; step++) {
      placesAt(step).forEach((place, row) => {
        words.set(placeWords(place), (step * rows + row) * 4);
        newest[step * rows + row] = newestRow(place);
        positions[step * rows + row] = place.end - 1;
      });
    }
    device.write(places.all, 0, words);
    device.write(targets.all, 0, newest);
    for (const { rotation, all } of angles) device.write(all, 0, anglesOf(rotation, positions, columns));
    if (learned) device.write(learned.all, 0, Uint32Array.from(positions));
    const next = active.map(({ ids }) => ids.at(-1) as number);
    if (config.tiedEmbeddings) device.write(chosen, 0, Uint32Array.from(next));
    else device.write(nodes[0], 0, embedRows(model, rows, next));
  }

  function record(step: number): void {
    for (const { take } of [places, targets, ...angles, ...learned ? [learned] : []]) take(step);
    if (config.tiedEmbeddings) {
      const matrix = weights.unembedding;
      embedTokens(device, {
        count: active.length,
        tokens: chosen,
        matrix,
        x: nodes[0],
        scale: config.embeddingScale,
      });
    }
    for (let layer = 0; layer < config.layers; layer++) {
      const own = states[layer % 2] as BlockState;
      const state = layer === 0 && learned && weights.positions
        ? withPositions(own, learned.input, learned.current, weights.positions)
        : own;
      const place: Place = { weights: weights.blocks[layer] as BlockWeights, state };
      blockForward(workspace, place, nodes[(layer + 1) % 2] as GPUBuffer, () => {
        const shape = { ...cacheShape(workspace, state, caches[layer] as GPUBuffer), rows: active.length };
        cacheStore(device, { ...shape, x: slot(state, QUERY_KEY_VALUE), targetRows: targets.current });
        decodeAttention(device, {
          ...shape,
          places: places.current,
          attention: place.weights.attention,
          longest: longest + MOST_STEPS,
          probability,
          bias,
          out: slot(workspace, ATTENDED),
        });
      });
    }
    finalNorm(runner, rows, nodes[config.layers % 2] as GPUBuffer, normed, scale);
    recordLogits(runner, rows, normed, logits);
    argmaxRows(device, rows, config.vocabulary, logits, chosen);
    device.copy(chosen, 0, allChosen, step * rows * 4, rows * 4);
  }

  /** Records what the first block reads where it adds learned positions. */
  function withPositions(state: BlockState, input: GPUBuffer, numbers: GPUBuffer, matrix: WeightMatrix): BlockState {
    device.copy(state.node, 0, input, 0, panelBytes(rows, config.hidden));
    embedTokens(device, { count: active.length, tokens: numbers, matrix, x: input, accumulate: true });
    return { ...state, input };
  }

  return {
    run: async (wanted) => {
      const steps = Math.min(most, wanted);
      upload(steps);
      for (let step = 0; step < steps; step++) record(step);
      const tokens = new Uint32Array(await device.read(allChosen, 0, steps * rows * 4));
      return Array.from(
        { length: steps },
        (_, step) => tokens.subarray(step * rows, step * rows + active.length),
      );
    },
    free: workspace.free,
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
