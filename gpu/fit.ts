/** Whether a run fits the adapter and the memory that is free; what does not is refused before it runs. */
import type { Device } from "./dawn.ts";
import type { AdapterInfo, PlannedRun } from "./engine.ts";
import { InputError } from "./errors.ts";
import { describeBytes, freeDeviceBytes, freeHostBytes, memorySetting } from "./memory.ts";
import type { Runner } from "./pass.ts";
import { type MemoryUse, rehearse } from "./rehearsal.ts";

/** Asking a GPU's tool takes as long as a short run: it is asked once a device, when its buffers were these many bytes. */
const deviceCapacity = new WeakMap<AdapterInfo, number | undefined>();

/**
 * Bytes that buffers may still take on a device: the setting CULPRIT_MEMORY less what is allocated, or what the system
 * says is free. Undefined where nobody tells.
 */
export function freeBytesFor(device: Device): number | undefined {
  const setting = memorySetting();
  if (setting !== undefined) return Math.max(0, setting - device.allocatedBytes());
  // A software adapter's buffers lie in main memory.
  if (device.info.kind !== "hardware") return freeHostBytes();
  if (!deviceCapacity.has(device.info)) {
    const free = freeDeviceBytes();
    deviceCapacity.set(device.info, free === undefined ? undefined : free + device.allocatedBytes());
  }
  const capacity = deviceCapacity.get(device.info);
  return capacity === undefined ? undefined : Math.max(0, capacity - device.allocatedBytes());
}

/** What is wrong with a run's memory, in numbers; null when nothing is. `more`: bytes it takes beyond what is there. */
export function whyNot(
  info: AdapterInfo,
  { largest }: Pick<MemoryUse, "largest">,
  more: number,
  free: number | undefined,
): string | null {
  if (largest.bytes > info.bindingBytes) {
    return `${largest.label} needs ${describeBytes(largest.bytes)} in one buffer, and ${info.name} takes ` +
      `${describeBytes(info.bindingBytes)} at most`;
  }
  if (free !== undefined && more > free) {
    return `the run needs ${describeBytes(more)} of memory, and ${describeBytes(free)} are free`;
  }
  return null;
}

/** Throws InputError for a run that does not fit beside what is on the device. */
export async function refuseWhatDoesNotFit(runner: Runner, run: PlannedRun, free: number | undefined): Promise<void> {
  const { device, model, weights, keepBytes, tiles } = runner;
  const bytes = device.allocatedBytes();
  const use = await rehearse(
    { on: device, model, keepBytes, tiles, passBytes: free, loaded: { weights, bytes } },
    run,
  );
  const wrong = whyNot(device.info, use, use.stagedBytes - bytes, free);
  if (wrong === null) return;
  throw new InputError(wrong, "input", "shorten it, use a smaller model or an adapter with more memory");
}
