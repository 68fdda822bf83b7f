/**
 * Matrix products: `matmul` (both sides as they lie, or B transposed) and `matmulTransposed` (A transposed), batched
 * over heads. See matmul.wgsl and matmul-tn.wgsl for layout and order of summation.
 */
import { type Device, floatBits } from "../dawn.ts";
import { columns4, type ElementType, PANEL } from "../panels.ts";

/** A matrix, or a batch of them, inside a buffer in panel layout; base, step, outer and stride in cells of 16 x 4. */
export interface Operand {
  readonly buffer: GPUBuffer;
  /** Cell where the first panel of the first matrix starts. */
  readonly base: number;
  /** Cells from one matrix of the inner batch (heads) to the next. */
  readonly step: number;
  /** Cells from one inner batch to the next (targets of a pack); 0 when they share it. */
  readonly outer: number;
  /** Cells from one panel to the next. */
  readonly stride: number;
}

/** The whole [rows, columns] matrix of a buffer. */
export function whole(buffer: GPUBuffer, columns: number): Operand {
  return { buffer, base: 0, step: 0, outer: 0, stride: columns4(columns) };
}

/**
 * One matrix a head inside a [rows, width] matrix whose heads lie side by side, from `firstColumn` on (a multiple of 4)
 * and from row `firstRow` on (a multiple of 16). `outerRows` (a multiple of 16) lie between one pack's target and the next.
 */
export function heads(
  buffer: GPUBuffer,
  width: number,
  headDimension: number,
  firstColumn = 0,
  firstRow = 0,
  outerRows = 0,
): Operand {
  const stride = columns4(width);
  return {
    buffer,
    base: (firstRow / PANEL) * stride + firstColumn / 4,
    step: headDimension / 4,
    outer: (outerRows / PANEL) * stride,
    stride,
  };
}

export interface Matmul {
  /** nt: C = A B^T with B [n, k]; nn: C = A B with B [k, n]. */
  readonly mode: "nt" | "nn";
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Matrices of the inner batch, and inner batches. */
  readonly batch?: number;
  readonly outer?: number;
  /** Matrices of A and C for each of B. */
  readonly group?: number;
  readonly a: Operand;
  readonly b: Operand & { readonly type?: ElementType };
  readonly c: Operand;
  readonly scale?: number;
  readonly accumulate?: boolean;
}

/** How a kernel is tiled on this adapter; the order of summation does not depend on it. */
interface Tiling {
  readonly SHARE: "subgroup" | "workgroup";
  readonly LANES: number;
}

function tilingFor({ info: { lanes } }: Device): Tiling {
  // Software adapters (4 to 16 lanes) share A by broadcast; hardware through workgroup memory.
  return lanes >= 4 && lanes <= 16 ? { SHARE: "subgroup", LANES: lanes } : { SHARE: "workgroup", LANES: 64 };
}

/** Bytes of A whose rows take turns with the columns: they stay in a core's cache while B passes by. */
const ROW_GROUP_BYTES = 2 ** 19;

/** Rows and columns that a lane holds: what was fastest on SwiftShader (4 lanes) and lavapipe (8), `npm run bench`. */
function tileFor({ LANES }: Tiling): { readonly ROWS: number; readonly COLS: number } {
  return LANES === 4 ? { ROWS: 8, COLS: 1 } : { ROWS: PANEL, COLS: 1 };
}

/** Records C (+)= scale * A B or A B^T; m and n are rounded up to whole panels and chunks, whose padding is zero. */
export function matmul(
  device: Device,
  { mode, m, n, k, batch = 1, outer = 1, group = 1, a, b, c, scale = 1, accumulate }: Matmul,
): void {
  const tiling = tilingFor(device);
  const tile = tileFor(tiling);
  const rowTiles = Math.ceil(m / PANEL) * (PANEL / tile.ROWS);
  const rowGroup = Math.min(rowTiles, Math.max(1, Math.floor(ROW_GROUP_BYTES / (4 * k * tile.ROWS))));
  device.run({
    kernel: "matmul",
    constants: { ...tiling, ...tile, SLOTS: Math.ceil(tile.ROWS / tiling.LANES), MODE: mode, TYPE: b.type ?? "f32" },
    bindings: [a.buffer, b.buffer, c.buffer],
    params: [
      columns4(n),
      columns4(k),
      accumulate ? 1 : 0,
      floatBits(scale),
      ...[a, b, c].flatMap(cells),
      batch,
      group,
      rowTiles,
      rowGroup,
    ],
    workgroups: [
      rowGroup,
      Math.ceil(columns4(n) / (tiling.LANES * tile.COLS)),
      batch * outer * Math.ceil(rowTiles / rowGroup),
    ],
  });
}

const cells = ({ base, step, stride, outer }: Operand) => [base, step, stride, outer];

export interface MatmulTransposed {
  /** C [m, n] = sum over q of X[q, m] Y[q, n]. */
  readonly m: number;
  readonly n: number;
  readonly q: number;
  /** Matrices of C in the inner batch, and inner batches. */
  readonly batch?: number;
  readonly outer?: number;
  /** Matrices of X and Y summed into each of C. */
  readonly heads?: number;
  readonly x: Operand;
  readonly y: Operand;
  readonly c: Operand;
  readonly scale?: number;
  readonly accumulate?: boolean;
}

/** Records C (+)= scale * X^T Y. Padding rows of X and Y must be zero. */
export function matmulTransposed(
  device: Device,
  { m, n, q, batch = 1, outer = 1, heads = 1, x, y, c, scale = 1, accumulate }: MatmulTransposed,
): void {
  const tiling = tilingFor(device);
  device.run({
    kernel: "matmul-tn",
    constants: { ...tiling, SLOTS: Math.ceil(PANEL / tiling.LANES) },
    bindings: [x.buffer, y.buffer, c.buffer],
    params: [
      columns4(n),
      Math.ceil(q / PANEL),
      heads,
      accumulate ? 1 : 0,
      floatBits(scale),
      ...[x, y, c].flatMap(cells),
      batch,
    ],
    workgroups: [Math.ceil(columns4(n) / tiling.LANES), Math.ceil(m / PANEL), batch * outer],
  });
}

/** Reference over row-major arrays: A [m, k]; B [n, k] for nt, [k, n] for nn; returns [m, n] in float64 sums. */
export function matmulReference(
  mode: "nt" | "nn" | "tn",
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  m: number,
  n: number,
  k: number,
): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) {
        const left = mode === "tn" ? a[l * m + i] : a[i * k + l];
        const right = mode === "nt" ? b[j * k + l] : b[l * n + j];
        sum += (left as number) * (right as number);
      }
      c[i * n + j] = sum;
    }
  }
  return c;
}
