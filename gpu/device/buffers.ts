/** Storage buffers of a device: counted while they are live, and kept for a while when they are freed. */
import type { AdapterInfo } from "./adapter_info.ts";
import { InputError } from "../errors.ts";

/**
 * Freed buffers and bind groups are kept for reuse: making them costs a short pass more than its work, and Deno never
 * gives back all that an object takes. CULPRIT_KEEP=off goes without.
 */
export const keepsBuffers = () => Deno.env.get("CULPRIT_KEEP") !== "off";
/** Buffers up to this size are kept, this many bytes in all. */
const KEPT_BUFFER_BYTES = 16 * 2 ** 20;
const KEPT_BYTES = 256 * 2 ** 20;
/** Bytes that may be kept even where they add to the most that was ever in use. */
const KEPT_ANYWAY_BYTES = 16 * 2 ** 20;

/**
 * Bytes that a buffer takes: those that are kept come in two sizes an octave, so that prompts of about the same length
 * use the same ones.
 */
export function allocationBytes(asked: number, lasting = false): number {
  const step = lasting || !keepsBuffers() || asked > KEPT_BUFFER_BYTES
    ? 16
    : Math.max(16, 2 ** (Math.floor(Math.log2(asked)) - 1));
  return Math.max(16, Math.ceil(asked / step) * step);
}

/** Freed buffers by size, to be used again. */
class KeptBuffers {
  readonly #bySize = new Map<number, { readonly buffer: GPUBuffer; readonly id: number }[]>();
  bytes = 0;

  put(buffer: GPUBuffer, size: number, id: number): void {
    const alike = this.#bySize.get(size) ?? [];
    this.#bySize.set(size, alike);
    // The oldest comes first out again: a pass that asks as the last one did gets the same buffers in the same places.
    const place = alike.findLastIndex((other) => other.id > id);
    alike.splice(place + 1, 0, { buffer, id });
    this.bytes += size;
  }

  take(size: number): GPUBuffer | undefined {
    const alike = this.#bySize.get(size);
    const found = alike?.pop();
    if (alike?.length === 0) this.#bySize.delete(size);
    if (found) this.bytes -= size;
    return found?.buffer;
  }

  /** Only where `bytes` is above 0. */
  takeLargest(): GPUBuffer {
    return this.take(Math.max(...this.#bySize.keys())) as GPUBuffer;
  }
}

export interface Buffers {
  liveBytes(): number;
  /** Bytes of a live buffer; undefined for others. */
  sizeOf(buffer: GPUBuffer): number | undefined;
  /** Numbers in the order in which buffers were first seen. */
  idOf(buffer: GPUBuffer): number;
  /** Kept buffers that are in use again and hold what was in them before. */
  readonly toClear: Set<GPUBuffer>;
  /** As Device.allocate, free and destroy. */
  allocate(bytes: number, label: string, lasting?: boolean): GPUBuffer;
  free(buffer: GPUBuffer): void;
  destroy(buffer: GPUBuffer): void;
  /** Destroys all. */
  close(): void;
}

/** `drop` destroys a buffer that recorded work may still use; `counted` is told of each object that is made. */
export function openBuffers(
  device: GPUDevice,
  info: AdapterInfo,
  { drop, counted }: {
    readonly drop: (buffer: GPUBuffer) => void;
    readonly counted: <Made>(object: Made) => Made;
  },
): Buffers {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const live = new Map<GPUBuffer, number>();
  let liveBytes = 0;
  let mostLiveBytes = 0;
  const keeps = keepsBuffers();
  const kept = new KeptBuffers();
  const toClear = new Set<GPUBuffer>();
  const ids = new WeakMap<GPUBuffer, number>();
  let lastId = 0;

  function idOf(buffer: GPUBuffer): number {
    let id = ids.get(buffer);
    if (id === undefined) ids.set(buffer, id = ++lastId);
    return id;
  }

  /** Frees kept buffers until `bytes` more stay within what was once in use together, so that keeping costs no peak. */
  function makeRoom(bytes: number): void {
    const most = Math.max(mostLiveBytes, KEPT_ANYWAY_BYTES);
    while (kept.bytes > 0 && liveBytes + kept.bytes + bytes > most) drop(kept.takeLargest());
  }

  /** The buffer is live no more; its bytes, undefined where it was not. */
  function endUse(buffer: GPUBuffer): number | undefined {
    const size = live.get(buffer);
    if (size === undefined) return undefined;
    live.delete(buffer);
    liveBytes -= size;
    toClear.delete(buffer);
    return size;
  }

  return {
    liveBytes: () => liveBytes,
    sizeOf: (buffer) => live.get(buffer),
    idOf,
    toClear,
    allocate(bytes, label, lasting) {
      const size = allocationBytes(bytes, lasting);
      if (size > device.limits.maxBufferSize) {
        throw new InputError(
          `${label} needs ${size} bytes in one buffer and ${info.name} allows ${device.limits.maxBufferSize}`,
          "adapter",
          "use a shorter prompt, a smaller model or another adapter",
        );
      }
      const again = kept.take(size);
      if (again) toClear.add(again);
      else makeRoom(size);
      const buffer = again ?? counted(device.createBuffer({ label, size, usage }));
      idOf(buffer);
      live.set(buffer, size);
      liveBytes += size;
      mostLiveBytes = Math.max(mostLiveBytes, liveBytes);
      return buffer;
    },
    free(buffer) {
      const size = endUse(buffer);
      if (size === undefined) return;
      if (keeps && size <= KEPT_BUFFER_BYTES && kept.bytes + size <= KEPT_BYTES) kept.put(buffer, size, idOf(buffer));
      else drop(buffer);
    },
    destroy(buffer) {
      if (endUse(buffer) === undefined) return;
      // What comes next is another model: nothing is kept for it, and its peak is its own.
      while (kept.bytes > 0) drop(kept.takeLargest());
      mostLiveBytes = liveBytes;
      drop(buffer);
    },
    close() {
      for (const buffer of live.keys()) buffer.destroy();
      live.clear();
      while (kept.bytes > 0) drop(kept.takeLargest());
    },
  };
}
