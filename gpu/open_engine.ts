/** Opens the engine: a device, and what is done on it. */
import { openDevice } from "./device/dawn.ts";
import { checkDevice } from "./doctor/check.ts";
import { measureSpeed } from "./doctor/speed.ts";
import type { Engine } from "./engine.ts";
import { loadModel } from "./loaded_model.ts";
import { freeBytesFor } from "./planning/fit.ts";
import { planRun } from "./planning/plan.ts";

/** As `openEngine` of mod.ts. */
export async function openEngine({ adapter }: { readonly adapter?: string }): Promise<Engine> {
  const device = await openDevice(adapter);
  return {
    adapter: device.info,
    lost: device.lost,
    gpuBytes: () => device.allocatedBytes(),
    wasteBytes: () => device.wasteBytes(),
    memoryBytes: () => {
      const free = freeBytesFor(device);
      return free === undefined ? null : free + device.allocatedBytes();
    },
    hurry: (work) => device.lanes.hurry(work),
    loadModel: (directory, loadOptions = {}) =>
      device.lanes.run(loadOptions.lane ?? "batch", () => loadModel(device, directory, loadOptions)),
    plan: (directory, run) => planRun(device, directory, run),
    check: (options) => device.lanes.run("batch", () => checkDevice(device, options)),
    measureSpeed: () => device.lanes.run("batch", () => measureSpeed(device)),
    close: () => device.close(),
  };
}
