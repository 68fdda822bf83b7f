/**
 * Whether the adapter's matrix unit computes what the plain kernel does: asked once, before it is used. What it needs
 * from the driver is experimental, so that it may fail to compile, and may be wrong.
 */
import type { Device } from "../device/device.ts";
import { type Matmul, matmul, matmulMatrix, whole } from "./matmul.ts";
import { panelBytes } from "./panels.ts";

/** Largest difference from the plain kernel, relative to the largest element. */
const TOLERANCE = 1e-5;
/** Shapes that fill no tile. */
const [ROWS, WIDTH, DEPTH] = [70, 100, 84];

/** Checks the unit of a device that has one, and says on standard error why it is left alone where it is. */
export async function checkMatrixUnit(device: Device): Promise<void> {
  const unit = device.matrixUnit;
  if (unit?.state !== "unchecked") return;
  unit.state = "off";
  try {
    const error = await largestError(device);
    if (error <= TOLERANCE) unit.state = "good";
    else console.warn(`${device.info.name}: matrix unit not used, its products are off by ${error}`);
  } catch (error) {
    // Work that was recorded with the failed kernel fails once more; nothing of it may be left.
    await device.flush().catch(() => {});
    const [reason] = String(error instanceof Error ? error.message : error).split("\n");
    console.warn(`${device.info.name}: matrix unit not used: ${reason}`);
  }
}

async function largestError(device: Device): Promise<number> {
  const unit = device.matrixUnit;
  if (!unit) return Infinity;
  let worst = 0;
  for (const mode of ["nt", "nn"] as const) {
    for (const type of ["bf16", "f16"] as const) {
      const [n, k] = mode === "nt" ? [WIDTH, DEPTH] : [DEPTH, WIDTH];
      const buffers: GPUBuffer[] = [];
      const filled = (data: Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>) => {
        const buffer = device.allocate(data.byteLength, "matrix unit's check");
        buffers.push(buffer);
        device.write(buffer, 0, new Uint8Array(data.buffer));
        return buffer;
      };
      try {
        // Gradients are small and of many sizes.
        const rows = new Float32Array(panelBytes(ROWS, k) / 4)
          .map((_, index) => Math.sin(index * 1.7) * 10 ** (-3 - index % 3));
        const weights = new Uint16Array(panelBytes(WIDTH, DEPTH, type) / 2)
          .map((_, index) => (type === "bf16" ? 0x3c00 : 0x2800) + (index * 7919) % 1024 + (index % 2) * 0x8000);
        const product = (c: GPUBuffer): Matmul => ({
          mode,
          m: ROWS,
          n,
          k,
          a: whole(a, k),
          b: { ...whole(b, DEPTH), type },
          c: whole(c, n),
        });
        const [a, b] = [filled(rows), filled(weights)];
        const [plain, found] = [0, 1].map(() => filled(new Float32Array(panelBytes(ROWS, n) / 4))) as [
          GPUBuffer,
          GPUBuffer,
        ];
        matmul(device, product(plain));
        matmulMatrix(device, unit, product(found));
        const bytes = panelBytes(ROWS, n);
        const wanted = new Float32Array(await device.read(plain, 0, bytes));
        const given = new Float32Array(await device.read(found, 0, bytes));
        const most = wanted.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
        for (const [index, value] of given.entries()) {
          const error = Math.abs(value - (wanted[index] as number)) / most;
          if (Number.isNaN(error)) return Infinity;
          worst = Math.max(worst, error);
        }
      } finally {
        buffers.forEach((buffer) => device.destroy(buffer));
      }
    }
  }
  return worst;
}
