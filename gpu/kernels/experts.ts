/**
 * Experts: which ones a row is sent to, products with the matrix of each assignment's expert, and the way back
 * (docs/method.md section 11). An assignment is a row's rank-th expert, number row * count + rank.
 * Sources: route.wgsl, route-backward.wgsl, expert-slots.wgsl, matmul-experts.wgsl, expert-sum.wgsl, scale-rows.wgsl.
 */
import { type Device, floatBits } from "../device/device.ts";
import { elementwise } from "./elementwise.ts";
import { columns4, PANEL, panelsOf, storageConstants } from "./panels.ts";
import type { WeightMatrix } from "./weight_matrix.ts";

export interface Routing {
  readonly rows: number;
  readonly experts: number;
  /** Experts of a row. */
  readonly count: number;
  /** Whether shares are divided by the sum of those chosen. */
  readonly normalised: boolean;
  /** [rows, experts] */
  readonly logits: GPUBuffer;
  /** u32 [rows, count] */
  readonly chosen: GPUBuffer;
  /** f32 [rows, count] */
  readonly shares: GPUBuffer;
}

const normalisedOf = ({ normalised }: Routing) => ({ NORMALISED: normalised ? "yes" : "no" });

/** Records chosen and shares from the logits. */
export function route(device: Device, routing: Routing): void {
  const { rows, experts, count, logits, chosen, shares } = routing;
  device.run({
    kernel: "route",
    constants: normalisedOf(routing),
    bindings: [logits, chosen, shares],
    params: [rows, experts, columns4(experts), count],
    workgroups: [Math.ceil(rows / 64), 1, 1],
  });
}

/** Records dlogits [targets, rows, experts] from the gradient of the shares times the shares, [targets, rows, count]. */
export function routeBackward(
  device: Device,
  routing: Routing & {
    readonly targets: number;
    readonly factor: number;
    readonly gradient: GPUBuffer;
    readonly dlogits: GPUBuffer;
  },
): void {
  const { rows, experts, count, logits, chosen, shares, targets, factor, gradient, dlogits } = routing;
  device.run({
    kernel: "route-backward",
    constants: normalisedOf(routing),
    bindings: [logits, chosen, shares, gradient, dlogits],
    params: [rows, experts, columns4(experts), count, targets * rows, floatBits(factor)],
    workgroups: [Math.ceil(targets * rows / 64), 1, 1],
  });
}

/** Panels that assignments can take at most, sorted by expert. */
export const slotPanels = (assignments: number, experts: number): number =>
  Math.floor(assignments / PANEL) + Math.min(experts, assignments);

/** Assignments sorted by expert. */
export interface SlotLists {
  /** u32 [panels, 16] */
  readonly slots: GPUBuffer;
  /** u32 [panels]: whose each panel is. */
  readonly experts: GPUBuffer;
}

/** Records the lists of `assignments`. */
export function sortByExpert(
  device: Device,
  assignments: number,
  experts: number,
  chosen: GPUBuffer,
  lists: SlotLists,
): void {
  device.run({
    kernel: "expert-slots",
    bindings: [chosen, lists.slots, lists.experts],
    params: [assignments, experts, slotPanels(assignments, experts)],
    workgroups: [1, 1, 1],
  });
}

export interface ExpertProduct {
  /** nt: C = A W_e^T. nn: C = A W_e. */
  readonly mode: "nt" | "nn";
  /** All experts' matrices one above the other, `expertRows` rows each. */
  readonly weight: WeightMatrix;
  readonly expertRows: number;
  readonly experts: number;
  readonly lists: SlotLists;
  /** Panels of the lists, and the first of the assignments that are computed: both of all rows of the state. */
  readonly panels: number;
  readonly limit: number;
  readonly targets?: number;
  /** [targets, assignments / rowsFrom, in] */
  readonly a: GPUBuffer;
  /** Assignments that read the same row of A. */
  readonly rowsFrom: number;
  /** [targets, assignments, out] */
  readonly c: GPUBuffer;
}

/** Records C, assignment by assignment. */
export function expertProduct(
  device: Device,
  { mode, weight, expertRows, experts, lists, panels, limit, targets = 1, a, rowsFrom, c }: ExpertProduct,
): void {
  const own = columns4(weight.columns);
  const rows = columns4(expertRows);
  const [n, k] = mode === "nt" ? [rows, own] : [own, rows];
  for (const shard of weight.shards) {
    device.run({
      kernel: "matmul-experts",
      constants: { MODE: mode, ...storageConstants(shard.type) },
      bindings: [a, shard.buffer, c, lists.slots, lists.experts],
      params: [
        n,
        k,
        k,
        own,
        n,
        limit / rowsFrom / PANEL,
        limit / PANEL,
        rowsFrom,
        limit,
        weight.rows / experts,
        shard.firstRow / (weight.rows / experts),
        shard.rows / (weight.rows / experts),
      ],
      workgroups: [Math.ceil(n / 64), panels, targets],
    });
  }
}

export interface ExpertSum {
  readonly rows: number;
  readonly columns: number;
  readonly count: number;
  readonly targets?: number;
  /** [targets, rows * count, columns] */
  readonly y: GPUBuffer;
  /** [rows, count]; each assignment counts once where there are none. */
  readonly shares?: GPUBuffer;
  readonly scale?: number;
  /** [targets, rows, columns] */
  readonly out: GPUBuffer;
  readonly accumulate: boolean;
}

/** Records out (+)= the sum of each row's assignments. */
export function expertSum(
  device: Device,
  { rows, columns, count, targets = 1, y, shares, scale = 1, out, accumulate }: ExpertSum,
): void {
  const { cells, width, workgroups } = elementwise(targets * panelsOf(rows) * PANEL, columns);
  device.run({
    kernel: "expert-sum",
    constants: { WEIGHTED: shares ? "yes" : "no", MODE: accumulate ? "add" : "set" },
    bindings: shares ? [y, out, shares] : [y, out],
    params: [columns4(columns), cells, width, panelsOf(rows), count, floatBits(scale)],
    workgroups,
  });
}

/** Records x [targets, rows, columns] *= scale [rows]; rows are a multiple of 16. */
export function scaleRows(
  device: Device,
  rows: number,
  columns: number,
  scale: GPUBuffer,
  x: GPUBuffer,
  targets = 1,
): void {
  const { cells, width, workgroups } = elementwise(targets * rows, columns);
  device.run({
    kernel: "scale-rows",
    bindings: [scale, x],
    params: [columns4(columns), cells, width, panelsOf(rows)],
    workgroups,
  });
}

/** Reference for one row: the experts chosen and their shares. */
export function routeReference(logits: readonly number[], count: number, normalised: boolean) {
  const most = Math.max(...logits);
  const raised = logits.map((logit) => Math.exp(logit - most));
  const total = raised.reduce((sum, value) => sum + value, 0);
  const chosen = [...logits.keys()]
    .sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b)
    .slice(0, count);
  const softmax = chosen.map((expert) => (raised[expert] as number) / total);
  const kept = normalised ? softmax.reduce((sum, value) => sum + value, 0) : 1;
  return { chosen, shares: softmax.map((value) => value / kept) };
}

/** Reference for one row: dlogits from the gradient of the shares, by differences of the shares themselves. */
export function routeBackwardReference(
  logits: readonly number[],
  count: number,
  normalised: boolean,
  gradient: readonly number[],
): number[] {
  const { chosen } = routeReference(logits, count, normalised);
  const step = 1e-6;
  // The selection stays: shares of those chosen at the logits themselves.
  const objective = (values: readonly number[]) => {
    const raised = values.map((value) => Math.exp(value));
    const all = raised.reduce((sum, value) => sum + value, 0);
    const kept = normalised ? chosen.reduce((sum, expert) => sum + (raised[expert] as number), 0) : all;
    return chosen.reduce(
      (sum, expert, rank) => sum + (gradient[rank] as number) * (raised[expert] as number) / kept,
      0,
    );
  };
  return logits.map((_, expert) => {
    const moved = (by: number) => logits.map((value, other) => other === expert ? value + by : value);
    return (objective(moved(step)) - objective(moved(-step))) / (2 * step);
  });
}
