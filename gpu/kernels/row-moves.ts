/** Row-wise helpers: inner products of rows (relevance), gathering and scattering rows. Sources: row-dot.wgsl, move-rows.wgsl. */
import type { Device } from "../device/device.ts";
import { columns4, panelsOf } from "./panels.ts";

/**
 * Records out[start + target * rows + row] = <a[row], b[target, row]> for all rows, padding included. Rows are a multiple
 * of 16 where there are several targets.
 */
export function rowDot(
  device: Device,
  rows: number,
  columns: number,
  a: GPUBuffer,
  b: GPUBuffer,
  out: GPUBuffer,
  start: number,
  targets = 1,
): void {
  device.run({
    kernel: "row-dot",
    bindings: [a, b, out],
    params: [columns4(columns), start, panelsOf(rows)],
    workgroups: [targets * panelsOf(rows), 1, 1],
  });
}

/**
 * Records to[i] = from[rows[i]] (gather) or to[rows[i]] = from[i] (scatter) for `count` rows of `columns` columns, of which
 * those before `firstColumn`, a multiple of 4, stay as they are.
 */
export function moveRows(
  device: Device,
  mode: "gather" | "scatter",
  count: number,
  columns: number,
  rows: GPUBuffer,
  from: GPUBuffer,
  to: GPUBuffer,
  firstColumn = 0,
): void {
  const chunks = columns4(columns);
  const first = firstColumn / 4;
  device.run({
    kernel: "move-rows",
    constants: { MODE: mode },
    bindings: [rows, from, to],
    params: [chunks, count, first, chunks - first],
    workgroups: [panelsOf(count), Math.ceil((chunks - first) / 64), 1],
  });
}

/** Reference: inner products of the rows of two row-major [rows, columns] arrays. */
export function rowDotReference(a: ArrayLike<number>, b: ArrayLike<number>, rows: number, columns: number): number[] {
  return Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) sum += (a[i] as number) * (b[i] as number);
    return sum;
  });
}
