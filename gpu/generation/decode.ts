/**
 * Decoding steps over a set of sequences: one new row each against a cache of keys and values. Several steps are
 * recorded at once where the embeddings are on the device: then the next token is chosen and embedded there too.
 */
import { blockForward, type BlockState, openWorkspace, project, type Workspace } from "../pass/blocks.ts";
import { argmaxRows, cacheStore, decodeAttention, embedTokens, newestRow, placeWords } from "../kernels/decode.ts";
import { rmsNorm } from "../kernels/norm.ts";
import { rotationAngles } from "../kernels/rotate.ts";
import type { LayerAttention, ModelConfig } from "../model/config.ts";
import type { Rotation } from "../model/rotary.ts";
import { panelBytes } from "../kernels/panels.ts";
import { embedRows, type Runner } from "../pass/pass.ts";
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
    headDimension: config.headDimension,
    rotated: state.rotated,
    cache,
  };
}

/** Steps that are worth recording at once. */
function stepsAtOnce({ hidden, vocabulary, intermediate, layers, ...config }: ModelConfig, rows: number): number {
  if (!config.tiedEmbeddings) return 1;
  const attention = (2 * config.heads + 2 * config.keyValueHeads) * config.headDimension;
  const parameters = layers * hidden * (3 * intermediate + attention) + vocabulary * hidden;
  return Math.min(MOST_STEPS, Math.max(1, Math.floor(STEP_OPERATIONS / (2 * parameters * rows))));
}

/** Buffers and the work of decoding steps. `longest`: positions that a sequence has at most. */
export function openSteps(
  { device, model, weights }: Runner,
  active: readonly DecodingRow[],
  caches: readonly GPUBuffer[],
  { bias, longest }: { readonly bias: GPUBuffer | undefined; readonly longest: number },
): DecodingSteps {
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
  const rotations = [...new Set(config.attention.map(({ rotation }) => rotation))];
  const angles = rotations.map((rotation) => ({
    rotation,
    ...stepped(rows * config.headDimension * 4, "rotation angles", workspace.angles(rotation)),
  }));
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
    for (const { rotation, all } of angles) device.write(all, 0, anglesOf(rotation, positions, config.headDimension));
    const next = active.map(({ ids }) => ids.at(-1) as number);
    if (config.tiedEmbeddings) device.write(chosen, 0, Uint32Array.from(next));
    else device.write(nodes[0], 0, embedRows(model, rows, next));
  }

  function record(step: number): void {
    for (const { take } of [places, targets, ...angles]) take(step);
    if (config.tiedEmbeddings) embedTokens(device, active.length, chosen, weights.unembedding, nodes[0]);
    for (let layer = 0; layer < config.layers; layer++) {
      const block = weights.blocks[layer] as BlockWeights;
      const state = states[layer % 2] as BlockState;
      blockForward(workspace, block, state, nodes[(layer + 1) % 2] as GPUBuffer, (attention: LayerAttention) => {
        const shape = { ...cacheShape(workspace, state, caches[layer] as GPUBuffer), rows: active.length };
        cacheStore(device, { ...shape, x: state.queryKeyValue, targetRows: targets.current });
        decodeAttention(device, {
          ...shape,
          places: places.current,
          window: attention.window,
          longest: longest + MOST_STEPS,
          probability,
          bias,
          out: workspace.scratch.attention,
        });
      });
    }
    rmsNorm(device, {
      rows,
      columns: config.hidden,
      epsilon: config.normEpsilon,
      x: nodes[config.layers % 2] as GPUBuffer,
      weight: weights.finalNorm,
      y: normed,
      r: scale,
    });
    project(device, rows, normed, weights.unembedding, logits);
    argmaxRows(device, rows, config.vocabulary, logits, chosen);
    device.copy(chosen, 0, allChosen, step * rows * 4, rows * 4);
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

function anglesOf(rotation: Rotation, positions: Float64Array, headDimension: number): Float32Array<ArrayBuffer> {
  const table = tables.get(rotation) ?? new Map<number, Float32Array>();
  tables.set(rotation, table);
  const all = new Float32Array(positions.length * headDimension);
  positions.forEach((position, row) => {
    let angles = table.get(position);
    if (!angles) table.set(position, angles = rotationAngles([position], rotation, headDimension));
    all.set(angles, row * headDimension);
  });
  return all;
}
