/**
 * Matrix products: `matmul` (both sides as they lie, or B transposed) and `matmulTransposed` (A transposed), batched
 * over heads. See matmul.wgsl, matmul-tile.wgsl and matmul-tn.wgsl for layout and order of summation.
 */
import { type Device, floatBits, type MatrixUnit, sharesByBroadcast, type Tile } from "../device/device.ts";
import { ENCODINGS, isBlockEncoding } from "../model/encodings.ts";
import { columns4, type ElementType, PANEL, panelsOf, storageConstants } from "./panels.ts";

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

/**
 * lavapipe since Mesa 26.2 fuses multiplications and additions, and compiles large kernels quickly; older ones take
 * seconds for them, and more memory.
 */
function isQuickLavapipe({ info: { name } }: Device): boolean {
  const [, major = 0, minor = 0] = /Mesa (\d+)\.(\d+)/.exec(name)?.map(Number) ?? [];
  return major > 26 || (major === 26 && minor >= 2);
}

/** The fastest rows by adapter: `npm run bench`. */
const softwareRows = (device: Device): readonly number[] =>
  device.info.lanes === 4 ? [8, 16] : isQuickLavapipe(device) ? [32, 16, 8] : [16, 8];

const HARDWARE_TILES: readonly Tile[] = [
  { ROWS: 8, COLS: 2 },
  { ROWS: 8, COLS: 1 },
  { ROWS: 4, COLS: 2 },
  { ROWS: 4, COLS: 1 },
  { ROWS: 2, COLS: 1 },
  { ROWS: 1, COLS: 1 },
];

/** Bytes that matmul-tile.wgsl shares: cells of A, and of B with the gaps that mode nt leaves. */
const sharedBytes = ({ ROWS, COLS }: Tile) => 16 * (64 * ROWS + 320 * COLS);

/** The tiles that autotune.ts tries, the one that most likely wins first. */
export function candidateTiles(device: Device): readonly Tile[] {
  return sharesByBroadcast(device)
    ? softwareRows(device).map((ROWS) => ({ ROWS, COLS: 1 }))
    : HARDWARE_TILES.filter((tile) => sharedBytes(tile) <= device.workgroupBytes);
}

/** Rows of products that share a tile: up to the first of these, the second ...; software is soon as fast as it gets. */
export const tileRowClasses = (device: Device): readonly number[] =>
  sharesByBroadcast(device) ? [16, 64] : [16, 64, 256, 1024];

/** What a tile is tuned for: products of one matrix alone. */
export function tileKey(device: Device, { mode, m, n, k, b }: Pick<Matmul, "mode" | "m" | "n" | "k" | "b">): string {
  const classes = tileRowClasses(device);
  const rows = classes.find((most) => m <= most) ?? classes.at(-1);
  return `${mode} ${b.type ?? "f32"} ${rows} ${n} ${k}`;
}

function tileOf(device: Device, product: Matmul): Tile {
  const { batch = 1, outer = 1 } = product;
  const tuned = batch * outer === 1 ? device.tiles?.get(tileKey(device, product)) : undefined;
  if (tuned) return tuned;
  if (sharesByBroadcast(device)) return candidateTiles(device)[0] as Tile;
  return hardwareTile(device, product);
}

/** The largest tile that still gives the adapter enough workgroups. */
function hardwareTile(device: Device, { m, n, batch = 1, outer = 1 }: Matmul): Tile {
  const ENOUGH_WORKGROUPS = 128;
  const large = candidateTiles(device).find(({ ROWS, COLS }) =>
    ROWS >= 4 && panelsOf(m) >= ROWS &&
    Math.ceil(panelsOf(m) / ROWS) * Math.ceil(n / (64 * COLS)) * batch * outer >= ENOUGH_WORKGROUPS
  );
  return large ?? { ROWS: Math.min(4, 2 ** Math.floor(Math.log2(panelsOf(m)))), COLS: 1 };
}

/** Bytes of A whose rows take turns with the columns: they stay in a core's cache while B passes by. */
const ROW_GROUP_BYTES = 2 ** 20;

/**
 * Records C (+)= scale * A B or A B^T; n is rounded up to whole chunks, whose padding is zero. Rows that pad the last
 * panel of C become zero or, where there is one matrix, may stay as they are.
 */
export function matmul(device: Device, product: Matmul): void {
  const { batch = 1, outer = 1, b } = product;
  const isWeight = batch * outer === 1 && b.base === 0 && (b.type === "bf16" || b.type === "f16");
  if (isWeight && device.matrixUnit?.state === "good") return matmulMatrix(device, device.matrixUnit, product);
  const tile = tileOf(device, product);
  if (sharesByBroadcast(device)) matmulBroadcast(device, tile, product);
  else matmulTiled(device, tile, product);
}

/**
 * Equal tiles of at most `most` rows: they leave out rows of padding, and end within the last panel. Each number of rows is
 * a kernel of its own, so not every number is used.
 */
function equalTiles(m: number, most: number): { readonly rows: number; readonly rowTiles: number } {
  const padded = panelsOf(m) * PANEL;
  for (let rowTiles = Math.ceil(m / most);; rowTiles++) {
    const step = m > PANEL * rowTiles ? 4 : 2;
    const rows = step * Math.ceil(m / rowTiles / step);
    if (rows * rowTiles <= padded) return { rows, rowTiles };
  }
}

/** Tiles that cover whole panels: of several matrices C's padding rows become zero. */
function panelTiles(m: number, most: number): { readonly rows: number; readonly rowTiles: number } {
  const rows = Math.min(most, PANEL);
  return { rows, rowTiles: panelsOf(m) * PANEL / rows };
}

/** Whether the columns of neighbouring lanes always lie in one group of a block. */
function lanesShareGroups(lanes: number, type: ElementType): boolean {
  return isBlockEncoding(type) && ENCODINGS[type].group / 4 % lanes === 0;
}

function matmulBroadcast(
  device: Device,
  tile: Tile,
  { mode, m, n, k, batch = 1, outer = 1, group = 1, a, b, c, scale = 1, accumulate }: Matmul,
): void {
  const { lanes } = device.info;
  const { rows, rowTiles } = batch * outer === 1 ? equalTiles(m, tile.ROWS) : panelTiles(m, tile.ROWS);
  const most = Math.max(1, Math.floor(ROW_GROUP_BYTES / (4 * k * rows)));
  // Of equal size: B would pass by for a rest of one tile as for a whole group.
  const rowGroup = Math.ceil(rowTiles / Math.ceil(rowTiles / most));
  device.run({
    kernel: "matmul",
    constants: {
      LANES: lanes,
      ROWS: rows,
      SLOTS: Math.ceil(rows / lanes),
      STEP: isQuickLavapipe(device) && columns4(k) % 2 === 0 ? 2 : 1,
      MODE: mode,
      ...storageConstants(b.type ?? "f32"),
      SHARED: lanesShareGroups(lanes, b.type ?? "f32") ? "yes" : "no",
      FUSED: isQuickLavapipe(device) ? "yes" : "no",
    },
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
      Math.ceil(columns4(n) / lanes),
      batch * outer * Math.ceil(rowTiles / rowGroup),
    ],
  });
}

function matmulTiled(
  device: Device,
  tile: Tile,
  { mode, m, n, k, batch = 1, outer = 1, group = 1, a, b, c, scale = 1, accumulate }: Matmul,
): void {
  device.run({
    kernel: "matmul-tile",
    constants: { ...tile, LOADS_A: Math.ceil(tile.ROWS / 4), MODE: mode, ...storageConstants(b.type ?? "f32") },
    bindings: [a.buffer, b.buffer, c.buffer],
    params: [
      columns4(n),
      columns4(k),
      accumulate ? 1 : 0,
      floatBits(scale),
      ...[a, b, c].flatMap(cells),
      batch,
      group,
      panelsOf(m),
      panelsOf(mode === "nt" ? n : k),
    ],
    workgroups: [
      Math.ceil(panelsOf(m) / tile.ROWS),
      Math.ceil(columns4(n) / (16 * tile.COLS)),
      batch * outer,
    ],
  });
}

/** Records a product with a weight matrix on the adapter's matrix unit. */
export function matmulMatrix(
  device: Device,
  { M, N, K, largest }: MatrixUnit,
  { mode, m, n, k, a, b, c, scale = 1, accumulate }: Matmul,
): void {
  device.clear(largest);
  findLargest(device, a.buffer, largest);
  device.run({
    kernel: "matmul-matrix",
    constants: { M, N, K, MODE: mode, TYPE: b.type ?? "f32" },
    bindings: [a.buffer, b.buffer, c.buffer, largest],
    params: [
      columns4(n),
      columns4(k),
      accumulate ? 1 : 0,
      floatBits(scale),
      panelsOf(m),
      panelsOf(mode === "nt" ? n : k),
      b.stride,
      a.stride,
      c.stride,
      a.base,
      c.base,
    ],
    workgroups: [Math.ceil(panelsOf(m) / 4), Math.ceil(columns4(n) / 16), 1],
  });
}

/** Records the bits of the largest |x| of a buffer into `out`, which must be zero. */
export function findLargest(device: Device, x: GPUBuffer, out: GPUBuffer): void {
  const count = Math.floor(x.size / 16);
  const groups = Math.min(1024, Math.ceil(count / 256));
  device.run({ kernel: "largest", bindings: [x, out], params: [count, groups * 256], workgroups: [groups, 1, 1] });
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
  const tiling = sharesByBroadcast(device)
    ? { SHARE: "subgroup", LANES: device.info.lanes }
    : { SHARE: "workgroup", LANES: 64 };
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
