/** How fast a device multiplies matrices, and about what that means for an attribution. */
import type { Device, Tile } from "../device/device.ts";
import type { AdapterSpeed, AttributionEstimate } from "../engine.ts";
import { candidateTiles, matmul, tileKey, whole } from "../kernels/matmul.ts";
import { type ElementType, panelBytes } from "../kernels/panels.ts";
import { freeBytesFor } from "../planning/fit.ts";

/** Rows, inner and outer width: some tenths of a second on each kind of adapter. */
const SHAPE = {
  hardware: [2048, 4096, 4096],
  system: [512, 1024, 2048],
  bundled: [128, 1024, 1024],
} as const;
const ROUNDS = 3;

/** Parameters of the models, and tokens of the prompt, that estimates are given for. */
const PARAMETERS = [1e8, 1e9, 8e9];
const TOKENS = 500;
/** Operations of an attribution for a parameter and token: a product forward and one backward. */
const OPERATIONS = 4;
/**
 * What an attribution reaches of the best product's speed: 0.51 and 0.56 on lavapipe with Qwen3-0.6B (test/bench/README.md);
 * attention, norms and short rows take the rest.
 */
const SHARE = 0.5;
/** Bytes of a parameter in bf16. */
const PARAMETER_BYTES = 2;

/** Measures the best weight product: float32 and bf16, each tile that suits the adapter. */
export async function measureSpeed(device: Device): Promise<AdapterSpeed> {
  const [m, k, n] = SHAPE[device.info.kind];
  let best = Infinity;
  for (const type of ["f32", "bf16"] as const) best = Math.min(best, await fastest(device, type, m, k, n));
  const gflops = Number((2 * m * k * n / best / 1e9).toPrecision(3));
  const free = freeBytesFor(device);
  return { gflops, estimates: PARAMETERS.map((parameters) => estimate(parameters, gflops, free)) };
}

/** What an attribution takes with weights in bf16. */
export function estimate(parameters: number, gflops: number, free: number | undefined): AttributionEstimate {
  const bytes = parameters * PARAMETER_BYTES;
  return {
    parameters,
    tokens: TOKENS,
    seconds: Number((OPERATIONS * parameters * TOKENS / (SHARE * gflops * 1e9)).toPrecision(2)),
    weightBytes: bytes,
    fits: free === undefined ? null : bytes <= free,
  };
}

/** Seconds of the fastest of all rounds and tiles. */
async function fastest(device: Device, type: ElementType, m: number, k: number, n: number): Promise<number> {
  const buffers = [panelBytes(m, k), panelBytes(n, k, type), panelBytes(m, n)]
    .map((bytes) => device.allocate(bytes, "product to measure"));
  const [a, b, c] = buffers as [GPUBuffer, GPUBuffer, GPUBuffer];
  // Not zeros: hardware is faster on them.
  fill(device, a, "f32", panelBytes(m, k));
  fill(device, b, type, panelBytes(n, k, type));
  const product = {
    mode: "nt" as const,
    m,
    n,
    k,
    a: whole(a, k),
    b: { ...whole(b, k), type },
    c: whole(c, n),
  };
  let best = Infinity;
  try {
    for (const tile of candidateTiles(device)) {
      const tiled = { ...device, tiles: new Map<string, Tile>([[tileKey(device, product), tile]]) };
      // The first round compiles.
      for (let round = 0; round <= ROUNDS; round++) {
        const start = performance.now();
        matmul(tiled, product);
        await device.flush();
        if (round > 0) best = Math.min(best, (performance.now() - start) / 1000);
      }
    }
    return best;
  } finally {
    buffers.forEach((buffer) => device.destroy(buffer));
  }
}

const POOL_BYTES = 2 ** 18;

function fill(device: Device, buffer: GPUBuffer, type: ElementType, bytes: number): void {
  const values = Float32Array.from({ length: POOL_BYTES / 4 }, (_, index) => Math.sin(index * 1.3));
  const pool = type === "f32"
    ? new Uint8Array(values.buffer)
    : new Uint8Array(Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16).buffer);
  for (let at = 0; at < bytes; at += pool.length) {
    device.write(buffer, at, pool.subarray(0, Math.min(pool.length, bytes - at)));
  }
}
