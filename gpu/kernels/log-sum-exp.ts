/** The normaliser of each row's softmax, as a logarithm. Source: log-sum-exp.wgsl. */
import type { Device } from "../device/device.ts";
import { columns4, panelsOf } from "./panels.ts";

/** Records, for each row of `x` [rows, columns], log(sum(exp(x))): f32 [rows with padding]. */
export function logSumExp(
  device: Device,
  { rows, columns, x, result }: {
    readonly rows: number;
    readonly columns: number;
    readonly x: GPUBuffer;
    readonly result: GPUBuffer;
  },
): void {
  device.run({
    kernel: "log-sum-exp",
    bindings: [x, result],
    params: [columns4(columns), columns],
    workgroups: [panelsOf(rows), 1, 1],
  });
}

/** Reference for one row, in float64. */
export function logSumExpReference(values: ArrayLike<number>): number {
  const row = Array.from(values);
  const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return most + Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0));
}
