/** Row-wise helpers: inner products of rows (relevance), gathering and scattering rows. Sources: row-dot.wgsl, move-rows.wgsl. */
import { type Device, floatBits } from "../device/device.ts";
import { columns4, PANEL, panelsOf } from "./panels.ts";

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
  const chunks = columns4(columns);
  device.run({
    kernel: "row-dot",
    constants: { ADD: "no" },
    bindings: [a, b, out],
    params: [chunks, start, panelsOf(rows), chunks, chunks, 0, floatBits(1)],
    workgroups: [targets * panelsOf(rows), 1, 1],
  });
}

/** A matrix of `columns` columns. */
interface Wide {
  readonly buffer: GPUBuffer;
  readonly columns: number;
}

/**
 * Records out[row] = add[row] + factor * <a[row], b[row]> for `rows` rows from row `first` on, a multiple of 16, over the
 * first `columns` columns of both.
 */
export function addRowDot(
  device: Device,
  { first, rows, columns, factor, a, b, add, out }: {
    readonly first: number;
    readonly rows: number;
    readonly columns: number;
    readonly factor: number;
    readonly a: Wide;
    readonly b: Wide;
    readonly add: GPUBuffer;
    readonly out: GPUBuffer;
  },
): void {
  const panels = panelsOf(first + rows);
  device.run({
    kernel: "row-dot",
    constants: { ADD: "yes" },
    bindings: [a.buffer, b.buffer, out, add],
    params: [columns4(columns), 0, panels, columns4(a.columns), columns4(b.columns), first / PANEL, floatBits(factor)],
    workgroups: [panelsOf(rows), 1, 1],
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
