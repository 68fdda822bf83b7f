/** What a run will take, before it runs: memory by rehearsing it, time by a short trial of the adapter. */
import { blockStateBytes } from "../pass/block.ts";
import { scoreCells } from "../pass/workspace.ts";
import type { Device } from "../device/device.ts";
import type { GraphSettings, PlannedRun, Rule, RunPlan } from "../engine.ts";
import { countPasses } from "../explanation/attribution.ts";
import { fitStates, freeBytesFor, keepBytesFor, whyNot } from "./fit.ts";
import { checkGraphRequest } from "../explanation/graph.ts";
import { checkRequest } from "../pass/requests.ts";
import type { Question } from "../pass/seed.ts";
import { describeBytes, freeHostBytes, memorySetting, residentBytes } from "../device/memory.ts";
import type { ModelConfig } from "../model/config.ts";
import { type ModelDirectory, openModelDirectory } from "../model/directory.ts";
import { PANEL, panelsOf } from "../kernels/panels.ts";
import type { Runner } from "../pass/pass.ts";
import { measureSpeed, type Speed, type TimedRun, warmUp } from "./speed.ts";
import { skipsBlocks } from "./rehearsal.ts";
import { FLUSH_BYTES } from "../pass/weights.ts";

/** Host memory that loading leaves behind and later work does not use: at most, and as a share of the weights. */
const LEFT_BYTES = 32 * 2 ** 20;
const LEFT_SHARE = 1 / 6;

/** Tokens that have edges in a graph of packed products, as a share of all: not known before the run. */
const ACTIVE_SHARE = 0.5;

/**
 * What SwiftShader keeps of the run's own kernels beyond those of the warm-up, compiled code and the compiler's arenas:
 * 75 to 83 MB of resident memory with demo-1m, whatever the run and its length (docs/planning.md). Other drivers compile
 * in other processes' caches, or on the device.
 */
const SWIFTSHADER_BYTES = 78e6;

/**
 * Share of an attribution that its backward pass takes: a forward pass takes about a third, which runs twice where block
 * states are not kept. What several seeds of one prompt share is the forward pass.
 */
const BACKWARD_SHARE = { kept: 2 / 3, again: 1 / 2 } as const;

/**
 * Plans a run with a model that is not loaded. Throws InputError for bad requests and directories; what does not fit is
 * no error here.
 */
export async function planRun(device: Device, directory: string, run: PlannedRun): Promise<RunPlan> {
  const model = await openModelDirectory(directory);
  try {
    const requests = requestsOf(run);
    requests.forEach((request) => checkRequest(model.config, request));
    if (run.kind === "graph") checkGraphRequest(model.config, run.request);
    const free = freeBytesFor(device);
    // What is free now, less the weights, which are not loaded yet.
    const { weightBytes } = model;
    const passBytes = free === undefined ? undefined : Math.max(0, free - weightBytes);
    const { info } = device;
    const { use, keepBytes } = await fitStates({ on: device, model, passBytes }, run, {
      keepBytes: keepBytesFor(info, passBytes),
      bytesBefore: 0,
      free,
    });
    const [first] = requests;
    const start = first
      ? await warmUp(device, model, timedRun(model.config, run.kind, first.rule, first.inputIds.length, keepBytes))
      : 0;
    // Now this process holds what the run's would, its weights and buffers left out.
    const isSoftware = info.kind !== "hardware";
    const resident = residentBytes()?.now ?? 0;
    const baseline = resident - (isSoftware ? device.allocatedBytes() : 0);
    const gpuBytes = use.bufferBytes;
    const loading = weightBytes + Math.min(weightBytes, FLUSH_BYTES);
    const running = use.stagedBytes + Math.min(weightBytes * LEFT_SHARE, LEFT_BYTES);
    const compiled = /swiftshader/i.test(info.name) ? SWIFTSHADER_BYTES : 0;
    const hostBytes = Math.round(baseline + compiled + Math.max(loading, running) - gpuBytes);
    const seconds = Number((start + await predictSeconds(device, model, run, { keepBytes, passBytes })).toPrecision(3));
    const more = isSoftware ? gpuBytes + hostBytes - resident : gpuBytes;
    const wrong = whyNot(info, use, memorySetting() === undefined ? more : gpuBytes, free);
    const why = wrong ?? describeFit({ gpuBytes, hostBytes, isSoftware, free });
    return { gpuBytes, hostBytes, seconds, fits: wrong === null, why };
  } finally {
    model.close();
  }
}

const requestsOf = (run: PlannedRun): readonly Question[] => run.kind === "graph" ? [run.request] : run.requests;

function describeFit({ gpuBytes, hostBytes, isSoftware, free }: {
  readonly gpuBytes: number;
  readonly hostBytes: number;
  readonly isSoftware: boolean;
  readonly free: number | undefined;
}): string {
  const needs = `the run needs ${describeBytes(gpuBytes)} on the device and ${describeBytes(hostBytes)} beside it`;
  if (free === undefined) return `${needs}; how much the device has free is not known here`;
  const host = freeHostBytes();
  const beside = isSoftware || host === undefined ? "" : ` there, ${describeBytes(host)} beside it`;
  return `${needs}; ${describeBytes(free)} are free${beside}`;
}

function timedRun(
  config: ModelConfig,
  kind: PlannedRun["kind"],
  rule: Rule,
  tokens: number,
  keepBytes: number,
): TimedRun {
  const rows = panelsOf(tokens) * PANEL;
  return { kind, rule, tokens, kept: blockStateBytes(config, rows) * config.layers <= keepBytes };
}

/** Seconds of a run whose pipelines are compiled, without loading the model: each pass once, each gradient by itself. */
async function predictSeconds(
  device: Device,
  model: ModelDirectory,
  run: PlannedRun,
  { keepBytes, passBytes }: Pick<Runner, "keepBytes" | "passBytes">,
): Promise<number> {
  const { config } = model;
  const ofTokens = async (rule: Rule, tokens: number) => {
    const one = timedRun(config, run.kind, rule, tokens, keepBytes);
    return { speed: await measureSpeed(device, model, one), kept: one.kept };
  };
  if (run.kind === "graph") {
    const { inputIds: { length }, rule } = run.request;
    const { speed } = await ofTokens(rule, length);
    return speed.base + blockSeconds(device, config, speed, length) +
      packedSeconds(device, config, speed, run.request);
  }
  let seconds = 0;
  for (const { rule, sequences, targets } of countPasses({ device, model, keepBytes, passBytes }, run.requests)) {
    const { speed, kept } = await ofTokens(rule, Math.max(...sequences));
    const backward = kept ? BACKWARD_SHARE.kept : BACKWARD_SHARE.again;
    const forward = targets.length === 0 ? 1 : 1 - backward;
    for (const tokens of sequences) seconds += speed.base + forward * blockSeconds(device, config, speed, tokens);
    for (const { rule, rows } of targets) {
      const { speed } = await ofTokens(rule, rows);
      seconds += backward * blockSeconds(device, config, speed, rows);
    }
  }
  return seconds;
}

/** Seconds of all blocks of a run over this many tokens. */
function blockSeconds(device: Device, config: ModelConfig, { token, cell }: Speed, tokens: number): number {
  return config.attention.reduce(
    (sum, { window }) => sum + tokens * token + scoreCells(device, config, tokens, window) * cell,
    0,
  );
}

/** Seconds of a graph's packed products, about: each target is pulled back through the blocks that it skips. */
function packedSeconds(
  device: Device,
  config: ModelConfig,
  speed: Speed,
  request: Question & GraphSettings,
): number {
  if (!skipsBlocks(request)) return 0;
  const { rule, inputIds, minRelevance } = request;
  const listed = request.transitions ?? Array.from({ length: config.layers + 1 }, (_, layer) => layer);
  const blocks = listed.slice(1).reduce((sum, layer, index) => {
    const skipped = layer - (listed[index] as number);
    return sum + (skipped > 1 || rule === "gradient" ? skipped : 0);
  }, 0);
  const targets = inputIds.length * (minRelevance === 0 ? 1 : ACTIVE_SHARE);
  // A backward pass is about half of an attribution, and reaches half of the tokens on average.
  const half = Math.ceil(inputIds.length / 2);
  return targets * blocks * blockSeconds(device, config, speed, half) / config.layers / 2;
}
