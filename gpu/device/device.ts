/**
 * A device as the rest of the engine knows it: buffers, kernel runs recorded, bytes moved. dawn.ts makes one of a GPU,
 * rehearsal.ts one that only counts.
 */
import type { AdapterInfo } from "./adapter_info.ts";
import type { Lanes } from "./lanes.ts";
import type { Constants } from "./source.ts";

export interface Dispatch {
  /** Kernel source file in `gpu/kernels/`, without `.wgsl`. */
  readonly kernel: string;
  readonly constants?: Constants;
  /** Bound at 1, 2, ... in order. */
  readonly bindings: readonly GPUBuffer[];
  /** 32-bit words of the kernel's `Params` uniform, bound at 0, at most 64; floats through `floatBits`. */
  readonly params: readonly number[];
  /** Number of workgroups in x, y, z. */
  readonly workgroups: readonly [number, number, number];
}

const floatWord = new Float32Array(1);
const floatWordBits = new Uint32Array(floatWord.buffer);

/** The bits of a float32, for `Dispatch.params`. */
export function floatBits(value: number): number {
  floatWord[0] = value;
  return floatWordBits[0] as number;
}

/** A subgroup matrix of f16 with f32 sums, M x K times K x N. */
export interface MatrixUnit {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** One u32: the bits of a product's largest element. */
  readonly largest: GPUBuffer;
  state: "unchecked" | "good" | "off";
}

/**
 * How a product is cut: into ROWS rows and COLS x 4 columns a lane (matmul.wgsl: COLS is 1), or into 16 ROWS rows and 64
 * COLS columns a workgroup (matmul-tile.wgsl). All tiles of an adapter give the same sums in the same order.
 */
export interface Tile {
  readonly ROWS: number;
  readonly COLS: number;
}

export interface Device {
  readonly info: AdapterInfo;
  /** Resolves with the driver's reason when the device is lost (also after `close`). */
  readonly lost: Promise<string>;
  /** Tiles of matrix products by kind, as autotune.ts found them; others take a default. */
  readonly tiles?: Map<string, Tile>;
  /** Bytes of memory that a workgroup may share. */
  readonly workgroupBytes: number;
  /** Where it was asked for with CULPRIT_MATRIX=on and the adapter reports one that fits; matrix_unit.ts checks it. */
  readonly matrixUnit?: MatrixUnit;
  /** Calls run in them; `flush`, `advance` and `read` give way to the interactive one. */
  readonly lanes: Lanes;
  /** Bytes of live buffers made by `allocate`. */
  allocatedBytes(): number;
  /** Bytes of the process that Deno did not and will not give back, counted from what was made and polled. */
  wasteBytes(): number;
  /**
   * A zeroed storage buffer of at least `bytes`; of no more than that, to 16, where it is to stay. Throws when the
   * adapter has no room for it.
   */
  allocate(bytes: number, label: string, lasting?: boolean): GPUBuffer;
  /** Ends a buffer's use. Small ones may be kept for an `allocate` of the same size to come. */
  free(buffer: GPUBuffer): void;
  /** Frees a buffer and gives its memory back at once. Work recorded so far, which may use it, is submitted before. */
  destroy(buffer: GPUBuffer): void;
  /** Writes host bytes (a multiple of 4) at a byte offset; ordered with recorded work submitted later. */
  write(buffer: GPUBuffer, offset: number, data: Uint32Array | Float32Array | Uint8Array): void;
  /** Appends a kernel run to the work recorded so far. */
  run(dispatch: Dispatch): void;
  /** Appends a copy of `bytes` between buffers to the work recorded so far. */
  copy(from: GPUBuffer, fromOffset: number, to: GPUBuffer, toOffset: number, bytes: number): void;
  /** Appends zeroing of a buffer to the work recorded so far. */
  clear(buffer: GPUBuffer): void;
  /** Submits what was recorded and waits until it is done. Throws on validation errors and device loss. */
  flush(): Promise<void>;
  /**
   * Submits what was recorded and waits until the submission before it is done: the device always has work, and at most
   * two submissions wait. Throws as `flush` does, of what is known by then.
   */
  advance(): Promise<void>;
  /** Submits what was recorded and reads bytes back. */
  read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer>;
  close(): void;
}

/** WebGPU's limit on workgroups in one dimension of a dispatch. */
export const MAX_WORKGROUPS = 65_535;

/**
 * Whether an adapter's subgroups have 4 to 16 lanes, that is, whether it is software: there a workgroup is one subgroup, whose
 * lanes share rows by broadcast. All others, hardware, share through workgroup memory.
 */
export const sharesByBroadcast = ({ info: { lanes } }: Pick<Device, "info">): boolean => lanes >= 4 && lanes <= 16;
