/** Norms of q and k, where a family has them, and rotary position embedding. */
import type { Rule } from "../../engine.ts";
import { type HeadNorms, normSlices, rotate, rotateBackward, rotateGiven } from "../../kernels/rotate.ts";
import { headColumns, type ModelConfig } from "../../model/config.ts";
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

/** Projections before the head norms, [rows, q | k | v]; and normed and rotated, [rows, q | k]. */
export const QUERY_KEY_VALUE = "queryKeyValue";
export const ROTATED = "rotated";
/** What the heads write, [rows, q]; in a gradient space its gradient. */
export const ATTENDED = "attention";
const HEAD_SCALE = "headScale";

/** Columns of q, of q and k, and of q, k and v, the padding of heads included. */
export function headWidths(config: ModelConfig) {
  const { heads, keyValueHeads } = config;
  const columns = headColumns(config);
  return {
    head: columns,
    query: heads * columns,
    rotated: (heads + keyValueHeads) * columns,
    queryKeyValue: (heads + 2 * keyValueHeads) * columns,
  };
}

export interface Heads extends Operation {
  /** Records the state's rotated q and k from its projections. */
  forward(workspace: Workspace, place: Place): void;
  /** Records out [rows, q | k | v] = the forward pass's linear map of other projections x; v stays as it is. */
  linear(workspace: Workspace, place: Place, x: GPUBuffer, out: GPUBuffer): void;
  /** Records the q and k columns of the gradient of the projections, `factor` times that of the rotated q and k. */
  backward(space: GradientSpace, place: Place, rule: Rule, factor: number): void;
}

export function makeHeads(config: ModelConfig, headNorms: HeadNorms): Heads {
  const { heads, keyValueHeads, headDimension, normEpsilon: epsilon } = config;
  const widths = headWidths(config);
  const slices = normSlices(headNorms, heads, keyValueHeads);
  const argumentsOf = ({ rows, angles }: Workspace, { weights, state }: Place) => ({
    rows,
    queryHeads: heads,
    keyHeads: keyValueHeads,
    headColumns: widths.head,
    dimension: headDimension,
    headNorms,
    weight: headNorms === "none" ? state.input : weights.vector("headNorms"),
    angles: angles(weights.attention.rotation),
    r: headNorms === "none" ? state.input : slot(state, HEAD_SCALE),
  });
  return {
    name: "heads",
    state: [
      matrixSlot(QUERY_KEY_VALUE, "q, k and v", widths.queryKeyValue),
      matrixSlot(ROTATED, "rotated q and k", widths.rotated),
      ...headNorms === "none" ? [] : [rowSlot(HEAD_SCALE, "head scales", slices)],
    ],
    scratch: [],
    gradients: [
      matrixSlot(ROTATED, "gradients of q and k", widths.rotated),
      matrixSlot(QUERY_KEY_VALUE, "gradients of q, k and v", widths.queryKeyValue),
    ],
    counted: NOTHING_COUNTED,
    forward(workspace, place) {
      const args = { ...argumentsOf(workspace, place), x: slot(place.state, QUERY_KEY_VALUE) };
      const out = slot(place.state, ROTATED);
      if (headNorms === "none") rotateGiven(workspace.device, { ...args, out });
      else rotate(workspace.device, { ...args, epsilon, out });
    },
    linear(workspace, place, x, out) {
      rotateGiven(workspace.device, { ...argumentsOf(workspace, place), x, out, withValues: true });
    },
    backward(space, place, rule, factor) {
      const { workspace, targets, rows } = space;
      rotateBackward(workspace.device, {
        ...argumentsOf(workspace, place),
        x: slot(place.state, QUERY_KEY_VALUE),
        rule: normRule(rule),
        factor,
        targets,
        gradientRows: rows,
        dout: slot(space, ROTATED),
        dx: slot(space, QUERY_KEY_VALUE),
      });
    },
  };
}
