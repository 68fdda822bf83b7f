/** A model on a device, as `gpu/engine.ts` promises it: requests checked, run one after another. */
import { attributeAll } from "./explanation/attribution.ts";
import { TILE_LIMITS } from "./explanation/closed_form.ts";
import { tune } from "./kernels/autotune.ts";
import type { Device } from "./device/device.ts";
import type { AttributionResult, Lane, LoadedModel, RunOptions } from "./engine.ts";
import { buildComponentEdges, checkComponentEdges } from "./explanation/component_edges.ts";
import { attributeComponents, checkNodes } from "./explanation/components.ts";
import { fitRunner, keepBytesFor } from "./planning/fit.ts";
import { MemoryError } from "./errors.ts";
import { checkGenerateRequest, generateBatch } from "./generation/generate.ts";
import { buildGraph, checkGraphRequest } from "./explanation/graph.ts";
import { checkIntervention } from "./pass/intervention.ts";
import { checkId, checkIds, checkRequest, checkScoreRequest } from "./pass/requests.ts";
import { openModelDirectory } from "./model/directory.ts";
import { checkNextTokens, nextTokensOf } from "./generation/next_tokens.ts";
import { forward, lastLogits, type Runner, type TileLimits } from "./pass/pass.ts";
import type { RehearsedRun } from "./planning/rehearsal.ts";
import { scoreAll } from "./generation/score.ts";
import { freeWeights, loadWeights, productsOf, type Weights } from "./pass/weights.ts";

export interface LoadOptions extends RunOptions {
  /** Largest sum of block states kept instead of computed again, bytes. */
  readonly keepBytes?: number;
  /** Where a graph's edges are held while they are pruned. */
  readonly tiles?: TileLimits;
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
  const runner: Runner = {
    device,
    model,
    weights,
    keepBytes: options.keepBytes ?? keepBytesFor(device.info, undefined),
    tiles: options.tiles ?? TILE_LIMITS,
  };
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
  /** Runs in turn what fits into the memory that is free then. Throws InputError, with the numbers, for what does not. */
  async function fitting<T>(
    run: RehearsedRun,
    { lane = "batch" }: RunOptions,
    work: (runner: Runner) => Promise<T>,
  ): Promise<T> {
    const fitted = async () => await work(await fitRunner(runner, run, options.keepBytes));
    try {
      return await inTurn(lane, fitted);
    } catch (error) {
      // What does not fit beside a batch may fit after it.
      if (lane === "batch" || !(error instanceof MemoryError)) throw error;
      return await inTurn("batch", fitted);
    }
  }
  /** The same for work that is rehearsed by doing it. */
  function fittingWork<T>(
    work: (runner: Runner, options: RunOptions) => Promise<T>,
    runOptions: RunOptions,
  ): Promise<T> {
    return fitting(
      { kind: "work", work: (rehearsing) => work(rehearsing, {}) },
      runOptions,
      (bounded) => work(bounded, runOptions),
    );
  }
  return {
    directory: model.directory,
    config: model.config,
    adapter: device.info,
    async attribute(request, runOptions = {}) {
      checkRequest(model.config, request);
      const run = { kind: "attribute", requests: [request] } as const;
      const [result] = await fitting(run, runOptions, (bounded) => attributeAll(bounded, [request], runOptions));
      return result as AttributionResult;
    },
    attributeMany(requests, runOptions = {}) {
      requests.forEach((request) => checkRequest(model.config, request));
      const run = { kind: "attribute", requests } as const;
      return fitting(run, runOptions, (bounded) => attributeAll(bounded, requests, runOptions));
    },
    async graph(request, runOptions = {}) {
      checkRequest(model.config, request);
      checkGraphRequest(model.config, request);
      return await fitting(
        { kind: "graph", request },
        runOptions,
        (bounded) => buildGraph(bounded, request, runOptions),
      );
    },
    async components(request, runOptions = {}) {
      checkRequest(model.config, request);
      checkNodes(model.config, request);
      const run = { kind: "attribute", requests: [request] } as const;
      return await fitting(run, runOptions, (bounded) => attributeComponents(bounded, request, runOptions));
    },
    async componentEdges(request, runOptions = {}) {
      checkRequest(model.config, request);
      checkComponentEdges(model.config, request);
      const run = { kind: "graph", request: { ...request, transitions: [0, model.config.layers] } } as const;
      return await fitting(run, runOptions, (bounded) => buildComponentEdges(bounded, request, runOptions));
    },
    async generate(requests, runOptions = {}) {
      for (const request of requests) {
        checkIds(model.config, request.inputIds);
        if (request.force !== undefined) checkId(model.config, request.force, "force");
        checkGenerateRequest(model.config, request);
        checkIntervention(model.config, request.inputIds.length, request);
      }
      return await fittingWork((bounded, how) => generateBatch(bounded, requests, how), runOptions);
    },
    async score(requests, runOptions = {}) {
      requests.forEach((request) => checkScoreRequest(model.config, request));
      return await fittingWork((bounded, how) => scoreAll(bounded, requests, how), runOptions);
    },
    async nextTokens(requests, runOptions = {}) {
      for (const request of requests) {
        checkIds(model.config, request.inputIds);
        checkNextTokens(request);
      }
      return await fittingWork((bounded, how) => nextTokensOf(bounded, requests, how), runOptions);
    },
    async logits(inputIds, runOptions = {}) {
      checkIds(model.config, inputIds);
      return await fittingWork(async (bounded, how) => {
        const pass = await forward(bounded, [inputIds], how, { purpose: "logits" });
        try {
          return (await lastLogits(bounded, pass))[0] as Float32Array;
        } finally {
          pass.workspace.free();
        }
      }, runOptions);
    },
    dispose() {
      disposed = true;
      freeWeights(device, weights);
      model.close();
    },
  };
}
