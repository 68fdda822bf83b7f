/** RMS norm and its backward rules. Sources: rmsnorm.wgsl, rmsnorm-backward.wgsl; method.md section 2. */
import { type Device, floatBits } from "../device/dawn.ts";
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
