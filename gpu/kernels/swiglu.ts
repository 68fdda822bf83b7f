/** The gated linear unit of the MLP, and its backward rules. Sources: swiglu.wgsl, swiglu-backward.wgsl. */
import type { Device } from "../device/dawn.ts";
import type { Rule } from "../engine.ts";
import { columns4, PANEL, panelsOf } from "./panels.ts";
import { elementwise } from "./elementwise.ts";

/** Records w [rows, columns] = silu(gate) * up; x holds gate and up, [rows, 2 columns]; columns a multiple of 4. */
export function swiglu(device: Device, rows: number, columns: number, x: GPUBuffer, w: GPUBuffer): void {
  const { cells, width, workgroups } = elementwise(rows, columns);
  device.run({ kernel: "swiglu", bindings: [x, w], params: [columns4(columns), cells, width], workgroups });
}

/** Records dx [targets, rows, 2 columns] from dw [targets, rows, columns] by the rule; all targets share x. */
export function swigluBackward(
  device: Device,
  rule: Rule,
  rows: number,
  columns: number,
  x: GPUBuffer,
  dw: GPUBuffer,
  dx: GPUBuffer,
  targets = 1,
): void {
  const { cells, width, workgroups } = elementwise(targets * panelsOf(rows) * PANEL, columns);
  device.run({
    kernel: "swiglu-backward",
    constants: { RULE: rule },
    bindings: [x, dw, dx],
    params: [columns4(columns), cells, width, panelsOf(rows)],
    workgroups,
  });
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Reference for one element. */
export const swigluReference = (gate: number, up: number): number => gate * sigmoid(gate) * up;

/** Reference for one element. */
export function swigluBackwardReference(rule: Rule, gate: number, up: number, dw: number) {
  const s = sigmoid(gate);
  if (rule === "attnlrp") return { dgate: s * up * dw / 2, dup: gate * s * dw / 2 };
  if (rule === "cplrp") return { dgate: 0, dup: gate * s * dw };
  return { dgate: s * (1 + gate * (1 - s)) * up * dw, dup: gate * s * dw };
}
