/**
 * RMS norm and LayerNorm, and their backward rules. Sources: rmsnorm.wgsl, rmsnorm-backward.wgsl, layernorm.wgsl,
 * layernorm-backward.wgsl, norm-linear.wgsl; docs/method.md section 2.
 */
import { type Device, floatBits } from "../device/device.ts";
import { columns4, panelsOf } from "./panels.ts";

/** `constant`: r counts as a constant (AttnLRP, CP-LRP); `exact`: the true gradient. */
export type NormRule = "constant" | "exact";

export interface RmsNorm {
  readonly rows: number;
  readonly columns: number;
  readonly epsilon: number;
  /** [rows, columns] */
  readonly x: GPUBuffer;
  /** [columns], padded with zeros to a multiple of 4. */
  readonly weight: GPUBuffer;
  /** [rows, columns] */
  readonly y: GPUBuffer;
  /** 1 / root mean square, [rows with padding]. */
  readonly r: GPUBuffer;
  /** Adds to y instead of setting it. */
  readonly accumulate?: boolean;
}

/** Records y (+)= weight * x * r. */
export function rmsNorm(device: Device, { rows, columns, epsilon, x, weight, y, r, accumulate }: RmsNorm): void {
  device.run({
    kernel: "rmsnorm",
    constants: { MODE: accumulate ? "add" : "set" },
    bindings: [x, weight, y, r],
    params: [columns4(columns), floatBits(columns), floatBits(epsilon)],
    workgroups: [panelsOf(rows), 1, 1],
  });
}

export interface RmsNormBackward {
  readonly rule: NormRule;
  /** Rows of x; a multiple of 16 where there are several targets. */
  readonly rows: number;
  readonly columns: number;
  /** Gradients that share x and r, one after the other in dy and g. */
  readonly targets?: number;
  readonly dy: GPUBuffer;
  readonly weight: GPUBuffer;
  readonly r: GPUBuffer;
  /** The norm's input, [rows, columns]. */
  readonly x: GPUBuffer;
  /** As dy; set, or added to. */
  readonly g: GPUBuffer;
  readonly accumulate: boolean;
}

/** Records g (+)= pull-back of dy through the norm. */
export function rmsNormBackward(
  device: Device,
  { rule, rows, columns, targets = 1, dy, weight, r, x, g, accumulate }: RmsNormBackward,
): void {
  device.run({
    kernel: "rmsnorm-backward",
    constants: { MODE: rule, WRITE: accumulate ? "add" : "set" },
    bindings: rule === "exact" ? [dy, weight, r, g, x] : [dy, weight, r, g],
    params: [columns4(columns), floatBits(columns), panelsOf(rows)],
    workgroups: [targets * panelsOf(rows), 1, 1],
  });
}

/** Records y (+)= weight * (x - mean) * r + bias, r = 1 / standard deviation. `weight` holds the bias behind the weight. */
export function layerNorm(device: Device, { rows, columns, epsilon, x, weight, y, r, accumulate }: RmsNorm): void {
  device.run({
    kernel: "layernorm",
    constants: { MODE: accumulate ? "add" : "set" },
    bindings: [x, weight, y, r],
    params: [columns4(columns), columns, floatBits(epsilon)],
    workgroups: [panelsOf(rows), 1, 1],
  });
}

/** Records g (+)= pull-back of dy through a LayerNorm: the mean is part of it, r counts as the rule says. */
export function layerNormBackward(
  device: Device,
  { rule, rows, columns, targets = 1, dy, weight, r, x, g, accumulate }: RmsNormBackward,
): void {
  device.run({
    kernel: "layernorm-backward",
    constants: { MODE: rule, WRITE: accumulate ? "add" : "set" },
    bindings: rule === "exact" ? [dy, weight, r, g, x] : [dy, weight, r, g],
    params: [columns4(columns), columns, panelsOf(rows)],
    workgroups: [targets * panelsOf(rows), 1, 1],
  });
}

/** Which norm a family has. */
export interface NormOf {
  readonly kind: "rms" | "layer";
}

/** Records y (+)= norm of x. */
export function norm(device: Device, { kind, ...args }: RmsNorm & NormOf): void {
  (kind === "layer" ? layerNorm : rmsNorm)(device, args);
}

/** Records g (+)= pull-back of dy through a norm. */
export function normBackward(device: Device, { kind, ...args }: RmsNormBackward & NormOf): void {
  (kind === "layer" ? layerNormBackward : rmsNormBackward)(device, args);
}

/** Records y = what a norm is of x when its scale r is given and its bias is left out: linear in x. */
export function normLinear(
  device: Device,
  { kind, rows, columns, x, weight, y, r }: Omit<RmsNorm, "epsilon" | "accumulate"> & NormOf,
): void {
  device.run({
    kernel: "norm-linear",
    constants: { KIND: kind },
    bindings: [x, weight, r, y],
    params: [columns4(columns), columns],
    workgroups: [panelsOf(rows), 1, 1],
  });
}

/** Reference for one row: y and r. */
export function layerNormReference(
  x: readonly number[],
  weight: readonly number[],
  bias: readonly number[],
  epsilon: number,
) {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const r = 1 / Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length + epsilon);
  return { r, y: x.map((value, i) => (weight[i] as number) * (value - mean) * r + (bias[i] as number)) };
}

/** Reference for one row: dx. */
export function layerNormBackwardReference(
  rule: NormRule,
  x: readonly number[],
  weight: readonly number[],
  dy: readonly number[],
  epsilon: number,
): number[] {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const { r } = layerNormReference(x, weight, weight, epsilon);
  const pulled = x.map((_, i) => (weight[i] as number) * (dy[i] as number));
  const standard = x.map((value) => (value - mean(x)) * r);
  const along = mean(pulled.map((value, i) => value * (standard[i] as number)));
  return pulled.map((value, i) =>
    r * (value - mean(pulled) - (rule === "exact" ? (standard[i] as number) * along : 0))
  );
}

/** Reference for one row: y and r. */
export function rmsNormReference(x: readonly number[], weight: readonly number[], epsilon: number) {
  const r = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + epsilon);
  return { r, y: x.map((value, i) => (weight[i] as number) * value * r) };
}

/** Reference for one row: dx. */
export function rmsNormBackwardReference(
  rule: NormRule,
  x: readonly number[],
  weight: readonly number[],
  dy: readonly number[],
  epsilon: number,
): number[] {
  const { r } = rmsNormReference(x, weight, epsilon);
  const dot = x.reduce((sum, value, i) => sum + value * (weight[i] as number) * (dy[i] as number), 0);
  return x.map((value, i) =>
    (weight[i] as number) * (dy[i] as number) * r - (rule === "exact" ? value * r ** 3 / x.length * dot : 0)
  );
}
