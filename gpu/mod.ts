/** The engine's front door. */
import { openDevice } from "./device/dawn.ts";
import type { Engine } from "./engine.ts";
import { freeBytesFor } from "./planning/fit.ts";
import { loadModel } from "./loaded_model.ts";
import { planRun } from "./planning/plan.ts";

export type * from "./engine.ts";
export { RULES } from "./engine.ts";
export { InputError, MemoryError } from "./errors.ts";

/**
 * Opens the best adapter, or the one that `adapter` names (default: the environment's CULPRIT_ADAPTER).
 * Throws InputError when no adapter fits. A process with an open engine does not end by itself: close it and exit.
 */
export async function openEngine(options: { readonly adapter?: string } = {}): Promise<Engine> {
  const device = await openDevice(options.adapter);
  return {
    adapter: device.info,
    lost: device.lost,
    gpuBytes: () => device.allocatedBytes(),
    wasteBytes: () => device.wasteBytes(),
    memoryBytes: () => {
      const free = freeBytesFor(device);
      return free === undefined ? null : free + device.allocatedBytes();
    },
    loadModel: (directory, loadOptions) => loadModel(device, directory, loadOptions),
    plan: (directory, run) => planRun(device, directory, run),
    close: () => device.close(),
  };
}
