/**
 * One layout for every matrix on the device, activations and weights alike: panels of 16 rows.
 *
 * Element (row, column) of a [rows, columns] matrix lies at
 *
 *     ((row / 16) * columns4 + column / 4) * 64 + (row % 16) * 4 + column % 4,    columns4 = ceil(columns / 4)
 *
 * so a panel is [columns4][16 rows][4 columns]. A vec4 load gives four neighbours of a row, 16 neighbouring vec4 are a
 * 16 x 4 block: what a register tile reads, along either dimension, whether the matrix is used as itself or transposed.
 * Row strides never collide in the cache. Rows and columns that pad the shape are zero.
 */

import type { Constants } from "../device/source.ts";
import { type BlockEncodingName, isBlockEncoding } from "../model/encodings.ts";
import { blockBytes, blockConstants } from "./blocks.ts";

/** Rows in a panel. */
export const PANEL = 16;

/**
 * How a matrix's elements are stored; two bf16 or f16 share a 32-bit word, the lower column in the lower half. Weights in
 * blocks have a layout of their own: blocks.ts.
 */
export type ElementType = "f32" | "bf16" | "f16" | BlockEncodingName;

/** Chunks of four columns. */
export const columns4 = (columns: number): number => Math.ceil(columns / 4);

/** Panels of 16 rows. */
export const panelsOf = (rows: number): number => Math.ceil(rows / PANEL);

/** Bytes of a [rows, columns] matrix with its padding. */
export function panelBytes(rows: number, columns: number, type: ElementType = "f32"): number {
  if (isBlockEncoding(type)) return blockBytes(rows, columns, type);
  return panelsOf(rows) * columns4(columns) * PANEL * 4 * (type === "f32" ? 4 : 2);
}

/** What kernels need to know of a matrix's storage. */
export const storageConstants = (type: ElementType): Constants =>
  isBlockEncoding(type) ? { TYPE: type, BLOCKS: "yes", ...blockConstants(type) } : { TYPE: type, BLOCKS: "no" };

/** Position of an element, counted in elements. */
export function panelIndex(row: number, column: number, columns: number): number {
  return ((Math.floor(row / PANEL) * columns4(columns) + (column >> 2)) * PANEL + (row % PANEL)) * 4 + (column & 3);
}

/** Row-major [rows, columns] to panels. */
export function packPanels(values: ArrayLike<number>, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const packed = new Float32Array(panelBytes(rows, columns) / 4);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      packed[panelIndex(row, column, columns)] = values[row * columns + column] as number;
    }
  }
  return packed;
}

/** Panels to row-major [rows, columns]. */
export function unpackPanels(packed: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      values[row * columns + column] = packed[panelIndex(row, column, columns)] as number;
    }
  }
  return values;
}

/** Raw elements: 16-bit words of bf16 and f16, 32-bit words of f32. */
export type RawElements = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Packs raw elements, `source` row-major [rows, columns], without reading them as numbers. `packed` must be zeroed. */
export function packRawPanels(source: RawElements, rows: number, columns: number, packed: RawElements): void {
  const chunks = columns4(columns);
  const whole = columns >> 2;
  for (let row = 0; row < rows; row++) {
    let to = (Math.floor(row / PANEL) * chunks * PANEL + (row % PANEL)) * 4;
    let from = row * columns;
    for (let chunk = 0; chunk < whole; chunk++, to += PANEL * 4, from += 4) {
      packed[to] = source[from] as number;
      packed[to + 1] = source[from + 1] as number;
      packed[to + 2] = source[from + 2] as number;
      packed[to + 3] = source[from + 3] as number;
    }
    for (let rest = 0; rest < (columns & 3); rest++) packed[to + rest] = source[from + rest] as number;
  }
}
