/** Workgroups of 64 invocations over all vec4 of a matrix, folded over x and y where one dimension is too short. */
import { MAX_WORKGROUPS } from "../device/device.ts";
import { columns4, PANEL, panelsOf } from "./panels.ts";

export interface Elementwise {
  /** Cells of 16 rows x 4 columns. */
  readonly cells: number;
  /** Invocations in x: an invocation's number is y * width + x. */
  readonly width: number;
  readonly workgroups: readonly [number, number, number];
}

export function elementwise(rows: number, columns: number): Elementwise {
  const cells = panelsOf(rows) * columns4(columns);
  const count = Math.ceil(cells * PANEL / 64);
  const across = Math.min(count, MAX_WORKGROUPS);
  return { cells, width: across * 64, workgroups: [across, Math.ceil(count / across), 1] };
}
