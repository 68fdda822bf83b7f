/** A norm of the residual stream, or of what attention or MLP write to it. */
import type { Rule } from "../../engine.ts";
import { norm, normBackward, normLinear } from "../../kernels/norm.ts";
import type { NormKind } from "../../model/architectures.ts";
import type { ModelConfig } from "../../model/config.ts";
import type { VectorPart } from "../../model/layout.ts";
import {
  type GradientSpace,
  matrixSlot,
  normRule,
  NOTHING_COUNTED,
  type Operation,
  type Place,
  rowSlot,
  slot,
  type Workspace,
} from "../operation.ts";

export interface Norm extends Operation {
  /** Records y [rows, hidden] (+)= norm of x. */
  forward(workspace: Workspace, place: Place, x: GPUBuffer, y: GPUBuffer, accumulate?: boolean): void;
  /** Records g [targets, rows, hidden] (+)= pull-back of dy; x is what the norm ran over. */
  backward(
    space: GradientSpace,
    place: Place,
    rule: Rule,
    gradients: { readonly x: GPUBuffer; readonly dy: GPUBuffer; readonly g: GPUBuffer; readonly accumulate: boolean },
  ): void;
  /** Records y = what the norm is of x where its scale is that of the forward pass and its bias is left out. */
  linear(workspace: Workspace, place: Place, x: GPUBuffer, y: GPUBuffer): void;
}

/** Slot of what a norm of the outputs ran over. */
export const NORMED = { attentionOut: "attention's output", mlpOut: "MLP's output" } as const;

/** One of a block's norms; `part` names its weights. */
export function makeNorm(
  { hidden, normEpsilon: epsilon }: ModelConfig,
  kind: NormKind,
  part: Extract<VectorPart, "attentionIn" | "attentionOut" | "mlpIn" | "mlpOut">,
): Norm {
  const scale = `${part} scale`;
  const isOutput = part === "attentionOut" || part === "mlpOut";
  const of = (rows: number, { weights, state }: Place) => ({
    kind: kind === "layer" ? "layer" : "rms",
    rows,
    columns: hidden,
    weight: weights.vector(part),
    r: slot(state, scale),
  } as const);
  return {
    name: part,
    state: [
      ...isOutput ? [matrixSlot(NORMED[part], NORMED[part], hidden)] : [],
      rowSlot(scale, `${isOutput ? "output" : "input"} norm's scale`, 1),
    ],
    scratch: [matrixSlot("hidden", "normed rows", hidden)],
    gradients: [matrixSlot("hidden", "gradient of normed rows", hidden)],
    counted: NOTHING_COUNTED,
    forward({ device, rows }, place, x, y, accumulate = false) {
      norm(device, { ...of(rows, place), epsilon, x, y, accumulate });
    },
    backward({ workspace: { device }, targets, rows }, place, rule, gradients) {
      normBackward(device, { ...of(rows, place), rule: normRule(rule), targets, ...gradients });
    },
    linear({ device, rows }, place, x, y) {
      normLinear(device, { ...of(rows, place), x, y });
    },
  };
}
