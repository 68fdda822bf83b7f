/**
 * Sequences that wait for room, are decoded together, one row each a step against a cache of keys and values, and leave
 * when they end; others take their rows then, so that no sequence is computed until the longest of a batch has ended.
 * What a sequence says does not depend on what it is decoded with.
 */
import type { RunOptions } from "../engine.ts";
import { decodeScratchBytes } from "../kernels/decode.ts";
import { PANEL, panelBytes } from "../kernels/panels.ts";
import { headColumns } from "../model/config.ts";
import type { Runner } from "../pass/pass.ts";
import { type DecodingRow, type DecodingSteps, MOST_STEPS, openSteps } from "./decode.ts";
import { prefill } from "./prefill.ts";
import { openRowPool, type RowPool } from "./row_pool.ts";
import { advance, type Decoding, ownRows, type Prompt, promptRows } from "./sequence.ts";

/** Device bytes of the keys and values of all sequences that are decoded together, over all blocks. */
const CACHE_BYTES = 2 ** 30;
/** Share of a pass's memory that they may take. */
const CACHE_SHARE = 1 / 4;
/** Sequences that are decoded together at most: more make no step cheaper for each of them. */
const MOST_SEQUENCES = { hardware: 512, software: 64 };
/** Rows are put together anew when so much of them belongs to sequences that have ended. */
const ENDED_SHARE = 1 / 8;

/** Called after every few steps. */
interface QueueOptions extends RunOptions {
  readonly onSteps: (() => void) | undefined;
}

/** The caches of all blocks, and who is in them. */
interface Cache {
  readonly caches: readonly GPUBuffer[];
  /** Added to the scores toward each row; undefined where nothing is ever. */
  readonly bias: GPUBuffer | undefined;
  readonly pool: RowPool;
  /** Prompts that lie in the caches, each with those of its sequences that have not ended. */
  readonly prompts: Map<Prompt, Set<Decoding>>;
}

/** Decodes all sequences to their ends. */
export async function decodeAll(
  runner: Runner,
  decodings: readonly Decoding[],
  options: QueueOptions,
): Promise<void> {
  if (decodings.length === 0) return;
  const { device, rehearsal } = runner;
  const owned: GPUBuffer[] = [];
  try {
    const cache = openCache(runner, decodings, owned);
    // Those that share a prompt stand together, so that it need not stay for long.
    const waiting = [...Map.groupBy(decodings, ({ prompt }) => prompt).values()].flat();
    let active: Decoding[] = [];
    while (active.length > 0 || waiting.length > 0) {
      options.signal?.throwIfAborted();
      active.push(...await admit(runner, cache, { active, waiting, decodings }, options));
      active = dismiss(runner, cache, active);
      if (active.length > 0) await decodeUntilSomeEnd(runner, cache, { active, waiting, decodings }, options);
      // The first steps take as much memory as all.
      if (rehearsal) active.forEach((decoding) => decoding.stop ??= "length");
      active = dismiss(runner, cache, active);
    }
  } finally {
    owned.forEach((buffer) => device.free(buffer));
  }
}

/** Caches for as many of the sequences as may be there at once, one alone at least. */
function openCache(runner: Runner, decodings: readonly Decoding[], owned: GPUBuffer[]): Cache {
  const { device, model: { config }, passBytes = Infinity } = runner;
  const keyWidth = 2 * config.keyValueHeads * headColumns(config);
  const bytes = Math.min(CACHE_BYTES, passBytes * CACHE_SHARE) / config.layers;
  const most = Math.floor(Math.min(device.info.bindingBytes, bytes) / (4 * keyWidth) / PANEL) * PANEL;
  const prompts = new Set(decodings.map(({ prompt }) => prompt));
  const all = [...prompts].reduce((sum, prompt) => sum + promptRows(prompt), 0) +
    decodings.reduce((sum, decoding) => sum + ownRows(decoding), 0);
  const single = Math.max(...decodings.map((decoding) => promptRows(decoding.prompt) + ownRows(decoding)));
  const rows = Math.max(single, Math.min(most, all));
  const own = (size: number, label: string) => {
    const buffer = device.allocate(size, label);
    owned.push(buffer);
    return buffer;
  };
  const isBiased = [...prompts].some(({ intervened: { bias } }) => bias.size > 0);
  return {
    caches: Array.from(
      { length: config.layers },
      (_, layer) => own(panelBytes(rows, keyWidth), `keys and values of block ${layer}`),
    ),
    bias: isBiased ? own(rows * 4, "bias of the cache's scores") : undefined,
    pool: openRowPool(rows),
    prompts: new Map(),
  };
}

interface Sequences {
  readonly active: readonly Decoding[];
  /** Taken from the front. */
  readonly waiting: Decoding[];
  readonly decodings: readonly Decoding[];
}

/** Takes those that wait, in their order, as far as there is room, and computes their prompts. */
async function admit(
  runner: Runner,
  cache: Cache,
  { active, waiting, decodings }: Sequences,
  options: RunOptions,
): Promise<Decoding[]> {
  const admitted: Decoding[] = [];
  const fresh: Prompt[] = [];
  for (let next = waiting[0]; next; next = waiting[0]) {
    if (next.stop !== undefined) {
      waiting.shift();
      forget(runner, cache, next);
      continue;
    }
    if (!hasRoom(runner, [...active, ...admitted, next])) break;
    if (!place(cache, next, decodings, fresh)) {
      if (active.length + admitted.length > 0) break;
      // A prompt that waits for its sequences cuts what is free in two: it is computed again where all is free.
      evict(runner, cache, next.prompt);
      continue;
    }
    waiting.shift();
    admitted.push(next);
  }
  if (fresh.length === 0) return admitted;
  fresh.forEach((prompt) => writeBias(runner, cache, prompt, (position) => prompt.intervened.bias.get(position) ?? 0));
  const { layers } = runner.model.config;
  await prefill(runner, fresh, decodings, cache.caches, options);
  options.onProgress?.({ phase: "prefill", done: layers, total: layers });
  return admitted;
}

/** Whether the device has room for what a step over these holds. */
function hasRoom({ device: { info }, model: { config } }: Runner, decodings: readonly Decoding[]): boolean {
  const { bindingBytes, kind } = info;
  if (decodings.length === 1) return true;
  const { sums } = decodeScratchBytes({
    rows: decodings.length,
    queryHeads: config.heads,
    headColumns: headColumns(config),
    longest: Math.max(...decodings.map(({ request }) => request.inputIds.length + request.maxTokens + MOST_STEPS)),
  });
  return decodings.length <= MOST_SEQUENCES[kind === "hardware" ? "hardware" : "software"] && sums <= bindingBytes &&
    panelBytes(decodings.length, config.vocabulary) <= bindingBytes;
}

/** Takes rows for a sequence, and for its prompt where that is not in the caches: then it is `fresh`. */
function place(
  { pool, prompts }: Cache,
  decoding: Decoding,
  decodings: readonly Decoding[],
  fresh: Prompt[],
): boolean {
  const { prompt } = decoding;
  const isThere = prompts.has(prompt);
  const first = isThere ? prompt.firstRow : pool.take(promptRows(prompt));
  if (first === undefined) return false;
  const own = pool.take(ownRows(decoding));
  if (own === undefined) {
    if (!isThere) pool.give(first, promptRows(prompt));
    return false;
  }
  decoding.ownStart = own;
  if (isThere) return true;
  prompt.firstRow = first;
  prompts.set(prompt, new Set(decodings.filter((one) => one.prompt === prompt && one.stop === undefined)));
  fresh.push(prompt);
  return true;
}

/** Gives back the rows of those that have ended; returns the others. */
function dismiss(runner: Runner, cache: Cache, active: readonly Decoding[]): Decoding[] {
  for (const decoding of active) {
    if (decoding.stop === undefined) continue;
    cache.pool.give(decoding.ownStart, ownRows(decoding));
    forget(runner, cache, decoding);
  }
  return active.filter(({ stop }) => stop === undefined);
}

/** A sequence needs its prompt no more. */
function forget(runner: Runner, cache: Cache, decoding: Decoding): void {
  const users = cache.prompts.get(decoding.prompt);
  users?.delete(decoding);
  if (users?.size === 0) evict(runner, cache, decoding.prompt);
}

function evict(runner: Runner, cache: Cache, prompt: Prompt): void {
  if (!cache.prompts.delete(prompt)) return;
  cache.pool.give(prompt.firstRow, promptRows(prompt));
  writeBias(runner, cache, prompt, () => 0);
}

/** Writes what is added to the scores toward a prompt's rows, where anything is. */
function writeBias({ device }: Runner, { bias }: Cache, prompt: Prompt, added: (position: number) => number): void {
  if (!bias || prompt.intervened.bias.size === 0) return;
  device.write(bias, prompt.firstRow * 4, Float32Array.from(prompt.ids, (_, position) => added(position)));
}

/** Decodes until so many have ended that it pays to put the rows together anew. */
async function decodeUntilSomeEnd(
  runner: Runner,
  { caches, bias }: Cache,
  { active, decodings }: Sequences,
  options: QueueOptions,
): Promise<void> {
  const { model: { config } } = runner;
  const longest = Math.max(...active.map(({ request }) => request.inputIds.length + request.maxTokens));
  const total = Math.max(...decodings.map(({ request }) => request.maxTokens));
  const steps: DecodingSteps = openSteps(runner, active.map(rowOf), { caches, bias, longest });
  try {
    const enough = Math.max(1, Math.floor(active.length * ENDED_SHARE));
    for (let going: readonly Decoding[] = active; active.length - going.length < enough;) {
      options.signal?.throwIfAborted();
      const most = Math.max(...going.map(({ request, ids }) => request.maxTokens - ids.length));
      for (const tokens of await steps.run(most)) {
        active.forEach((decoding, row) => advance(config, decoding, tokens[row] as number));
      }
      going = active.filter(({ stop }) => stop === undefined);
      options.onSteps?.();
      options.onProgress?.({ phase: "decode", done: Math.max(...decodings.map(({ ids }) => ids.length)), total });
      if (runner.rehearsal) break;
    }
  } finally {
    steps.free();
  }
}

const rowOf = (decoding: Decoding): DecodingRow => ({
  promptTokens: decoding.request.inputIds.length,
  sharedStart: decoding.prompt.firstRow,
  ownStart: decoding.ownStart,
  ids: decoding.ids,
  ablation: decoding.prompt.intervened.ablation,
  get stopped() {
    return decoding.stop !== undefined;
  },
});
