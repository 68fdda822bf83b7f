/**
 * Attention of sequences to themselves by tiles, forward and backward, without a matrix of scores in memory. Sources:
 * attention-forward.wgsl, attention-queries.wgsl, attention-keys.wgsl, attention-edges.wgsl for adapters whose subgroups have
 * 4 to 16 lanes, that is, software, and the same names with -shared for hardware; attention-head-edges.wgsl for both.
 */
import { type Device, floatBits, sharesByBroadcast } from "../device/device.ts";
import type { LayerAttention } from "../model/config.ts";
import type { ClosedRule, EdgePairs } from "./edges.ts";
import { columns4, PANEL, panelsOf } from "./panels.ts";
import { softcapReference, softcapSlope } from "./softcap.ts";
import { HIDDEN, type ScoreBlock, softmaxReference } from "./softmax.ts";

/** How tiles are cut on an adapter. */
type Tiling = LaneTiling | SharedTiling;

/** Software: a workgroup is a subgroup whose lanes own rows; those of the other side come by broadcast. */
interface LaneTiling {
  readonly by: "lanes";
  /** Rows of a tile. */
  readonly rows: number;
  readonly lanes: number;
  /** Rows that a lane owns. */
  readonly vectors: number;
  /** Rows of the other side in a step, forward and backward. */
  readonly steps: readonly [number, number];
  /** Whether a lane holds its rows, a step's and its sums in memory of its own, by code that is written out for all columns. */
  readonly held: boolean;
  /** Both where edges are summed over heads, whose rows are never held. */
  readonly edges: { readonly vectors: number; readonly step: number };
}

/** Hardware: both sides go through workgroup memory, whatever the size of subgroups. */
interface SharedTiling {
  readonly by: "workgroup";
  readonly rows: number;
  /** Chunks of 4 columns of a head that an invocation sums, of every row it has. */
  readonly slabs: number;
}

/**
 * Rows of a tile, and of the other side in a step forward and backward. More run no faster on lavapipe, and take several
 * times as long to compile; on SwiftShader, whose subgroups have 4 lanes, minutes.
 */
const TILE_ROWS = 16;
const STEPS = [32, 16] as const;
const FEW_TILE_ROWS = 8;
const FEW_STEPS = [8, 4] as const;
/**
 * Heads of so many columns are held, rows of a tile. A load costs lavapipe as much as 32 multiplications, so that what is
 * loaded once for more rows is won; of more columns the code takes long to compile and leaves the caches.
 */
const HELD_COLUMNS = 16;
const HELD_TILE_ROWS = 32;

/** Columns of a head that workgroup memory has room for. */
const COLUMN_STEPS = [64, 128, 256] as const;
const roomFor = (headColumns: number) => COLUMN_STEPS.find((columns) => columns >= headColumns) ?? Infinity;

/** Rows of a tile on hardware, what workgroup memory has room for (attention-shared.inc.wgsl), and of a step. */
const SHARED_TILE_ROWS = [64, 32] as const;
const SHARED_STEP = 32;
const sharedBytes = (rows: number) => 16 * 17 * SHARED_STEP + 4 * 33 * rows;

/** The tiling of heads of this many columns, padding included; null where the adapter has none. */
export function attentionTiling(device: Device, headColumns: number): Tiling | null {
  const { info: { lanes }, workgroupBytes } = device;
  if (roomFor(headColumns) === Infinity) return null;
  if (!sharesByBroadcast(device)) {
    const rows = SHARED_TILE_ROWS.find((rows) => sharedBytes(rows) <= workgroupBytes);
    return rows === undefined ? null : { by: "workgroup", rows, slabs: roomFor(headColumns) / 64 };
  }
  const isFew = lanes === 4;
  // The backward pass has two sums of as many columns.
  const vectors = Math.min(
    Math.floor((isFew ? FEW_TILE_ROWS : TILE_ROWS) / lanes),
    Math.floor(workgroupBytes / (2 * lanes * roomFor(headColumns) * 4)),
  );
  if (vectors < 1) return null;
  const steps = isFew ? FEW_STEPS : STEPS;
  const edges = { vectors: isFew ? 1 : vectors, step: steps[1] };
  if (isFew || headColumns > HELD_COLUMNS) {
    return { by: "lanes", rows: vectors * lanes, lanes, vectors, steps, held: false, edges };
  }
  const held = HELD_TILE_ROWS / lanes;
  return { by: "lanes", rows: HELD_TILE_ROWS, lanes, vectors: held, steps: [lanes, lanes], held: true, edges };
}

/** A sequence's rows. */
interface Rows {
  readonly firstRow: number;
  readonly length: number;
}

/** The tiles of a pass's sequences on the device, for queries and keys alike. */
export interface TileTable {
  readonly buffer: GPUBuffer;
  readonly count: number;
}

/** Whether something is wanted of `rows` rows of a sequence, given by its index, from its row `first` on. */
export type WantedRows = (sequence: number, first: number, rows: number) => boolean;

/** Writes the tiles of sequences, those of which something is wanted; null on adapters that have none. */
export function uploadTiles(
  device: Device,
  headColumns: number,
  sequences: readonly Rows[],
  allocate: (bytes: number, label: string) => GPUBuffer,
  isWanted: WantedRows = () => true,
): TileTable | null {
  const tiling = attentionTiling(device, headColumns);
  if (!tiling) return null;
  const words = tilesOf(sequences, tiling.rows, isWanted);
  const buffer = allocate(words.byteLength, "tiles of attention");
  device.write(buffer, 0, words);
  return { buffer, count: words.length / TILE_WORDS };
}

const TILE_WORDS = 4;

/** (first row of the sequence, its length, first row of the tile in it, 0) of each tile. */
function tilesOf(sequences: readonly Rows[], tileRows: number, isWanted: WantedRows): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(sequences.flatMap(({ firstRow, length }, sequence) => {
    const count = Math.ceil(length / tileRows);
    // Those with much to do and those with little in turn: lavapipe gives each thread one run of neighbouring tiles.
    const order = Array.from({ length: count }, (_, at) => at % 2 === 0 ? at / 2 : count - (at + 1) / 2);
    return order.filter((tile) => isWanted(sequence, tile * tileRows, tileRows))
      .flatMap((tile) => [firstRow, length, tile * tileRows, 0]);
  }));
}

/** Heads and rows that attention works on. */
export interface AttentionShape {
  /** Rows of the matrices. */
  readonly rows: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  /** Columns of a head, its padding included. */
  readonly headColumns: number;
  readonly attention: Pick<LayerAttention, "window" | "scale" | "cap">;
  readonly tiles: TileTable;
}

/** No context is as long as this. */
const NO_WINDOW = 2 ** 30;

function shapeParams({ rows, heads, keyValueHeads, headColumns }: Omit<AttentionShape, "tiles">): number[] {
  const chunks = headColumns / 4;
  return [
    rows,
    heads / keyValueHeads,
    chunks,
    heads * chunks,
    (heads + keyValueHeads) * chunks,
    (heads + 2 * keyValueHeads) * chunks,
  ];
}

function tilingOf(device: Device, { headColumns }: Pick<AttentionShape, "headColumns">): Tiling {
  const tiling = attentionTiling(device, headColumns);
  if (!tiling) throw new Error(`no tiles of attention on ${device.info.name}`);
  return tiling;
}

/** The kernel of a name for an adapter, and how it is cut. `isBackward`: of the steps of lanes, the backward pass's. */
function kernelOf(device: Device, shape: Pick<AttentionShape, "headColumns">, name: string, isBackward: boolean) {
  const tiling = tilingOf(device, shape);
  if (tiling.by === "workgroup") return { kernel: `${name}-shared`, constants: sharedConstants(tiling) };
  const { lanes, vectors, steps, held } = tiling;
  const T = steps[isBackward ? 1 : 0];
  // Heads of about the same size share a compiled kernel.
  const columns = held ? HELD_COLUMNS : roomFor(shape.headColumns);
  const constants = { LANES: lanes, QV: vectors, T, SLOTS: T / lanes, CHUNKS: columns / 4, HELD: held ? "yes" : "no" };
  return { kernel: name, constants };
}

const sharedConstants = ({ rows, slabs }: SharedTiling) => ({
  ROWS: rows,
  ROWS_EACH: rows / 16,
  T: SHARED_STEP,
  SLABS: slabs,
  HELD: "no",
});

/** What kernels know of scores; they are compared before their scale where nothing else is done to them. */
function scoreParams({ attention: { window, scale, cap } }: Pick<AttentionShape, "attention">): number[] {
  return [
    window ?? NO_WINDOW,
    floatBits(scale),
    floatBits(Math.LOG2E * (cap === null ? scale : 1)),
    floatBits(cap ?? 0),
  ];
}

/** Records out [rows, q] = attention, and of each row what gives its probabilities back. */
export function attentionForward(
  device: Device,
  shape: AttentionShape,
  { rotated, projections, out, stats, bias }: {
    /** [rows, q | k] */
    readonly rotated: GPUBuffer;
    /** [rows, q | k | v] */
    readonly projections: GPUBuffer;
    readonly out: GPUBuffer;
    readonly stats: GPUBuffer;
    /** [rows]: added to all scores toward a row; HIDDEN (softmax.ts) hides it. */
    readonly bias?: GPUBuffer | undefined;
  },
): void {
  const { cap } = shape.attention;
  const { kernel, constants } = kernelOf(device, shape, "attention-forward", false);
  device.run({
    kernel,
    constants: {
      ...constants,
      CAP: cap === null ? "no" : "yes",
      BIAS: bias ? "yes" : "no",
    },
    bindings: [rotated, projections, out, stats, shape.tiles.buffer, ...bias ? [bias] : []],
    params: [...shapeParams(shape), ...scoreParams(shape)],
    workgroups: [shape.tiles.count, shape.heads, 1],
  });
}

/** Gradients of several targets, one's panels after the other's. */
export interface AttentionGradients {
  readonly targets: number;
  /** Of each target; a multiple of 16. */
  readonly rows: number;
  /** Of what the heads write, [targets, rows, q]. */
  readonly out: GPUBuffer;
  /** Written: <dO, O> of each row, [targets, heads, rows]. */
  readonly inner: GPUBuffer;
  /** Written: of rotated q and k, [targets, rows, q | k]. */
  readonly rotated: GPUBuffer;
  /** Its columns of v are written: [targets, rows, q | k | v]. */
  readonly projections: GPUBuffer;
}

/**
 * Records the gradients of rotated q and k, where `hasQuery`, and `valueFactor` times that of v, from the gradient of what
 * the heads write; for all rows of the tiles, padding included.
 */
export function attentionBackward(
  device: Device,
  shape: AttentionShape,
  { rotated, projections, stats, gradients, hasQuery, valueFactor }: {
    readonly rotated: GPUBuffer;
    readonly projections: GPUBuffer;
    /** As the forward pass left them. */
    readonly stats: GPUBuffer;
    readonly gradients: AttentionGradients;
    readonly hasQuery: boolean;
    readonly valueFactor: number;
  },
): void {
  const { heads, keyValueHeads, tiles, attention: { cap } } = shape;
  const { targets, rows, inner } = gradients;
  const variant = { CAP: cap === null ? "no" : "yes" };
  const params = [...shapeParams(shape), ...scoreParams(shape), rows];
  const read = [rotated, projections, gradients.out, stats, tiles.buffer];
  if (hasQuery) {
    const { kernel, constants } = kernelOf(device, shape, "attention-queries", true);
    device.run({
      kernel,
      constants: { ...constants, ...variant },
      bindings: [...read, inner, gradients.rotated],
      params,
      workgroups: [tiles.count, heads, targets],
    });
  }
  const { kernel, constants } = kernelOf(device, shape, "attention-keys", true);
  device.run({
    kernel,
    constants: { ...constants, ...variant, QUERY: hasQuery ? "yes" : "no" },
    bindings: [...read, gradients.projections, ...hasQuery ? [inner, gradients.rotated] : []],
    params: [...params, floatBits(valueFactor)],
    workgroups: [tiles.count, keyValueHeads, targets],
  });
}

/** What edges are computed from, once `attentionBackward` of one target's gradient is recorded. */
interface EdgeInputs {
  readonly rotated: GPUBuffer;
  readonly projections: GPUBuffer;
  /** [rows, q | k | v], q and k rotated: their linear parts, where q, k and v have constant ones (docs/method.md section 11). */
  readonly linear: GPUBuffer | undefined;
  readonly stats: GPUBuffer;
  readonly gradients: Pick<AttentionGradients, "out" | "inner">;
}

/** What kernels of edges share. Of linear parts CP-LRP reads that of v alone, in the place of v itself. */
function edgeVariant(
  rule: ClosedRule,
  { attention: { cap } }: Pick<AttentionShape, "attention">,
  { rotated, projections, linear, stats, gradients }: EdgeInputs,
) {
  const isQuery = rule === "attnlrp";
  return {
    constants: { HELD: "no", RULE: rule, CAP: cap === null ? "no" : "yes", LINEAR: isQuery && linear ? "yes" : "no" },
    read: [rotated, isQuery ? projections : linear ?? projections, gradients.out, stats],
    readLast: isQuery ? [gradients.inner, ...linear ? [linear] : []] : [],
  };
}

/**
 * Records A [queries, keys] of a score block; row = target, column = source. `own` [rows]: what reaches a target from its
 * own row other than through its key and value, on the diagonal.
 */
export function attentionEdges(
  device: Device,
  rule: ClosedRule,
  shape: Omit<AttentionShape, "tiles">,
  block: ScoreBlock & { readonly firstRow: number },
  { own, out, ...inputs }: EdgeInputs & { readonly own: GPUBuffer; readonly out: GPUBuffer },
): void {
  const { kernel, constants: cut, rows, step } = edgeKernelOf(device, shape);
  const { constants, read, readLast } = edgeVariant(rule, shape, inputs);
  device.run({
    kernel,
    constants: { ...cut, ...constants },
    bindings: [...read, own, out, ...readLast],
    params: [
      ...shapeParams(shape),
      ...scoreParams(shape),
      shape.heads,
      block.firstRow,
      block.firstQuery,
      block.queries,
      block.firstKey,
      columns4(block.keys),
    ],
    workgroups: [Math.ceil(panelsOf(block.queries) * PANEL / rows), Math.ceil(block.keys / step), 1],
  });
}

/** The kernel of edges for an adapter, how it is cut, and the targets and sources of a workgroup. */
function edgeKernelOf(device: Device, shape: Pick<AttentionShape, "headColumns">) {
  const tiling = tilingOf(device, shape);
  if (tiling.by === "workgroup") {
    const constants = sharedConstants(tiling);
    return { kernel: "attention-edges-shared", constants, rows: tiling.rows, step: SHARED_STEP };
  }
  const { lanes, edges: { vectors, step } } = tiling;
  const constants = { LANES: lanes, QV: vectors, T: step, SLOTS: step / lanes, STEP_CHUNKS: step / 4 };
  return { kernel: "attention-edges", constants, rows: vectors * lanes, step };
}

/** Edges that neighbouring invocations split by head. */
const SPLIT_LANES = 64;

/** Records (ov, qk) of edges of the sequence at `firstRow` for each head, [count, heads, 2]. */
export function attentionHeadEdges(
  device: Device,
  rule: ClosedRule,
  shape: Omit<AttentionShape, "tiles">,
  firstRow: number,
  { pairs, out, ...inputs }: EdgeInputs & { readonly pairs: EdgePairs; readonly out: GPUBuffer },
): void {
  const { constants, read, readLast } = edgeVariant(rule, shape, inputs);
  device.run({
    kernel: "attention-head-edges",
    constants: { ...constants, LANES: SPLIT_LANES, T: 1 },
    bindings: [pairs.buffer, ...read, out, ...readLast],
    params: [...shapeParams(shape), ...scoreParams(shape), shape.heads, firstRow, pairs.count],
    workgroups: [Math.ceil(pairs.count / SPLIT_LANES), shape.heads, 1],
  });
}

/** One head's rows of a sequence in plain numbers, [tokens, dimension] each. */
export interface HeadRows {
  readonly query: readonly (readonly number[])[];
  readonly key: readonly (readonly number[])[];
  readonly value: readonly (readonly number[])[];
  /** Of what the head writes. */
  readonly gradient: readonly (readonly number[])[];
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);

/**
 * Reference: what a head writes, the gradients of its q, k and v without factors, and its matrices [queries, keys].
 * `bias`: a number for each key.
 */
export function attentionReference(
  { window, scale, cap }: Pick<LayerAttention, "window" | "scale" | "cap">,
  { query, key, value, gradient }: HeadRows,
  bias: readonly number[] = [],
) {
  const zeros = () => query.map((row) => row.map(() => 0));
  const [out, dq, dk, dv] = [zeros(), zeros(), zeros(), zeros()];
  const square = () => query.map(() => query.map(() => 0));
  const matrices = { probability: square(), probabilityGradient: square(), scoreGradient: square(), scores: square() };
  const { probability: ps, probabilityGradient: dps, scoreGradient: dss, scores: ss } = matrices;
  const add = (to: number[], factor: number, row: readonly number[]) =>
    row.forEach((x, i) => to[i] = (to[i] as number) + factor * x);
  query.forEach((q, t) => {
    const low = Math.max(0, t + 1 - (window ?? Infinity));
    const scores = key.slice(0, t + 1).map((k) => scale * dot(q, k));
    const capped = scores.map((s, j) => (cap === null ? s : softcapReference(s, cap)) + (bias[j] ?? 0));
    // All of a row's keys may be hidden.
    if (capped.slice(low).every((s) => s <= HIDDEN / 2)) return;
    const probability = softmaxReference(capped, low, t);
    const dp = probability.map((_, j) => dot(gradient[t] as number[], value[j] as number[]));
    const inner = dot(probability, dp);
    probability.forEach((p, j) => {
      const slope = cap === null ? 1 : softcapSlope(scores[j] as number, cap);
      const ds = slope * p * ((dp[j] as number) - inner);
      for (const [matrix, x] of [[ps, p], [dps, dp[j]], [dss, ds], [ss, scores[j]]] as const) {
        (matrix[t] as number[])[j] = x as number;
      }
      add(out[t] as number[], p, value[j] as number[]);
      add(dv[j] as number[], p, gradient[t] as number[]);
      add(dq[t] as number[], scale * ds, key[j] as number[]);
      add(dk[j] as number[], scale * ds, q);
    });
  });
  return { out, dq, dk, dv, matrices };
}
