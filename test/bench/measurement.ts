/** Timing, memory and the JSON line that every benchmark prints. */
import { cpus, loadavg } from "node:os";
import type { Device } from "../../gpu/device/device.ts";

/** One measurement, as a JSON line. */
export interface Measurement {
  readonly name: string;
  /** Driver's name of the adapter, or what else computed it. */
  readonly adapter: string;
  readonly shape: string;
  /** Median over `runs`, the first use left out. */
  readonly seconds: number;
  /** The first use: pipelines are compiled and memory is touched. */
  readonly firstSeconds: number;
  readonly runs: number;
  /** Operations of `operations.ts` a second, in 10^9; null where no operations are counted. */
  readonly gflops: number | null;
  /** Bytes that the operation has to move, as roofline.ts counts them; null where none are counted. */
  readonly bytes: number | null;
  /** The least time that counted operations and bytes take at the peak and the measured bandwidth, over the time taken. */
  readonly shareOfRoofline: number | null;
  /** gflops / best matmul gflops at 512 rows or more of the same run; null where either is missing. */
  readonly shareOfPeak: number | null;
  /** Largest resident memory of the process on software adapters, largest sum of device buffers on hardware. */
  readonly peakBytes: number;
  /** Of a graph: tokens that have edges, over all transitions; null else. */
  readonly targets: number | null;
  readonly machine: string;
  /** The machine's load average over the last minute when the measurement ended: more than 0 is someone's work. */
  readonly load: number;
}

/** A run is repeated until it takes this long: shorter ones are lost in the clock and in the submission. */
const SHORTEST_SECONDS = 0.03;
const MOST_REPEATS = 256;
/** No further run starts once a measurement has taken this long. */
export const LONGEST_SECONDS = 120;

export interface Timing {
  readonly seconds: number;
  readonly firstSeconds: number;
  readonly runs: number;
}

/**
 * Times `work`, which does the same thing `repeats` times and then waits for the device. The first use is apart; then
 * come `runs` runs, fewer where LONGEST_SECONDS are over, at least one. `repeatable` says that `work` takes repeats.
 */
export async function time(
  work: (repeats: number) => Promise<unknown>,
  runs: number,
  repeatable = false,
): Promise<Timing> {
  const once = async (repeats: number) => {
    const start = performance.now();
    await work(repeats);
    return (performance.now() - start) / 1000 / repeats;
  };
  const start = performance.now();
  const firstSeconds = await once(1);
  let repeats = 1;
  if (repeatable) repeats = Math.max(1, Math.min(MOST_REPEATS, Math.ceil(SHORTEST_SECONDS / await once(1))));
  const all: number[] = [];
  while (all.length === 0 || (all.length < runs && performance.now() - start < LONGEST_SECONDS * 1000)) {
    all.push(await once(repeats));
  }
  return { seconds: median(all), firstSeconds, runs: all.length };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle] as number
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** What the machine calls its processor, and how many of its cores this process may use. */
export function machineName(): string {
  return `${cpus()[0]?.model.trim() ?? "unknown processor"}, ${navigator.hardwareConcurrency} cores`;
}

/** Processes that wanted to run, on average over the last minute. */
export const oneMinuteLoad = (): number => Number((loadavg()[0] as number).toFixed(2));

/** Largest memory between `reset` and `read`. */
export interface PeakMemory {
  reset(): void;
  /** Bytes. */
  read(): number;
}

/** A device that notes the largest sum of its buffers, and the memory that this adapter's measurements report. */
export function watchMemory(device: Device): { readonly device: Device; readonly peak: PeakMemory } {
  if (device.info.kind !== "hardware" && Deno.build.os === "linux") return { device, peak: processPeak };
  let most = 0;
  return {
    device: {
      ...device,
      allocate(bytes, label) {
        const buffer = device.allocate(bytes, label);
        most = Math.max(most, device.allocatedBytes());
        return buffer;
      },
    },
    peak: {
      reset: () => most = device.allocatedBytes(),
      read: () => most,
    },
  };
}

/** VmHWM of the process, as Linux counts it. Where it cannot be set back it is the largest since the process began. */
const processPeak: PeakMemory = {
  reset() {
    try {
      Deno.writeTextFileSync("/proc/self/clear_refs", "5");
    } catch {
      // Containers may forbid it.
    }
  },
  read() {
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status")) ?? [];
    return Number(kilobytes) * 1024;
  },
};
