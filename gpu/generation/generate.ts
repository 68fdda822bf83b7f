/**
 * Greedy decoding of many prompts at once: packed passes over the prompts, then one row a sequence and step against a
 * cache of keys and values. Prompts that begin alike are computed once, so rollouts of one case share its keys and
 * values.
 */
import { type BlockState, slot, type Workspace } from "../pass/operation.ts";
import { QUERY_KEY_VALUE } from "../pass/operations/heads.ts";
import { cacheShape, type DecodingSteps, MOST_STEPS, openSteps } from "./decode.ts";
import type { GenerateRequest, GenerateResult, RunOptions, TokenLogit } from "../engine.ts";
import { InputError } from "../errors.ts";
import { intervene, type Intervened } from "../pass/intervention.ts";
import { cacheStore } from "../kernels/decode.ts";
import { headColumns, type ModelConfig } from "../model/config.ts";
import { bordersOf, turnAlike } from "../model/rotary.ts";
import { rotationsOf } from "../pass/workspace.ts";
import { passRows, topAtRows } from "./next_tokens.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { forward, type Runner } from "../pass/pass.ts";

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

/** Device bytes of the keys and values of one pack of sequences, over all blocks. */
const CACHE_BYTES = 2 ** 30;
/** Share of a pass's memory that they may take. */
const CACHE_SHARE = 1 / 4;

/** A prompt that is computed once. */
interface Prompt {
  readonly ids: readonly number[];
  readonly intervened: Intervened;
  /** Cache row of its first token; a multiple of 16. */
  firstRow: number;
}

/** A sequence while it is decoded. */
interface Decoding {
  readonly request: GenerateRequest;
  /** Begins with the request's tokens. */
  readonly prompt: Prompt;
  /** Cache row of its first new token. */
  ownStart: number;
  readonly ids: number[];
  first: readonly TokenLogit[];
  stop: GenerateResult["stop"] | undefined;
  end: number | null;
}

/**
 * Greedy completions of checked requests, in their order. Where a context grows past a border from which positions turn by
 * other frequencies (longrope), it is computed again from its first token, as transformers does.
 */
export async function generateBatch(
  runner: Runner,
  requests: readonly GenerateRequest[],
  options: RunOptions,
): Promise<GenerateResult[]> {
  const { onTokens } = options;
  const borders = bordersOf(rotationsOf(runner.model.config));
  const before = requests.map((): readonly number[] => []);
  const results = new Array<GenerateResult>(requests.length);
  let open = requests.map((request, index) => ({ request, index }));
  while (open.length > 0) {
    const waiting = open;
    const parts = waiting.map(({ request }) => upToBorder(borders, request));
    const found = await completeBatch(runner, parts, {
      ...options,
      ...(onTokens && {
        onTokens: (ids) => {
          const all = [...before];
          waiting.forEach(({ index }, at) => all[index] = [...before[index] ?? [], ...ids[at] ?? []]);
          onTokens(all);
        },
      }),
    });
    open = [];
    waiting.forEach(({ request, index }, at) => {
      const part = found[at] as GenerateResult;
      const ids = [...before[index] ?? [], ...part.ids];
      results[index] = { ...part, ids, first: results[index]?.first ?? part.first };
      before[index] = ids;
      const left = request.maxTokens - part.ids.length;
      if (part.stop === "eos" || left <= 0 || runner.rehearsal) return;
      const { force: _, top: __, ...rest } = request;
      open.push({ request: { ...rest, inputIds: [...request.inputIds, ...part.ids], maxTokens: left }, index });
    });
  }
  return results;
}

/** The part of a request whose contexts all lie on one side of the next border. */
function upToBorder(borders: readonly number[], request: GenerateRequest): GenerateRequest {
  const tokens = request.inputIds.length;
  const border = borders.find((one) => tokens <= one);
  return border === undefined ? request : { ...request, maxTokens: Math.min(request.maxTokens, border - tokens + 1) };
}

async function completeBatch(
  runner: Runner,
  requests: readonly GenerateRequest[],
  options: RunOptions,
): Promise<GenerateResult[]> {
  const decodings = openDecodings(runner, requests);
  const { onTokens } = options;
  const onSteps = onTokens && (() => onTokens(decodings.map(({ ids }) => ids)));
  for (const pack of packs(runner, decodings)) await decodePack(runner, pack, { ...options, onSteps });
  return decodings.map(({ ids, first, stop, end }) => ({ ids, first, stop: stop ?? "length", end }));
}

/** Sequences with their prompts: a request whose tokens begin another's prompt shares it. */
function openDecodings({ model }: Runner, requests: readonly GenerateRequest[]): Decoding[] {
  const borders = bordersOf(rotationsOf(model.config));
  const prompts = new Map<number, Prompt>();
  const plain: number[] = [];
  requests.forEach((request, index) => {
    const { replace = [], hidden = [], attentionBias = [] } = request;
    // Under an intervention the same tokens have other keys and values.
    if (replace.length + hidden.length + attentionBias.length === 0) plain.push(index);
    else prompts.set(index, { ids: request.inputIds, intervened: intervene(model, request), firstRow: 0 });
  });
  const idsOf = (index: number) => (requests[index] as GenerateRequest).inputIds;
  // In this order all that begins alike stands together, the shorter first: from the end on, the longest come first.
  plain.sort((a, b) => compareIds(idsOf(a), idsOf(b)));
  let last: Prompt | undefined;
  for (const index of plain.reverse()) {
    const ids = idsOf(index);
    const shares = last && turnAlike(borders, ids.length, last.ids.length) &&
      ids.every((id, position) => id === last?.ids[position]);
    if (!last || !shares) {
      last = { ids, intervened: { embeddings: new Map(), bias: new Map() }, firstRow: 0 };
    }
    prompts.set(index, last);
  }
  return requests.map((request, index) => ({
    request,
    prompt: prompts.get(index) as Prompt,
    ownStart: 0,
    ids: [],
    first: [],
    stop: undefined,
    end: null,
  }));
}

function compareIds(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    if (a[index] !== b[index]) return (a[index] as number) - (b[index] as number);
  }
  return a.length - b.length;
}

const promptRows = ({ ids }: Prompt) => panelsOf(ids.length) * PANEL;
const ownRows = ({ request }: Decoding) => request.maxTokens + MOST_STEPS;

/** Sequences that fit the device's memory together; those that share a prompt stay together as far as they fit. */
function* packs(
  { device, model: { config }, passBytes = Infinity }: Runner,
  decodings: readonly Decoding[],
): Generator<Decoding[]> {
  const { bindingBytes } = device.info;
  const rowBytes = 8 * config.keyValueHeads * headColumns(config);
  const cacheBytes = Math.min(CACHE_BYTES, passBytes * CACHE_SHARE);
  const mostRows = Math.floor(Math.min(bindingBytes, cacheBytes / config.layers) / rowBytes / PANEL) * PANEL;
  const mostSequences = Math.max(1, Math.floor(bindingBytes / panelBytes(PANEL, config.vocabulary))) * PANEL;
  const order = new Map<Prompt, Decoding[]>();
  for (const decoding of decodings) order.set(decoding.prompt, [...order.get(decoding.prompt) ?? [], decoding]);
  let pack: Decoding[] = [];
  let rows = 0;
  let longest = 0;
  let last: Prompt | undefined;
  for (const decoding of [...order.values()].flat()) {
    const more = ownRows(decoding) + (decoding.prompt === last ? 0 : promptRows(decoding.prompt));
    const positions = Math.max(longest, decoding.request.inputIds.length + ownRows(decoding));
    const probability = 4 * (pack.length + 1) * config.heads * positions;
    if (
      pack.length > 0 && (rows + more > mostRows || pack.length >= mostSequences || probability > bindingBytes)
    ) {
      yield pack;
      pack = [];
      rows = 0;
      longest = 0;
    }
    rows += pack.length === 0 ? ownRows(decoding) + promptRows(decoding.prompt) : more;
    longest = Math.max(longest, decoding.request.inputIds.length + ownRows(decoding));
    last = decoding.prompt;
    pack.push(decoding);
  }
  if (pack.length > 0) yield pack;
}

/** Called after every few steps. */
interface DecodeOptions extends RunOptions {
  readonly onSteps: (() => void) | undefined;
}

async function decodePack(runner: Runner, pack: readonly Decoding[], options: DecodeOptions): Promise<void> {
  const { device, model: { config } } = runner;
  let cacheRows = 0;
  const prompts = [...new Set(pack.map(({ prompt }) => prompt))];
  for (const prompt of prompts) {
    prompt.firstRow = cacheRows;
    cacheRows += promptRows(prompt);
  }
  for (const decoding of pack) {
    decoding.ownStart = cacheRows;
    cacheRows += ownRows(decoding);
  }
  const keyWidth = 2 * config.keyValueHeads * headColumns(config);
  const owned: GPUBuffer[] = [];
  try {
    const caches = Array.from({ length: config.layers }, (_, layer) => {
      const cache = device.allocate(panelBytes(cacheRows, keyWidth), `keys and values of block ${layer}`);
      owned.push(cache);
      return cache;
    });
    for (const part of promptParts(prompts, passRows(runner))) {
      await prefill(runner, part, pack.filter(({ prompt }) => part.includes(prompt)), caches, options);
    }
    options.onProgress?.({ phase: "prefill", done: config.layers, total: config.layers });
    const bias = uploadCacheBias(runner, prompts, cacheRows);
    if (bias) owned.push(bias);
    await decodeAll(runner, pack, caches, bias, options);
  } finally {
    owned.forEach((buffer) => device.free(buffer));
  }
}

async function decodeAll(
  runner: Runner,
  pack: readonly Decoding[],
  caches: readonly GPUBuffer[],
  bias: GPUBuffer | undefined,
  options: DecodeOptions,
): Promise<void> {
  const { model: { config } } = runner;
  const total = Math.max(...pack.map(({ request }) => request.maxTokens));
  let active = pack.filter(({ stop }) => stop === undefined);
  while (active.length > 0) {
    const longest = Math.max(...active.map(({ request }) => request.inputIds.length + request.maxTokens));
    const rows = active.map((decoding) => ({
      promptTokens: decoding.request.inputIds.length,
      sharedStart: decoding.prompt.firstRow,
      ownStart: decoding.ownStart,
      ids: decoding.ids,
      get stopped() {
        return decoding.stop !== undefined;
      },
    }));
    const steps: DecodingSteps = openSteps(runner, rows, { caches, bias, longest });
    try {
      // Finished sequences leave when that saves a panel of rows.
      const limit = (panelsOf(active.length) - 1) * PANEL;
      let going = active;
      while (going.length > limit) {
        options.signal?.throwIfAborted();
        const most = Math.max(...going.map(({ request, ids }) => request.maxTokens - ids.length));
        for (const tokens of await steps.run(most)) {
          active.forEach((decoding, row) => advance(config, decoding, tokens[row] as number));
        }
        going = active.filter(({ stop }) => stop === undefined);
        options.onSteps?.();
        options.onProgress?.({ phase: "decode", done: Math.max(...pack.map(({ ids }) => ids.length)), total });
        // The first steps take as much memory as all.
        if (runner.rehearsal) going = [];
        if (going.length === 0) break;
      }
      active = going;
    } finally {
      steps.free();
    }
  }
}

/** Takes a chosen token, unless the sequence has ended. A token that ends it is not part of its ids. */
function advance({ eosIds }: ModelConfig, decoding: Decoding, token: number): void {
  if (decoding.stop !== undefined) return;
  if (eosIds.includes(token)) {
    decoding.stop = "eos";
    decoding.end = token;
    return;
  }
  decoding.ids.push(token);
  if (decoding.ids.length >= decoding.request.maxTokens) decoding.stop = "length";
}

/** Prompts in runs that one pass computes. */
function* promptParts(prompts: readonly Prompt[], mostRows: number): Generator<readonly Prompt[]> {
  let part: Prompt[] = [];
  let rows = 0;
  for (const prompt of prompts) {
    if (part.length > 0 && rows + promptRows(prompt) > mostRows) {
      yield part;
      part = [];
      rows = 0;
    }
    part.push(prompt);
    rows += promptRows(prompt);
  }
  if (part.length > 0) yield part;
}

/** Runs prompts, fills the caches, and chooses the first new token of each of their sequences. */
async function prefill(
  runner: Runner,
  prompts: readonly Prompt[],
  decodings: readonly Decoding[],
  caches: readonly GPUBuffer[],
  options: RunOptions,
): Promise<void> {
  const { device, model: { config } } = runner;
  let targetRows: GPUBuffer | undefined;
  const pass = await forward(runner, prompts.map(({ ids }) => ids), options, {
    purpose: "prefill",
    interventions: prompts.map(({ intervened }) => intervened),
    afterBlock(layer: number, workspace: Workspace, state: BlockState) {
      targetRows ??= uploadPromptRows(workspace, prompts);
      cacheStore(device, {
        ...cacheShape(workspace, state, caches[layer] as GPUBuffer),
        x: slot(state, QUERY_KEY_VALUE),
        targetRows,
      });
    },
  });
  try {
    const asked = decodings.filter(({ request }) => request.force === undefined || (request.top ?? 0) > 0);
    const rows = asked.map(({ request, prompt }) => {
      const { firstRow } = pass.workspace.sequences[prompts.indexOf(prompt)] as { readonly firstRow: number };
      return firstRow + request.inputIds.length - 1;
    });
    const top = Math.max(1, ...asked.map(({ request }) => request.top ?? 0));
    const found = asked.length > 0 ? await topAtRows(runner, pass, rows, top, options) : [];
    asked.forEach((decoding, index) => decoding.first = found[index] ?? []);
    for (const decoding of decodings) {
      const { force, top = 0 } = decoding.request;
      advance(config, decoding, force ?? (decoding.first[0] as TokenLogit).id);
      decoding.first = decoding.first.slice(0, top);
    }
  } finally {
    pass.workspace.free();
  }
}

/** What is added to the scores toward each cache row, [cache rows]; undefined where nothing is. */
function uploadCacheBias({ device }: Runner, prompts: readonly Prompt[], rows: number): GPUBuffer | undefined {
  if (prompts.every(({ intervened: { bias } }) => bias.size === 0)) return undefined;
  const values = new Float32Array(rows);
  for (const { intervened: { bias }, firstRow } of prompts) {
    for (const [position, added] of bias) values[firstRow + position] = added;
  }
  const buffer = device.allocate(values.byteLength, "bias of the cache's scores");
  device.write(buffer, 0, values);
  return buffer;
}

/** The cache row of each row of the prompts' workspace; padding goes where it does no harm: over its own padding. */
function uploadPromptRows(workspace: Workspace, prompts: readonly Prompt[]): GPUBuffer {
  const { device, rows, sequences } = workspace;
  const targets = new Uint32Array(rows);
  sequences.forEach(({ firstRow, length }, index) => {
    const { firstRow: cacheRow } = prompts[index] as Prompt;
    for (let i = 0; i < panelsOf(length) * PANEL; i++) targets[firstRow + i] = cacheRow + i;
  });
  const buffer = workspace.adopt(device.allocate(targets.byteLength, "cache rows of the prompts"));
  device.write(buffer, 0, targets);
  return buffer;
}

/** The `count` largest logits, largest first. */
export function largest(logits: Float32Array, count: number): TokenLogit[] {
  const ids = Uint32Array.from(logits.keys()).sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
  return Array.from(ids.subarray(0, count), (id) => ({ id, logit: logits[id] as number }));
}
