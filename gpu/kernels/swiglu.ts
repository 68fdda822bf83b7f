/** The gated linear unit of the MLP, and its backward rules. Sources: swiglu.wgsl, swiglu-backward.wgsl. */
import { type Device, MAX_WORKGROUPS } from "../dawn.ts";
import type { Rule } from "../engine.ts";
import { columns4, PANEL, panelsOf } from "../panels.ts";

/** Params and workgroups that give each vec4 of [rows, columns] an invocation, 64 a workgroup. */
function elementwise(rows: number, columns: number) {
  const cells = panelsOf(rows) * columns4(columns);
  const workgroups = Math.ceil(cells * PANEL / 64);
  const across = Math.min(workgroups, MAX_WORKGROUPS);
  return {
    params: [columns4(columns), cells, across * 64],
    workgroups: [across, Math.ceil(workgroups / across), 1] as const,
  };
}

/** Records w [rows, columns] = silu(gate) * up; x holds gate and up, [rows, 2 columns]; columns a multiple of 4. */
export function swiglu(device: Device, rows: number, columns: number, x: GPUBuffer, w: GPUBuffer): void {
  device.run({ kernel: "swiglu", bindings: [x, w], ...elementwise(rows, columns) });
}

/** Records dx [rows, 2 columns] from dw [rows, columns] by the rule. */
export function swigluBackward(
  device: Device,
  rule: Rule,
  rows: number,
  columns: number,
  x: GPUBuffer,
  dw: GPUBuffer,
  dx: GPUBuffer,
): void {
  device.run({
    kernel: "swiglu-backward",
    constants: { RULE: rule },
    bindings: [x, dw, dx],
    ...elementwise(rows, columns),
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
