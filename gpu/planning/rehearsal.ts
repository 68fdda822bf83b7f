/**
 * What a run will hold in memory, found by running it on a device that only counts: the same code that allocates buffers
 * for the run allocates them here, so the two cannot differ.
 */
import { attributeQuestions } from "../explanation/attribution.ts";
import { TILE_LIMITS } from "../explanation/closed_form.ts";
import { allocationBytes } from "../device/buffers.ts";
import type { Device } from "../device/device.ts";
import type { GraphSettings, PlannedRun, Rule } from "../engine.ts";
import { buildQuestionGraph } from "../explanation/graph.ts";
import type { ModelDirectory } from "../model/directory.ts";
import type { Runner } from "../pass/pass.ts";
import type { Question } from "../pass/seed.ts";
import { layOutWeights, type Weights } from "../pass/weights.ts";

export interface MemoryUse {
  /** Largest sum of device buffers, those that were there before included. */
  readonly bufferBytes: number;
  /** Largest sum of device buffers and of what is staged in host memory on its way to or from the device. */
  readonly stagedBytes: number;
  /** The largest single buffer, and what it is for. */
  readonly largest: { readonly bytes: number; readonly label: string };
}

interface CountingDevice extends Device {
  use(): MemoryUse;
}

/** A device like `device` that keeps count and does nothing else; what is read from it is zero. */
export function countingDevice(device: Device, bytesBefore = 0): CountingDevice {
  const live = new Map<GPUBuffer, number>();
  let bytes = bytesBefore;
  let written = 0;
  let bufferBytes = bytes;
  let stagedBytes = bytes;
  let largest = { bytes: 0, label: "" };
  const stage = (more: number) => {
    bufferBytes = Math.max(bufferBytes, bytes);
    stagedBytes = Math.max(stagedBytes, bytes + written + more);
  };
  return {
    ...device,
    allocatedBytes: () => bytes,
    allocate(asked, label, lasting) {
      const size = allocationBytes(asked, lasting);
      const buffer = { size } as GPUBuffer;
      live.set(buffer, size);
      bytes += size;
      if (size > largest.bytes) largest = { bytes: size, label };
      stage(0);
      return buffer;
    },
    free(buffer) {
      bytes -= live.get(buffer) ?? 0;
      live.delete(buffer);
    },
    destroy(buffer) {
      bytes -= live.get(buffer) ?? 0;
      live.delete(buffer);
    },
    write(_, __, data) {
      // The array itself, and the driver's copy of it until the device is waited for.
      written += data.byteLength;
      stage(data.byteLength);
    },
    run() {},
    copy() {},
    clear() {},
    flush() {
      written = 0;
      return Promise.resolve();
    },
    advance: () => Promise.resolve(),
    read(_, __, size) {
      // The mapped buffer and the copy that the caller gets.
      stage(2 * size);
      written = 0;
      return Promise.resolve(new ArrayBuffer(size));
    },
    close() {},
    use: () => ({ bufferBytes, stagedBytes, largest }),
  };
}

/** A model directory whose tensors are all zero. */
export function blankModel(model: ModelDirectory): ModelDirectory {
  return { ...model, readInto: () => {} };
}

export interface RehearsedModel {
  /** What the run would run on. */
  readonly on: Device;
  readonly model: ModelDirectory;
  readonly keepBytes: number;
  readonly tiles?: Runner["tiles"];
  readonly passBytes?: number | undefined;
  /** Weights that are on a device already, and all bytes there; else they are counted too. */
  readonly loaded?: { readonly weights: Weights; readonly bytes: number };
}

/** A run, or any other work of the engine. */
export type RehearsedRun = PlannedRun | {
  readonly kind: "work";
  readonly work: (runner: Runner) => Promise<unknown>;
};

/** Memory that a run takes. Graphs over skipped blocks count as if every token had edges. */
export async function rehearse(
  { on, model, keepBytes, tiles = TILE_LIMITS, passBytes, loaded }: RehearsedModel,
  run: RehearsedRun,
): Promise<MemoryUse> {
  const device = countingDevice(on, loaded?.bytes);
  const blank = blankModel(model);
  const weights = loaded?.weights ?? await layOutWeights(device, blank);
  const runner: Runner = { device, model: blank, weights, keepBytes, tiles, passBytes, rehearsal: true };
  if (run.kind === "work") await run.work(runner);
  else if (run.kind === "attribute") await attributeQuestions(runner, run.requests.map(withPair), {});
  else {await buildQuestionGraph(
      runner,
      { ...withPair(run.request), minRelevance: skipsBlocks(run.request) ? 0 : Infinity },
      {},
    );}
  return device.use();
}

/** The argmax of zeros is 0: no request may name it as its contrast. */
function withPair<Asked extends Question>(request: Asked): Asked {
  return "seed" in request || request.target !== undefined ? request : { ...request, contrast: 1 };
}

/** Whether some transition comes from packed products. */
export function skipsBlocks({ rule, transitions }: GraphSettings & { readonly rule: Rule }): boolean {
  return rule === "gradient" ||
    transitions?.some((layer, index) => index > 0 && layer - (transitions[index - 1] as number) > 1) === true;
}
