/** Whether a run fits the adapter and the memory that is free; what does not is refused before it runs. */
import type { Device } from "../device/device.ts";
import type { AdapterInfo } from "../engine.ts";
import { InputError, MemoryError } from "../errors.ts";
import { describeBytes, freeDeviceBytes, freeHostBytes, memorySetting } from "../device/memory.ts";
import type { Runner } from "../pass/pass.ts";
import { type MemoryUse, rehearse, type RehearsedModel, type RehearsedRun } from "./rehearsal.ts";

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

/** Block states are kept for the backward pass up to this many bytes at least; beyond, they are computed again. */
const KEEP_BYTES = 2 ** 30;

/** Bytes of block states that are kept: more where a GPU has more, whose other work is not slowed by it. */
export function keepBytesFor({ kind }: AdapterInfo, free: number | undefined): number {
  return kind === "hardware" && free !== undefined ? Math.max(KEEP_BYTES, free / 4) : KEEP_BYTES;
}

/** A run's memory, and how many bytes of block states it keeps: none where it would not fit otherwise. */
export async function fitStates(
  model: Omit<RehearsedModel, "keepBytes">,
  run: RehearsedRun,
  { keepBytes, bytesBefore, free }: {
    readonly keepBytes: number;
    /** Bytes that the run finds taken. */
    readonly bytesBefore: number;
    readonly free: number | undefined;
  },
): Promise<{ readonly use: MemoryUse; readonly keepBytes: number; readonly wrong: string | null }> {
  const attempt = async (bytes: number) => {
    const use = await rehearse({ ...model, keepBytes: bytes }, run);
    return { use, keepBytes: bytes, wrong: whyNot(model.on.info, use, use.stagedBytes - bytesBefore, free) };
  };
  const first = await attempt(keepBytes);
  return first.wrong === null || keepBytes === 0 ? first : await attempt(0);
}

/** The runner as a run is to use it. Throws InputError for a run that does not fit beside what is on the device. */
export async function fitRunner(
  runner: Runner,
  run: RehearsedRun,
  keepBytes = keepBytesFor(runner.device.info, freeBytesFor(runner.device)),
): Promise<Runner> {
  const { device, model, weights, tiles } = runner;
  const free = freeBytesFor(device);
  const bytes = device.allocatedBytes();
  const rehearsed = { on: device, model, tiles, passBytes: free, loaded: { weights, bytes } };
  const fitting = await fitStates(rehearsed, run, { keepBytes, bytesBefore: bytes, free });
  if (fitting.wrong === null) return { ...runner, keepBytes: fitting.keepBytes, passBytes: free };
  const mend = "shorten it, use a smaller model or an adapter with more memory";
  if (fitting.use.largest.bytes > device.info.bindingBytes) throw new InputError(fitting.wrong, "input", mend);
  throw new MemoryError(fitting.wrong, "input", mend, fitting.use.stagedBytes - bytes + model.weightBytes);
}
