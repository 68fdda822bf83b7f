/**
 * Greedy decoding of many prompts at once: one packed pass over the prompts, then one row a sequence and step against a
 * cache of keys and values.
 */
import { blockForward, type BlockState, openWorkspace, project, type Workspace } from "./blocks.ts";
import type { GenerateRequest, GenerateResult, RunOptions, TokenLogit } from "./engine.ts";
import { InputError } from "./errors.ts";
import { intervene, type Intervened } from "./intervention.ts";
import { argmaxReference, argmaxRows, cacheStore, decodeAttention } from "./kernels/decode.ts";
import { rmsNorm } from "./kernels/norm.ts";
import type { LayerAttention, ModelConfig } from "./model/config.ts";
import { PANEL, panelBytes, panelsOf } from "./panels.ts";
import { embedRows, forward, lastLogits, type Runner } from "./pass.ts";
import type { BlockWeights } from "./weights.ts";

/** Checks what a generation asks for beyond its ids. Throws InputError. */
export function checkGenerateRequest(config: ModelConfig, { inputIds, maxTokens, top = 0 }: GenerateRequest): void {
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new InputError(`${maxTokens} is no number of tokens`, "maxTokens", "use a positive whole number");
  }
  if (inputIds.length + maxTokens > config.maxPositions) {
    throw new InputError(
      `${inputIds.length} prompt tokens and ${maxTokens} new ones are more than the model's ${config.maxPositions}`,
      "maxTokens",
      `use at most ${Math.max(0, config.maxPositions - inputIds.length)}`,
    );
  }
  if (!Number.isInteger(top) || top < 0) throw new InputError(`${top} is no count`, "top", "use a whole number");
}

/** A sequence while it is decoded. */
interface Decoding {
  readonly request: GenerateRequest;
  readonly intervened: Intervened;
  /** First cache row. */
  readonly firstRow: number;
  readonly ids: number[];
  first: readonly TokenLogit[];
  /** The token that was chosen last; enters the next step. */
  next: number;
  stop: GenerateResult["stop"] | undefined;
}

/** Greedy completions of checked requests, in their order. */
export async function generateBatch(
  runner: Runner,
  requests: readonly GenerateRequest[],
  options: RunOptions,
): Promise<GenerateResult[]> {
  if (requests.length === 0) return [];
  const { device, model: { config } } = runner;
  let cacheRows = 0;
  const decodings = requests.map((request): Decoding => {
    const firstRow = cacheRows;
    // The last new token is never attended to.
    cacheRows += panelsOf(request.inputIds.length + request.maxTokens - 1) * PANEL;
    const intervened = intervene(runner.model, request);
    return { request, intervened, firstRow, ids: [], first: [], next: 0, stop: undefined };
  });
  const keyWidth = 2 * config.keyValueHeads * config.headDimension;
  const caches: GPUBuffer[] = [];
  try {
    for (let layer = 0; layer < config.layers; layer++) {
      caches.push(device.allocate(panelBytes(cacheRows, keyWidth), `keys and values of block ${layer}`));
    }
    await prefill(runner, decodings, caches, options);
    const bias = uploadCacheBias(runner, decodings, cacheRows);
    if (bias) caches.push(bias);
    let active = decodings.filter((decoding) => advance(config, decoding));
    const total = Math.max(...requests.map(({ maxTokens }) => maxTokens));
    while (active.length > 0) {
      const step = openStep(runner, active, caches, bias);
      try {
        // Finished sequences leave when that saves a panel of rows.
        const limit = (panelsOf(active.length) - 1) * PANEL;
        while (active.length > limit) {
          options.signal?.throwIfAborted();
          await step.run();
          const going = active.filter((decoding) => decoding.stop === undefined);
          for (const decoding of going) advance(config, decoding);
          active = going.filter((decoding) => decoding.stop === undefined);
          options.onProgress?.({ phase: "decode", done: Math.max(...decodings.map(({ ids }) => ids.length)), total });
          if (active.length === 0) break;
        }
      } finally {
        step.free();
      }
    }
    return decodings.map(({ ids, first, stop }) => ({ ids, first, stop: stop ?? "length" }));
  } finally {
    caches.forEach((cache) => device.free(cache));
  }
}

/** Takes the token chosen last; false when the sequence ends with it. The end token itself is not part of the ids. */
function advance({ eosIds }: ModelConfig, decoding: Decoding): boolean {
  if (eosIds.includes(decoding.next)) decoding.stop = "eos";
  else {
    decoding.ids.push(decoding.next);
    if (decoding.ids.length >= decoding.request.maxTokens) decoding.stop = "length";
  }
  return decoding.stop === undefined;
}

/** Runs the prompts, fills the caches, and chooses each sequence's first new token. */
async function prefill(
  runner: Runner,
  decodings: readonly Decoding[],
  caches: readonly GPUBuffer[],
  options: RunOptions,
): Promise<void> {
  const { device, model: { config } } = runner;
  const sequences = decodings.map(({ request }) => request.inputIds);
  let targetRows: GPUBuffer | undefined;
  const pass = await forward(runner, sequences, options, {
    purpose: "prefill",
    interventions: decodings.map(({ intervened }) => intervened),
    afterBlock(layer, workspace, state) {
      targetRows ??= uploadPromptRows(workspace, decodings);
      cacheStore(device, {
        ...cacheShape(workspace, state, caches[layer] as GPUBuffer),
        x: state.queryKeyValue,
        targetRows,
      });
    },
  });
  try {
    const logits = await lastLogits(runner, pass);
    decodings.forEach((decoding, index) => {
      const values = logits[index] as Float32Array;
      decoding.first = largest(values, decoding.request.top ?? 0);
      decoding.next = decoding.request.force ?? argmaxReference(values);
    });
  } finally {
    pass.workspace.free();
  }
  options.onProgress?.({ phase: "prefill", done: config.layers, total: config.layers });
}

/** What is added to the scores toward each cache row, [cache rows]; undefined where nothing is. */
function uploadCacheBias({ device }: Runner, decodings: readonly Decoding[], rows: number): GPUBuffer | undefined {
  if (decodings.every(({ intervened: { bias } }) => bias.size === 0)) return undefined;
  const values = new Float32Array(rows);
  for (const { intervened: { bias }, firstRow } of decodings) {
    for (const [position, added] of bias) values[firstRow + position] = added;
  }
  const buffer = device.allocate(values.byteLength, "bias of the cache's scores");
  device.write(buffer, 0, values);
  return buffer;
}

/** The cache row of each row of the prompts' workspace; padding goes where it does no harm: over its own padding. */
function uploadPromptRows(workspace: Workspace, decodings: readonly Decoding[]): GPUBuffer {
  const { device, rows, sequences } = workspace;
  const targets = new Uint32Array(rows);
  sequences.forEach(({ firstRow, length }, index) => {
    const { firstRow: cacheRow } = decodings[index] as Decoding;
    for (let i = 0; i < panelsOf(length) * PANEL; i++) targets[firstRow + i] = cacheRow + i;
  });
  const buffer = workspace.adopt(device.allocate(targets.byteLength, "cache rows of the prompts"));
  device.write(buffer, 0, targets);
  return buffer;
}

function cacheShape({ config, rows }: Workspace, state: BlockState, cache: GPUBuffer) {
  return {
    rows,
    queryHeads: config.heads,
    keyHeads: config.keyValueHeads,
    headDimension: config.headDimension,
    rotated: state.rotated,
    cache,
  };
}

/** The `count` largest logits, largest first. */
export function largest(logits: Float32Array, count: number): TokenLogit[] {
  const ids = Uint32Array.from(logits.keys()).sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
  return Array.from(ids.subarray(0, count), (id) => ({ id, logit: logits[id] as number }));
}

/** Buffers and the work of decoding steps over one set of sequences. */
function openStep(
  { device, model, weights }: Runner,
  active: readonly Decoding[],
  caches: readonly GPUBuffer[],
  bias: GPUBuffer | undefined,
) {
  const { config } = model;
  // All sequences' new rows form one matrix.
  const workspace = openWorkspace(device, config, [active.length]);
  const { rows } = workspace;
  const own = (bytes: number, label: string) => workspace.adopt(device.allocate(bytes, label));
  const longest = Math.max(...active.map(({ request }) => request.inputIds.length + request.maxTokens));
  const nodes = [
    workspace.allocate(config.hidden, "rows"),
    workspace.allocate(config.hidden, "rows of the next block"),
  ];
  const states = nodes.map((node) => workspace.blockState(node));
  const normed = workspace.allocate(config.hidden, "rows, normed");
  const scale = own(rows * 4, "final norm's scale");
  const logits = own(panelBytes(rows, config.vocabulary), "logits");
  const chosen = own(rows * 4, "chosen tokens");
  const targetRows = own(rows * 4, "cache rows");
  const windows = [...new Set(config.attention.map(({ window }) => window))];
  const spans = new Map(windows.map((window) => [window, own(rows * 8, "cache spans")]));
  const probability = own(active.length * config.heads * longest * 4, "attention probabilities");

  async function run(): Promise<void> {
    const lengths = active.map(({ request, ids }) => request.inputIds.length + ids.length);
    // The new token stands at the last position. Sequences that have stopped run on over their last row, unread.
    workspace.setPositions(lengths.map((length) => length - 1));
    device.write(nodes[0] as GPUBuffer, 0, embedRows(model, rows, active.map(({ ids }) => ids.at(-1) as number)));
    const last = active.map(({ firstRow }, index) => firstRow + (lengths[index] as number) - 1);
    const ends = last.map((row, index) => Math.min(row, lastCacheRow(active[index] as Decoding)));
    device.write(
      targetRows,
      0,
      Uint32Array.from({ length: rows }, (_, row) => ends[Math.min(row, ends.length - 1)] as number),
    );
    for (const [window, buffer] of spans) {
      const pairs = active.flatMap(({ firstRow }, index) => {
        const end = (ends[index] as number) + 1;
        return [window === null ? firstRow : Math.max(firstRow, end - window), end];
      });
      device.write(buffer, 0, Uint32Array.from(pairs));
    }
    for (let layer = 0; layer < config.layers; layer++) {
      const block = weights.blocks[layer] as BlockWeights;
      const state = states[layer % 2] as BlockState;
      blockForward(workspace, block, state, nodes[(layer + 1) % 2] as GPUBuffer, (attention: LayerAttention) => {
        const shape = { ...cacheShape(workspace, state, caches[layer] as GPUBuffer), rows: active.length };
        cacheStore(device, { ...shape, x: state.queryKeyValue, targetRows });
        decodeAttention(device, {
          ...shape,
          spans: spans.get(attention.window) as GPUBuffer,
          longest,
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
    const tokens = new Uint32Array(await device.read(chosen, 0, active.length * 4));
    active.forEach((decoding, index) => {
      if (decoding.stop === undefined) decoding.next = tokens[index] as number;
    });
  }
  return { run, free: workspace.free };
}

/** The last row of a sequence's part of the cache. */
function lastCacheRow({ request, firstRow }: Decoding): number {
  return firstRow + panelsOf(request.inputIds.length + request.maxTokens - 1) * PANEL - 1;
}
