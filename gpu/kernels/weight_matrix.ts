/** Weight matrices on the device, and the two products with them: of activations, and of gradients. */
import type { Device } from "../device/device.ts";
import { matmul, whole } from "./matmul.ts";
import { columns4, type ElementType } from "./panels.ts";

/** Rows [firstRow, firstRow + rows) of a weight matrix; firstRow is a multiple of 16. */
export interface Shard {
  readonly buffer: GPUBuffer;
  readonly firstRow: number;
  readonly rows: number;
  readonly type: ElementType;
}

/** A weight matrix [rows = out, columns = in]. */
export interface WeightMatrix {
  readonly shards: readonly Shard[];
  readonly rows: number;
  readonly columns: number;
}

/** Records out [rows, weight.rows] (+)= x [rows, weight.columns] W^T. */
export function project(
  device: Device,
  rows: number,
  x: GPUBuffer,
  weight: WeightMatrix,
  out: GPUBuffer,
  accumulate = false,
): void {
  const stride = columns4(weight.rows);
  for (const { buffer, firstRow, rows: n, type } of weight.shards) {
    matmul(device, {
      mode: "nt",
      m: rows,
      n,
      k: weight.columns,
      a: whole(x, weight.columns),
      b: { ...whole(buffer, weight.columns), type },
      c: { buffer: out, base: firstRow / 4, step: 0, outer: 0, stride },
      accumulate,
    });
  }
}

/** Records out [rows, weight.columns] (+)= gradient [rows, weight.rows] W. */
export function projectBack(
  device: Device,
  rows: number,
  gradient: GPUBuffer,
  weight: WeightMatrix,
  out: GPUBuffer,
  accumulate = false,
): void {
  const stride = columns4(weight.rows);
  for (const { buffer, firstRow, rows: k, type } of weight.shards) {
    matmul(device, {
      mode: "nn",
      m: rows,
      n: weight.columns,
      k,
      a: { buffer: gradient, base: firstRow / 4, step: 0, outer: 0, stride },
      b: { ...whole(buffer, weight.columns), type },
      c: whole(out, weight.columns),
      accumulate: accumulate || firstRow > 0,
    });
  }
}
