/**
 * What an MLP does between its projections, gated or plain, and its backward rules (docs/method.md sections 2 and 11).
 * Sources: activation.inc.wgsl, gated.wgsl, gated-backward.wgsl, plain.wgsl, plain-backward.wgsl.
 */
import type { Device } from "../device/device.ts";
import type { Rule } from "../engine.ts";
import type { Activation } from "../model/architectures.ts";
import { elementwise } from "./elementwise.ts";
import { columns4, PANEL, panelsOf } from "./panels.ts";

/** The value of the kernels' ACT. */
const actOf = (activation: Activation) => activation.replace("-", "_");

/** Records w [rows, columns] = act(gate) * up; x holds gate and up, [rows, 2 columns]; columns a multiple of 4. */
export function gated(
  device: Device,
  activation: Activation,
  rows: number,
  columns: number,
  x: GPUBuffer,
  w: GPUBuffer,
): void {
  const { cells, width, workgroups } = elementwise(rows, columns);
  device.run({
    kernel: "gated",
    constants: { ACT: actOf(activation) },
    bindings: [x, w],
    params: [columns4(columns), cells, width],
    workgroups,
  });
}

/** What a backward pass through an activation reads and writes. */
export interface ActivationBackward {
  readonly rule: Rule;
  readonly rows: number;
  readonly columns: number;
  /** Gradients that share x. */
  readonly targets?: number;
  readonly x: GPUBuffer;
  /** [targets, rows, columns] */
  readonly dw: GPUBuffer;
  /** [targets, shape of x] */
  readonly dx: GPUBuffer;
}

/** Records dx by the rule. */
export function gatedBackward(
  device: Device,
  activation: Activation,
  { rule, rows, columns, targets = 1, x, dw, dx }: ActivationBackward,
): void {
  const { cells, width, workgroups } = elementwise(targets * panelsOf(rows) * PANEL, columns);
  device.run({
    kernel: "gated-backward",
    constants: { RULE: rule, ACT: actOf(activation) },
    bindings: [x, dw, dx],
    params: [columns4(columns), cells, width, panelsOf(rows)],
    workgroups,
  });
}

/** Records w [rows, columns] = act(x). */
export function plain(
  device: Device,
  activation: Activation,
  rows: number,
  columns: number,
  x: GPUBuffer,
  w: GPUBuffer,
): void {
  const { cells, width, workgroups } = elementwise(rows, columns);
  device.run({
    kernel: "plain",
    constants: { ACT: actOf(activation) },
    bindings: [x, w],
    params: [cells, width],
    workgroups,
  });
}

/** Records dx by the rule. */
export function plainBackward(
  device: Device,
  activation: Activation,
  { rule, rows, columns, targets = 1, x, dw, dx }: ActivationBackward,
): void {
  const { cells, width, workgroups } = elementwise(targets * panelsOf(rows) * PANEL, columns);
  device.run({
    kernel: "plain-backward",
    constants: { RULE: rule, ACT: actOf(activation) },
    bindings: [x, dw, dx],
    params: [cells, width, panelsOf(rows) * columns4(columns)],
    workgroups,
  });
}

/** The error function, by its series and its continued fraction, to float64's precision. */
function erf(x: number): number {
  if (x < 0) return -erf(-x);
  if (x > 6) return 1;
  // Abramowitz and Stegun 7.1.6.
  let sum = x;
  let term = x;
  for (let n = 1; term > 1e-17 * sum; n++) sum += term *= 2 * x * x / (2 * n + 1);
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}

/** act(x) / x of each activation; its value at 0 is the limit. */
const GATES: Readonly<Record<Activation, (x: number) => number>> = {
  silu: (x) => 1 / (1 + Math.exp(-x)),
  "gelu-tanh": (x) => (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))) / 2,
  "gelu-erf": (x) => (1 + erf(x / Math.SQRT2)) / 2,
};

/** Reference: act(x). */
export const activationReference = (activation: Activation, x: number): number => x * GATES[activation](x);

/** The slope by central differences, whose error is far below float32's. */
function slopeReference(activation: Activation, x: number): number {
  const step = 1e-5;
  return (activationReference(activation, x + step) - activationReference(activation, x - step)) / (2 * step);
}

/** Reference for one element. */
export const gatedReference = (activation: Activation, gate: number, up: number): number =>
  activationReference(activation, gate) * up;

/** Reference for one element. */
export function gatedBackwardReference(activation: Activation, rule: Rule, gate: number, up: number, dw: number) {
  const own = GATES[activation](gate);
  if (rule === "attnlrp") return { dgate: own * up * dw / 2, dup: gate * own * dw / 2 };
  if (rule === "cplrp") return { dgate: 0, dup: gate * own * dw };
  return { dgate: slopeReference(activation, gate) * up * dw, dup: gate * own * dw };
}

/** Reference for one element. */
export const plainBackwardReference = (activation: Activation, rule: Rule, x: number, dw: number): number =>
  (rule === "gradient" ? slopeReference(activation, x) : GATES[activation](x)) * dw;
