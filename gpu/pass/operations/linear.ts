/** A product with a weight matrix, and its bias. */
import { addBias } from "../../kernels/bias.ts";
import { project, projectBack } from "../../kernels/weight_matrix.ts";
import type { MatrixPart, VectorPart } from "../../model/layout.ts";
import { gradientRows, type GradientSpace, type Operation, type Place, type Workspace } from "../operation.ts";

export interface Linear extends Operation {
  /** Records y [rows, out] (+)= x [rows, in] W^T + bias. */
  forward(workspace: Workspace, place: Place, x: GPUBuffer, y: GPUBuffer, accumulate?: boolean): void;
  /** Records y = x W^T. */
  linear(workspace: Workspace, place: Place, x: GPUBuffer, y: GPUBuffer): void;
  /** Records dx [targets, rows, in] (+)= dy [targets, rows, out] W. */
  backward(space: GradientSpace, place: Place, dy: GPUBuffer, dx: GPUBuffer, accumulate?: boolean): void;
}

/** `rows` and `columns` are those that count: padding left out. */
export function makeLinear(
  part: MatrixPart,
  { rows, columns, bias }: { readonly rows: number; readonly columns: number; readonly bias: VectorPart | null },
): Linear {
  const linear: Linear["linear"] = ({ device, usedRows }, { weights }, x, y) =>
    project(device, usedRows, x, weights.matrix(part), y);
  return {
    name: part,
    state: [],
    scratch: [],
    gradients: [],
    counted: { perToken: 2 * rows * columns, perScore: 0 },
    linear,
    forward(workspace, place, x, y, accumulate = false) {
      const { device, usedRows } = workspace;
      const weight = place.weights.matrix(part);
      project(device, usedRows, x, weight, y, accumulate);
      if (bias) addBias(device, usedRows, weight.rows, place.weights.vector(bias), y);
    },
    backward(space, { weights }, dy, dx, accumulate = false) {
      projectBack(space.workspace.device, gradientRows(space), dy, weights.matrix(part), dx, accumulate);
    },
  };
}
