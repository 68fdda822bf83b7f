/** Contrastive attribution of loaded models: forward, seed, backward, node relevance (method.md sections 1 and 2). */
import {
  blockBackward,
  blockForward,
  type BlockState,
  blockStateBytes,
  openWorkspace,
  project,
  type Sequence,
  type Workspace,
} from "./blocks.ts";
import type { Device } from "./dawn.ts";
import type { AttributionRequest, AttributionResult, LoadedModel, RunOptions, TokenLogit } from "./engine.ts";
import { InputError } from "./errors.ts";
import { rmsNorm, rmsNormBackward } from "./kernels/norm.ts";
import { moveRows, rowDot } from "./kernels/row-moves.ts";
import type { ModelConfig } from "./model/config.ts";
import { type ModelDirectory, openModelDirectory } from "./model/directory.ts";
import { PANEL, panelBytes, panelIndex, panelsOf } from "./panels.ts";
import { freeWeights, loadWeights, readRowAsNumbers, type Weights } from "./weights.ts";

/** Block states are kept for the backward pass up to this many bytes; beyond it they are computed again. */
const KEEP_BYTES = 2 ** 30;
/** Work recorded between waits for the device, in floating point operations: bounds how long cancelling takes. */
const FLUSH_OPERATIONS = 4e9;

export interface LoadOptions extends RunOptions {
  /** Largest sum of block states kept instead of computed again, bytes. */
  readonly keepBytes?: number;
}

/** Checks a request against a model. Throws InputError naming the argument. */
export function checkRequest(config: ModelConfig, { inputIds, target, contrast }: AttributionRequest): void {
  checkIds(config, inputIds);
  for (const [where, id] of [["target", target], ["contrast", contrast]] as const) {
    if (id !== undefined) checkId(config, id, where);
  }
  if (target === contrast) {
    throw new InputError(
      `target and contrast are the same token ${target}`,
      "contrast",
      "name the token that should have come instead of the target",
    );
  }
}

function checkIds(config: ModelConfig, inputIds: readonly number[]): void {
  if (inputIds.length === 0) throw new InputError("the prompt has no tokens", "input", "give at least one token");
  if (inputIds.length > config.maxPositions) {
    throw new InputError(
      `the prompt has ${inputIds.length} tokens and the model takes ${config.maxPositions}`,
      "input",
      "shorten it",
    );
  }
  inputIds.forEach((id, index) => checkId(config, id, `input[${index}]`));
}

function checkId({ vocabulary }: ModelConfig, id: number, where: string): void {
  if (!Number.isInteger(id) || id < 0 || id >= vocabulary) {
    throw new InputError(
      `token id ${id} is not in the vocabulary of ${vocabulary}`,
      where,
      `use whole numbers from 0 to ${vocabulary - 1}`,
    );
  }
}

/** Loads a model directory onto a device. Throws InputError when it is broken or does not fit. */
export async function loadModel(device: Device, directory: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const model = await openModelDirectory(directory);
  let weights: Weights;
  try {
    const { headDimension } = model.config;
    if (headDimension % 8 !== 0) {
      throw new InputError(
        `head_dim is ${headDimension}, and the engine's kernels take multiples of 8`,
        `${model.directory}/config.json`,
        "use a model with another head_dim",
      );
    }
    weights = await loadWeights(device, model, options);
  } catch (error) {
    model.close();
    throw error;
  }
  const runner: Runner = { device, model, weights, keepBytes: options.keepBytes ?? KEEP_BYTES };
  let queue: Promise<unknown> = Promise.resolve();
  let disposed = false;
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = queue.then(() => {
      if (disposed) throw new Error(`${model.directory} is disposed`);
      return work();
    });
    queue = turn.catch(() => {});
    return turn;
  }
  return {
    directory: model.directory,
    config: model.config,
    adapter: device.info,
    async attribute(request, runOptions = {}) {
      checkRequest(model.config, request);
      const [result] = await inTurn(() => attributePacked(runner, [request], runOptions));
      return result as AttributionResult;
    },
    attributeMany(requests, runOptions = {}) {
      requests.forEach((request) => checkRequest(model.config, request));
      return inTurn(() => attributePacked(runner, requests, runOptions));
    },
    async logits(inputIds, runOptions = {}) {
      checkIds(model.config, inputIds);
      return await inTurn(async () => {
        const pass = await forward(runner, [inputIds], runOptions, false);
        try {
          return (await lastLogits(runner, pass))[0] as Float32Array;
        } finally {
          pass.workspace.free();
        }
      });
    },
    dispose() {
      disposed = true;
      freeWeights(device, weights);
      model.close();
    },
  };
}

interface Runner {
  readonly device: Device;
  readonly model: ModelDirectory;
  readonly weights: Weights;
  readonly keepBytes: number;
}

/** A forward pass over sequences laid one after the other. */
interface ForwardPass {
  readonly workspace: Workspace;
  /** Residual stream at every node layer, layers + 1 of [rows, hidden]; only the last when nothing is kept. */
  readonly nodes: readonly GPUBuffer[];
  /** A state for each block; the same one where they are computed again. */
  readonly states: readonly BlockState[];
  /** Whether each block has its own state. */
  readonly kept: boolean;
  /** Rows of the sequences' last tokens. */
  readonly lastRowsBuffer: GPUBuffer;
  /** Residual stream and final-normed residual stream at the last tokens, [sequences, hidden]; 1 / RMS beside. */
  readonly last: GPUBuffer;
  readonly lastNormed: GPUBuffer;
  readonly lastScale: GPUBuffer;
}

async function forward(
  { device, model, weights, keepBytes }: Runner,
  sequences: readonly (readonly number[])[],
  options: RunOptions,
  forBackward: boolean,
): Promise<ForwardPass> {
  const { config } = model;
  const workspace = openWorkspace(device, config, sequences.map(({ length }) => length));
  try {
    const { rows } = workspace;
    const node = (layer: number) => workspace.allocate(config.hidden, `node layer ${layer}`);
    const nodes = [node(0)];
    device.write(nodes[0] as GPUBuffer, 0, embed(model, workspace, sequences));
    const kept = forBackward && blockStateBytes(config, rows) * config.layers <= keepBytes;
    const states: BlockState[] = [];
    const pace = pacer(device, config, rows, options);
    for (let layer = 0; layer < config.layers; layer++) {
      // Without a backward pass two buffers take turns.
      const input = nodes[layer] as GPUBuffer;
      const output = forBackward || layer === 0 ? node(layer + 1) : nodes[layer - 1] as GPUBuffer;
      nodes.push(output);
      const first = states[0];
      const state = kept || !first ? workspace.blockState(input) : { ...first, input };
      states.push(state);
      blockForward(workspace, weights.blocks[layer] as Weights["blocks"][number], state, output);
      await pace("forward", layer + 1);
    }

    const lastRows = workspace.sequences.map(({ firstRow, length }) => firstRow + length - 1);
    const own = workspace.adopt;
    const count = sequences.length;
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
    return { workspace, nodes, states, kept, lastRowsBuffer, last, lastNormed, lastScale };
  } catch (error) {
    workspace.free();
    throw error;
  }
}

/** Waits for the device every so often, reports progress, and stops when the signal says so. */
function pacer(device: Device, config: ModelConfig, rows: number, { signal, onProgress }: RunOptions) {
  const { hidden, intermediate, heads, keyValueHeads, headDimension, layers } = config;
  const parameters = hidden * (3 * intermediate + (2 * heads + 2 * keyValueHeads) * headDimension);
  const operations = 2 * parameters * rows + 4 * rows * rows * heads * headDimension;
  let sinceFlush = 0;
  return async (phase: "forward" | "backward", done: number): Promise<void> => {
    signal?.throwIfAborted();
    sinceFlush += operations;
    if (sinceFlush < FLUSH_OPERATIONS && done < layers) return;
    sinceFlush = 0;
    await device.flush();
    onProgress?.({ phase, done, total: layers });
  };
}

/** Embedding rows of the tokens, read from the file, in panels [rows, hidden]. */
function embed(
  model: ModelDirectory,
  workspace: Workspace,
  sequences: readonly (readonly number[])[],
): Float32Array<ArrayBuffer> {
  const { hidden } = model.config;
  const embeddings = new Map<number, Float32Array>();
  const packed = new Float32Array(panelBytes(workspace.rows, hidden) / 4);
  workspace.sequences.forEach(({ firstRow }, index) => {
    (sequences[index] as readonly number[]).forEach((id, position) => {
      let values = embeddings.get(id);
      if (!values) embeddings.set(id, values = readRowAsNumbers(model, "model.embed_tokens.weight", id, hidden));
      writeRow(packed, firstRow + position, values);
    });
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

/** Logits at each sequence's last token, [vocabulary] each. */
async function lastLogits({ device, model, weights }: Runner, pass: ForwardPass): Promise<Float32Array[]> {
  const count = pass.workspace.sequences.length;
  const { vocabulary } = model.config;
  const bytes = panelBytes(count, vocabulary);
  const logits = device.allocate(bytes, "logits");
  try {
    project(device, count, pass.lastNormed, weights.unembedding, logits);
    const packed = new Float32Array(await device.read(logits, 0, bytes));
    return pass.workspace.sequences.map((_, row) => readRow(packed, row, vocabulary));
  } finally {
    device.free(logits);
  }
}

function argmax(values: Float32Array): number {
  return values.reduce((best, value, id) => value > (values[best] as number) ? id : best, 0);
}

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** Attributions of several requests in one pass. Each result is that of the request alone, up to rounding. */
async function attributePacked(
  runner: Runner,
  requests: readonly AttributionRequest[],
  options: RunOptions,
): Promise<AttributionResult[]> {
  const start = performance.now();
  const { device, model, weights } = runner;
  const { config } = model;
  const rule = requests[0]?.rule;
  if (rule === undefined) return [];
  if (requests.some((request) => request.rule !== rule)) throw new Error("a pack has one rule");
  const pass = await forward(runner, requests.map(({ inputIds }) => inputIds), options, true);
  const { workspace } = pass;
  try {
    const pairs = await chooseTokens(runner, pass, requests);
    const { rows } = workspace;
    const relevance = workspace.adopt(device.allocate((config.layers + 1) * rows * 4, "node relevance"));
    const gradient = seed(runner, pass, pairs, rule);
    rowDot(
      device,
      rows,
      config.hidden,
      pass.nodes[config.layers] as GPUBuffer,
      gradient,
      relevance,
      config.layers * rows,
    );
    const pace = pacer(device, config, rows, options);
    for (let layer = config.layers - 1; layer >= 0; layer--) {
      const block = weights.blocks[layer] as Weights["blocks"][number];
      const state = pass.states[layer] as BlockState;
      // The next node layer is done with: it takes the output of a block that is computed again.
      if (!pass.kept) blockForward(workspace, block, state, pass.nodes[layer + 1] as GPUBuffer);
      blockBackward(workspace, block, state, rule, gradient);
      rowDot(device, rows, config.hidden, state.input, gradient, relevance, layer * rows);
      await pace("backward", config.layers - layer);
    }
    const values = new Float32Array(await device.read(relevance, 0, (config.layers + 1) * rows * 4));
    const seconds = (performance.now() - start) / 1000;
    return requests.map((request, index) => {
      const { target, contrast } = pairs[index] as Pair;
      const tokens = request.inputIds.length;
      const { firstRow } = workspace.sequences[index] as Sequence;
      const nodeRelevance = new Float32Array((config.layers + 1) * tokens);
      for (let layer = 0; layer <= config.layers; layer++) {
        const from = layer * rows + firstRow;
        nodeRelevance.set(values.subarray(from, from + tokens), layer * tokens);
      }
      refuseNonFinite(nodeRelevance, tokens, model.directory);
      return {
        rule,
        inputIds: request.inputIds,
        target,
        contrast,
        logitDifference: target.logit - contrast.logit,
        layers: config.layers,
        nodeRelevance,
        adapter: device.info.name,
        seconds,
      };
    });
  } finally {
    workspace.free();
  }
}

function refuseNonFinite(nodeRelevance: Float32Array, tokens: number, directory: string): void {
  const at = nodeRelevance.findLastIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new Error(
    `${directory}: relevance is not finite at node layer ${Math.floor(at / tokens)}, token ${at % tokens}`,
  );
}

interface Pair {
  readonly target: TokenLogit;
  readonly contrast: TokenLogit;
}

/** The token pairs with their logits; the argmax where a request names no target. */
async function chooseTokens(
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
    const wrong = target ?? argmax((logits as Float32Array[])[index] as Float32Array);
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
function seed(
  { device, model, weights }: Runner,
  pass: ForwardPass,
  pairs: readonly Pair[],
  rule: AttributionRequest["rule"],
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
  });
  const gradient = workspace.allocate(hidden, "gradient");
  moveRows(device, "scatter", pairs.length, hidden, pass.lastRowsBuffer, lastGradient, gradient);
  return gradient;
}
