/** A model on a device, as `gpu/engine.ts` promises it: requests checked, run one after another. */
import { attributeAll, attributeSeeds } from "./explanation/attribution.ts";
import { TILE_LIMITS } from "./explanation/closed_form.ts";
import { tune } from "./kernels/autotune.ts";
import type { Device } from "./device/device.ts";
import type { AttributionResult, Lane, LoadedModel, RunOptions } from "./engine.ts";
import { buildComponentEdges, checkComponentEdges } from "./explanation/component_edges.ts";
import { attributeTotals } from "./explanation/component_totals.ts";
import { attributeComponents, checkNodes } from "./explanation/components.ts";
import { fitRunner, keepBytesFor } from "./planning/fit.ts";
import { MemoryError } from "./errors.ts";
import { checkGenerateRequest, generateBatch } from "./generation/generate.ts";
import { buildGraph, buildSeedGraph, checkGraphRequest } from "./explanation/graph.ts";
import { checkIntervention } from "./pass/intervention.ts";
import { checkId, checkIds, checkRequest, checkScoreRequest } from "./pass/requests.ts";
import type { ModelConfig } from "./model/config.ts";
import { openModelDirectory } from "./model/directory.ts";
import { checkNextTokens, nextTokensOf } from "./generation/next_tokens.ts";
import { forward, lastLogits, type Runner, type TileLimits } from "./pass/pass.ts";
import type { RehearsedRun } from "./planning/rehearsal.ts";
import { checkContinuation, continuationsOf, scoreAll } from "./generation/score.ts";
import { freeWeights, loadWeights, productsOf, type Weights } from "./pass/weights.ts";

export interface LoadOptions extends RunOptions {
  /** Largest sum of block states kept instead of computed again, bytes. */
  readonly keepBytes?: number;
  /** Where a graph's edges are held while they are pruned. */
  readonly tiles?: TileLimits;
}

/** Runs work on a model when its turn comes, in memory that is free then. */
interface Turns {
  /** Runs in turn what fits into the memory that is free then. Throws InputError, with the numbers, for what does not. */
  fitting<T>(run: RehearsedRun, options: RunOptions, work: (runner: Runner) => Promise<T>): Promise<T>;
  /** The same for work that is rehearsed by doing it. */
  fittingWork<T>(work: (runner: Runner, options: RunOptions) => Promise<T>, options: RunOptions): Promise<T>;
  /** Lets nothing begin any more. */
  dispose(): void;
}

function openTurns(runner: Runner, keepBytes: number | undefined): Turns {
  const { device, model } = runner;
  const queues: Record<Lane, Promise<unknown>> = { interactive: Promise.resolve(), batch: Promise.resolve() };
  let disposed = false;
  function inTurn<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    const turn = queues[lane].then(() => {
      if (disposed) throw new Error(`${model.directory} is disposed`);
      return device.lanes.run(lane, work);
    });
    queues[lane] = turn.catch(() => {});
    return turn;
  }
  const fitting: Turns["fitting"] = async (run, { lane = "batch" }, work) => {
    const fitted = async () => await work(await fitRunner(runner, run, keepBytes));
    try {
      return await inTurn(lane, fitted);
    } catch (error) {
      // What does not fit beside a batch may fit after it.
      if (lane === "batch" || !(error instanceof MemoryError)) throw error;
      return await inTurn("batch", fitted);
    }
  };
  return {
    fitting,
    fittingWork: (work, options) =>
      fitting(
        { kind: "work", work: (rehearsing) => work(rehearsing, {}) },
        options,
        (bounded) => work(bounded, options),
      ),
    dispose() {
      disposed = true;
    },
  };
}

/** Requests that are answered by relevance: their targets' attributions, and edges between nodes. */
function explanations(
  config: ModelConfig,
  { fitting }: Turns,
): Pick<
  LoadedModel,
  | "attribute"
  | "attributeMany"
  | "attributeSeeds"
  | "graph"
  | "graphOfSeed"
  | "components"
  | "componentTotals"
  | "componentEdges"
> {
  return {
    async attribute(request, options = {}) {
      checkRequest(config, request);
      const run = { kind: "attribute", requests: [request] } as const;
      const [result] = await fitting(run, options, (bounded) => attributeAll(bounded, [request], options));
      return result as AttributionResult;
    },
    attributeMany(requests, options = {}) {
      requests.forEach((request) => checkRequest(config, request));
      const run = { kind: "attribute", requests } as const;
      return fitting(run, options, (bounded) => attributeAll(bounded, requests, options));
    },
    async attributeSeeds(requests, options = {}) {
      requests.forEach((request) => checkRequest(config, request));
      const run = { kind: "attribute", requests } as const;
      return await fitting(run, options, (bounded) => attributeSeeds(bounded, requests, options));
    },
    async graph(request, options = {}) {
      checkRequest(config, request);
      checkGraphRequest(config, request);
      return await fitting({ kind: "graph", request }, options, (bounded) => buildGraph(bounded, request, options));
    },
    async graphOfSeed(request, options = {}) {
      checkRequest(config, request);
      checkGraphRequest(config, request);
      return await fitting({ kind: "graph", request }, options, (bounded) => buildSeedGraph(bounded, request, options));
    },
    async components(request, options = {}) {
      checkRequest(config, request);
      checkNodes(config, request);
      const run = { kind: "attribute", requests: [request] } as const;
      return await fitting(run, options, (bounded) => attributeComponents(bounded, request, options));
    },
    async componentTotals(request, options = {}) {
      checkRequest(config, request);
      const run = { kind: "attribute", requests: [request] } as const;
      return await fitting(run, options, (bounded) => attributeTotals(bounded, request, options));
    },
    async componentEdges(request, options = {}) {
      checkRequest(config, request);
      checkComponentEdges(config, request);
      const run = { kind: "graph", request: { ...request, transitions: [0, config.layers] } } as const;
      return await fitting(run, options, (bounded) => buildComponentEdges(bounded, request, options));
    },
  };
}

/** Requests that are answered by forward passes alone. */
function predictions(
  config: ModelConfig,
  { fittingWork }: Turns,
): Pick<LoadedModel, "generate" | "score" | "scoreContinuations" | "nextTokens" | "logits"> {
  return {
    async generate(requests, options = {}) {
      for (const request of requests) {
        checkIds(config, request.inputIds);
        if (request.force !== undefined) checkId(config, request.force, "force");
        checkGenerateRequest(config, request);
        checkIntervention(config, request.inputIds.length, request);
      }
      return await fittingWork((bounded, how) => generateBatch(bounded, requests, how), options);
    },
    async score(requests, options = {}) {
      requests.forEach((request) => checkScoreRequest(config, request));
      return await fittingWork((bounded, how) => scoreAll(bounded, requests, how), options);
    },
    async scoreContinuations(requests, options = {}) {
      for (const request of requests) {
        checkIds(config, [...request.inputIds, ...request.continuation]);
        checkContinuation(request);
        checkIntervention(config, request.inputIds.length, request);
      }
      return await fittingWork((bounded, how) => continuationsOf(bounded, requests, how), options);
    },
    async nextTokens(requests, options = {}) {
      for (const request of requests) {
        checkIds(config, request.inputIds);
        checkNextTokens(request);
        checkIntervention(config, request.inputIds.length, request);
      }
      return await fittingWork((bounded, how) => nextTokensOf(bounded, requests, how), options);
    },
    async logits(inputIds, options = {}) {
      checkIds(config, inputIds);
      return await fittingWork(async (bounded, how) => {
        const pass = await forward(bounded, [inputIds], how, { purpose: "logits" });
        try {
          return (await lastLogits(bounded, pass))[0] as Float32Array;
        } finally {
          pass.workspace.free();
        }
      }, options);
    },
  };
}

/** Loads a model directory onto a device. Throws InputError when it is broken or does not fit. */
export async function loadModel(device: Device, directory: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const model = await openModelDirectory(directory);
  let weights: Weights;
  try {
    weights = await loadWeights(device, model, options);
    await tune(device, productsOf(weights));
  } catch (error) {
    model.close();
    throw error;
  }
  const { keepBytes = keepBytesFor(device.info, undefined), tiles = TILE_LIMITS } = options;
  const turns = openTurns({ device, model, weights, keepBytes, tiles }, options.keepBytes);
  return {
    directory: model.directory,
    config: model.config,
    adapter: device.info,
    ...explanations(model.config, turns),
    ...predictions(model.config, turns),
    dispose() {
      turns.dispose();
      freeWeights(device, weights);
      model.close();
    },
  };
}
