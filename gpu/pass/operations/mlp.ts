/** The MLP of a block: gated or plain, or experts (experts.ts). */
import type { Device } from "../../device/device.ts";
import type { Rule } from "../../engine.ts";
import { gated, gatedBackward, plain, plainBackward } from "../../kernels/activation.ts";
import { columns4 } from "../../kernels/panels.ts";
import type { LayerMlp, ModelConfig } from "../../model/config.ts";
import type { BlockAblation } from "../ablation.ts";
import {
  type GradientSpace,
  matrixSlot,
  NOTHING_COUNTED,
  type Operation,
  type Place,
  slot,
  type Workspace,
} from "../operation.ts";
import { makeLinear } from "./linear.ts";

/** What the neurons are before the projection down, and in a gradient space their gradient, [rows, neurons]. */
export const INNER = "inner";

/** What the projection up gives, and in a gradient space its gradient: gate and up side by side, or up alone. */
export const GATE_UP = "gateUp";

export interface MlpOptions {
  readonly accumulate?: boolean;
  /** Whose neurons give nothing. */
  readonly ablation?: BlockAblation | undefined;
}

export interface Mlp {
  readonly operations: readonly Operation[];
  /** Neurons of a row of INNER; columns past them, up to a multiple of 4, are zero. */
  readonly neurons: number;
  /** Rows of INNER for each token: one for each expert that it is sent to. */
  readonly rowsPerToken: number;
  /** Whether chosen rows can be computed by themselves from chosen rows of the state. */
  readonly isRowwise: boolean;
  /** Records y [rows, hidden] (+)= MLP of x. */
  forward(workspace: Workspace, place: Place, x: GPUBuffer, y: GPUBuffer, options?: MlpOptions): void;
  /** The experts of rows of INNER; null where there are none. */
  expertsOf(device: Device, place: Place, rows: readonly number[]): Promise<Uint32Array | null>;
  /** Records the workspace's INNER from the state again. */
  neuronsAgain(workspace: Workspace, place: Place): void;
  /** Records the gradient of the neurons from that of what the MLP writes. */
  neuronsBackward(space: GradientSpace, place: Place, dy: GPUBuffer): void;
  /** Records dx [targets, rows, hidden] (+)= what the gradient of the neurons gives for what the MLP reads. */
  backward(space: GradientSpace, place: Place, rule: Rule, dx: GPUBuffer, accumulate: boolean): void;
}

/** A gated MLP, act(gate) up, or a plain one, act(up). */
export function makeDense(
  { hidden, biases }: ModelConfig,
  { kind, activation, width }: Exclude<LayerMlp, { kind: "experts" }>,
): Mlp {
  const isGated = kind === "gated";
  const inner = columns4(width) * 4;
  const wide = isGated ? 2 * inner : inner;
  const up = isGated
    ? makeLinear("gateUp", { rows: 2 * width, columns: hidden, bias: biases.mlp ? "gateUpBias" : null })
    : makeLinear("up", { rows: width, columns: hidden, bias: biases.mlp ? "upBias" : null });
  const down = makeLinear("down", { rows: hidden, columns: width, bias: biases.mlp ? "downBias" : null });
  const neurons: Operation = {
    name: "neurons",
    state: [matrixSlot(GATE_UP, isGated ? "gate and up" : "MLP's neurons", wide)],
    scratch: [matrixSlot(INNER, "MLP inner", inner)],
    gradients: [
      matrixSlot(INNER, "gradient of the MLP inner", inner),
      matrixSlot(GATE_UP, isGated ? "gradients of gate and up" : "gradients of the MLP's neurons", wide),
    ],
    counted: NOTHING_COUNTED,
  };
  const activate: Mlp["neuronsAgain"] = (workspace, { state }) => {
    const { device, rows } = workspace;
    (isGated ? gated : plain)(device, activation, rows, inner, slot(state, GATE_UP), slot(workspace, INNER));
  };
  return {
    operations: [up, neurons, down],
    neurons: width,
    rowsPerToken: 1,
    isRowwise: true,
    forward(workspace, place, x, y, { accumulate, ablation } = {}) {
      up.forward(workspace, place, x, slot(place.state, GATE_UP));
      activate(workspace, place);
      ablation?.neurons(slot(workspace, INNER), inner);
      down.forward(workspace, place, slot(workspace, INNER), y, accumulate);
    },
    expertsOf: () => Promise.resolve(null),
    neuronsAgain: activate,
    neuronsBackward(space, place, dy) {
      down.backward(space, place, dy, slot(space, INNER));
    },
    backward(space, place, rule, dx, accumulate) {
      const { workspace: { device }, targets, rows } = space;
      (isGated ? gatedBackward : plainBackward)(device, activation, {
        rule,
        rows,
        columns: inner,
        targets,
        x: slot(place.state, GATE_UP),
        dw: slot(space, INNER),
        dx: slot(space, GATE_UP),
      });
      up.backward(space, place, slot(space, GATE_UP), dx, accumulate);
    },
  };
}
