/** Soft caps of scores and logits, x' = cap tanh(x / cap). Sources: softcap.wgsl, softcap-backward.wgsl. */
import { type Device, floatBits } from "../device/device.ts";
import { elementwise } from "./elementwise.ts";
import { columns4, PANEL } from "./panels.ts";

/** Records x' in place of x [panels of rows, columns]. */
export function softcap(device: Device, panels: number, columns: number, cap: number, x: GPUBuffer): void {
  const { cells, width, workgroups } = elementwise(panels * PANEL, columns);
  device.run({ kernel: "softcap", bindings: [x], params: [cells, width, floatBits(cap)], workgroups });
}

/** Records dx [targets, panels of rows, columns] = (1 - tanh(x / cap)^2) dx; all targets share x. */
export function softcapBackward(
  device: Device,
  panels: number,
  columns: number,
  cap: number,
  x: GPUBuffer,
  dx: GPUBuffer,
  targets = 1,
): void {
  const { cells, width, workgroups } = elementwise(targets * panels * PANEL, columns);
  device.run({
    kernel: "softcap-backward",
    bindings: [x, dx],
    params: [cells, width, floatBits(cap), panels * columns4(columns)],
    workgroups,
  });
}

/** Reference for one number. */
export const softcapReference = (x: number, cap: number): number => cap * Math.tanh(x / cap);

/** Reference for one number: the slope there. */
export const softcapSlope = (x: number, cap: number): number => 1 - Math.tanh(x / cap) ** 2;
