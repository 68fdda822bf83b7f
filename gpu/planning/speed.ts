/**
 * How fast an adapter runs a model's blocks, measured on blocks of zeros: at the run's own shapes and with the run's own
 * code, at a length that takes moments. Results are kept in CULPRIT_HOME for a day.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attributeAll } from "../explanation/attribution.ts";
import { countedOf } from "../pass/block.ts";
import { scoreCells } from "../pass/workspace.ts";
import { TILE_LIMITS } from "../explanation/closed_form.ts";
import { cacheFolder } from "../device/cache_folder.ts";
import type { Device } from "../device/device.ts";
import type { PlannedRun, Rule } from "../engine.ts";
import { buildGraph } from "../explanation/graph.ts";
import type { ModelConfig } from "../model/config.ts";
import type { ModelDirectory } from "../model/directory.ts";
import { blockLayout, requiredTensors } from "../model/layout.ts";
import type { ModelTensor } from "../model/tensor.ts";
import type { Runner } from "../pass/pass.ts";
import { freeWeights, layOutWeights } from "../pass/weights.ts";

/** What a run costs on an adapter once its pipelines are compiled, in seconds. */
export interface Speed {
  /** A run without blocks. */
  readonly base: number;
  /** A block, for each token, attention's scores left out. */
  readonly token: number;
  /** A block, for each score that is computed, of all heads. */
  readonly cell: number;
}

export interface TimedRun {
  readonly kind: PlannedRun["kind"];
  readonly rule: Rule;
  /** Tokens of the run. */
  readonly tokens: number;
  /** Whether block states are kept, or computed again. */
  readonly kept: boolean;
}

/** Floating point operations of a trial at most; some tenths of a second each. */
const TRIAL_OPERATIONS = { hardware: 4e11, system: 5e9, bundled: 1.5e9 } as const;
const SHORTEST = 16;
/** Short runs are repeated until they have taken this long, or as often. */
const ENOUGH_SECONDS = 0.4;
const MOST_RUNS = 12;
const MOST_TOKENS = 2048;
/** A model whose blocks have little left but their attention. */
const narrowed = (config: ModelConfig): ModelConfig => ({
  ...config,
  hidden: 16,
  mlp: config.mlp.map((mlp) => ({ ...mlp, width: 16 })),
});
const DAY = 24 * 3600 * 1000;

/** Measures, or finds what was measured before. */
export async function measureSpeed(device: Device, model: ModelDirectory, run: TimedRun): Promise<Speed> {
  const { architecture, hidden, heads, keyValueHeads, headDimension, mlp: [mlp], biases } = model.config;
  const shape = { architecture, hidden, heads, keyValueHeads, headDimension, mlp, biases, dtype: dtypeOf(model) };
  const lengths = trialLengths(device, model.config, run.tokens);
  const key = JSON.stringify([device.info.name, { ...run, tokens: undefined }, shape, lengths, sourcesHash()]);
  const path = join(cacheFolder(), "speeds", `${createHash("sha256").update(key).digest("hex").slice(0, 32)}.json`);
  const known = readSpeed(path);
  if (known) return known;
  const speed = await measure(device, model, run, lengths);
  mkdirSync(join(cacheFolder(), "speeds"), { recursive: true });
  const partial = `${path}.${Deno.pid}`;
  writeFileSync(partial, JSON.stringify(speed));
  renameSync(partial, path);
  return speed;
}

/**
 * Runs the smallest run of its kind, for its pipelines to be compiled. Returns the seconds that took, beyond the run's
 * own: what the first run of a process takes more than the others.
 */
export async function warmUp(device: Device, model: ModelDirectory, run: TimedRun): Promise<number> {
  const { first, seconds } = await timeRun(device, model, narrowed(model.config), 1, run, SHORTEST);
  return Math.max(0, first - seconds);
}

function readSpeed(path: string): Speed | undefined {
  try {
    if (Date.now() - statSync(path).mtimeMs > DAY) return undefined;
    const { base, token, cell } = JSON.parse(readFileSync(path, "utf8"));
    return [base, token, cell].every(Number.isFinite) ? { base, token, cell } : undefined;
  } catch {
    // Nothing was measured, or what was written is not whole.
    return undefined;
  }
}

/** Kernels that change are measured again. */
function sourcesHash(): string {
  const hash = createHash("sha256");
  const folder = join(import.meta.dirname as string, "..", "kernels");
  for (const name of readdirSync(folder).sort()) hash.update(readFileSync(join(folder, name)));
  const operations = join(import.meta.dirname as string, "..", "pass", "operations");
  for (const name of readdirSync(operations).sort()) hash.update(readFileSync(join(operations, name)));
  return hash.digest("hex");
}

/** The dtype of the first block's first matrix. */
function dtypeOf(model: ModelDirectory): string {
  const [matrix] = blockLayout(model.config, 0).matrices;
  return model.tensor(matrix?.sources[0]?.name as string).info.dtype;
}

interface Lengths {
  /** Tokens of the trial with whole blocks, and of the one with narrow blocks. */
  readonly whole: number;
  readonly narrow: number;
}

function trialLengths(device: Device, config: ModelConfig, tokens: number): Lengths {
  const most = TRIAL_OPERATIONS[device.info.kind];
  const { perToken, perScore } = countedOf(config, 0);
  // A token of an attribution takes about three times its forward pass, a score three and a half times.
  const bound = (length: number) => Math.min(tokens, MOST_TOKENS, Math.max(SHORTEST, Math.floor(length)));
  return {
    whole: bound(most / (3 * perToken)),
    narrow: bound(Math.sqrt(most / (3.5 * perScore))),
  };
}

async function measure(device: Device, model: ModelDirectory, run: TimedRun, lengths: Lengths): Promise<Speed> {
  const { config } = model;
  const narrow = narrowed(config);
  const narrowOne = await timeRun(device, model, narrow, 1, run, lengths.narrow);
  const narrowTwo = await timeRun(device, model, narrow, 2, run, lengths.narrow);
  const one = await timeRun(device, model, config, 1, run, lengths.whole);
  const two = await timeRun(device, model, config, 2, run, lengths.whole);
  const cells = (length: number) => scoreCells(device, config, length, null);
  const cell = Math.max(0, narrowTwo.seconds - narrowOne.seconds) / cells(lengths.narrow);
  const block = Math.max(0, two.seconds - one.seconds);
  const token = Math.max(block * 0.1, block - cell * cells(lengths.whole)) / lengths.whole;
  return {
    base: Math.max(0, one.seconds - block),
    token,
    cell,
  };
}

/** Runs of a model of zeros: the first, and the shortest of all. */
async function timeRun(
  device: Device,
  model: ModelDirectory,
  config: ModelConfig,
  layers: number,
  run: TimedRun,
  tokens: number,
): Promise<{ first: number; seconds: number }> {
  const zeros = zeroModel(model, { ...config, layers, vocabulary: 16 });
  const weights = await layOutWeights(device, zeros);
  const runner: Runner = { device, model: zeros, weights, keepBytes: run.kept ? Infinity : 0, tiles: TILE_LIMITS };
  const inputIds = new Array<number>(tokens).fill(0);
  const request = { inputIds, target: 1, contrast: 2, rule: run.rule };
  // Relevance of zeros is 0: with this bound all tokens have edges in the closed form. Packed products are counted apart.
  const minRelevance = run.rule === "gradient" ? Infinity : 0;
  const once = async () => {
    const start = performance.now();
    if (run.kind === "graph") await buildGraph(runner, { ...request, minRelevance }, {});
    else await attributeAll(runner, [request], {});
    return (performance.now() - start) / 1000;
  };
  try {
    const first = await once();
    let seconds = await once();
    for (let total = first + seconds, runs = 2; total < ENOUGH_SECONDS && runs < MOST_RUNS; runs++) {
      const again = await once();
      total += again;
      seconds = Math.min(seconds, again);
    }
    return { first, seconds: Math.min(first, seconds) };
  } finally {
    freeWeights(device, weights);
  }
}

/** A model of this shape whose tensors are all zero. */
function zeroModel(model: ModelDirectory, config: ModelConfig): ModelDirectory {
  const cut = {
    ...config,
    attention: config.attention.slice(0, config.layers).map((layer) => ({ ...layer, window: null })),
    mlp: config.mlp.slice(0, config.layers),
  };
  const dtype = dtypeOf(model);
  const [first] = requiredTensors(config);
  const { path } = model.tensor(first?.name as string);
  const tensors = new Map(
    requiredTensors(cut).map(({ name, shape }): [string, ModelTensor] => {
      const bytes = shape.reduce((product, size) => product * size, dtype === "F32" ? 4 : 2);
      return [name, { path, info: { name, dtype, shape, bytes }, readInto: () => {} }];
    }),
  );
  return { ...model, config: cut, tensors, tensor: (name) => tensors.get(name) as ModelTensor, readInto: () => {} };
}
