/** Biases of projections. Source: add-bias.wgsl. */
import type { Device } from "../device/device.ts";
import { elementwise } from "./elementwise.ts";
import { columns4 } from "./panels.ts";

/** Records y [rows, columns] += bias [columns] in every row, those that pad the last panel included. */
export function addBias(device: Device, rows: number, columns: number, bias: GPUBuffer, y: GPUBuffer): void {
  const { cells, width, workgroups } = elementwise(rows, columns);
  device.run({ kernel: "add-bias", bindings: [bias, y], params: [columns4(columns), cells, width], workgroups });
}

/** Reference for one row. */
export const addBiasReference = (row: readonly number[], bias: readonly number[]): number[] =>
  row.map((value, column) => value + (bias[column] as number));
