/** The largest logits of each row. Source: top-tokens.wgsl. */
import type { Device } from "../device/device.ts";
import { columns4, panelsOf } from "./panels.ts";

/** Records, for each row of `x` [rows, columns], the `count` largest values: [rows with padding, count], largest first. */
export function topTokens(
  device: Device,
  { rows, columns, count, x, ids, logits }: {
    readonly rows: number;
    readonly columns: number;
    /** At most `columns`. */
    readonly count: number;
    readonly x: GPUBuffer;
    /** u32: their columns. */
    readonly ids: GPUBuffer;
    /** f32: the values. */
    readonly logits: GPUBuffer;
  },
): void {
  device.run({
    kernel: "top-tokens",
    bindings: [x, ids, logits],
    params: [columns4(columns), columns, count],
    workgroups: [panelsOf(rows), 1, 1],
  });
}

/** Reference for one row: columns of the `count` largest values, of equal ones the first column first. */
export function topTokensReference(values: ArrayLike<number>, count: number): number[] {
  const order = Array.from(values, (_, column) => column);
  return order.sort((a, b) => (values[b] as number) - (values[a] as number) || a - b).slice(0, count);
}
