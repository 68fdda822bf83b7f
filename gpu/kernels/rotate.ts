/**
 * Norms of q and k, over each head or over the whole projection, followed by rotary position embedding; and the way back.
 * Sources: slice-scale.wgsl, rotate.wgsl, rotate-backward.wgsl, slice-pull.wgsl.
 */
import { type Device, floatBits } from "../device/dawn.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Rotation } from "../model/rotary.ts";
import { columns4, PANEL, panelsOf } from "./panels.ts";
import { type NormRule, rmsNormBackwardReference, rmsNormReference } from "./norm.ts";

interface Heads {
  /** Rows of x. */
  readonly rows: number;
  readonly queryHeads: number;
  readonly keyHeads: number;
  /** A multiple of 8. */
  readonly headDimension: number;
  readonly headNorms: ModelConfig["headNorms"];
  /** Norm weights of q then k, of one head or of all. */
  readonly weight: GPUBuffer;
  /** From `rotationAngles`. */
  readonly angles: GPUBuffer;
  /** [slices, rows with padding] */
  readonly r: GPUBuffer;
  /** q, k and v before the norm, [rows, (queryHeads + 2 keyHeads) headDimension]. */
  readonly x: GPUBuffer;
}

/** How many norms of q and k a row has. */
export function normSlices(headNorms: ModelConfig["headNorms"], queryHeads: number, keyHeads: number): number {
  return headNorms === "head" ? queryHeads + keyHeads : 2;
}

const width = ({ queryHeads, keyHeads, headDimension }: Heads) => columns4((queryHeads + 2 * keyHeads) * headDimension);

/** The `Slices` of slices.inc.wgsl. */
function slices({ headNorms, queryHeads, keyHeads, headDimension }: Heads): number[] {
  const chunks = headDimension / 4;
  const count = normSlices(headNorms, queryHeads, keyHeads);
  return headNorms === "head"
    ? [count, queryHeads, chunks, chunks]
    : [count, 1, queryHeads * chunks, keyHeads * chunks];
}

function shape(args: Heads): number[] {
  const { rows, queryHeads, keyHeads, headDimension } = args;
  return [
    width(args),
    columns4((queryHeads + keyHeads) * headDimension),
    queryHeads,
    queryHeads + keyHeads,
    headDimension / 4,
    panelsOf(rows) * PANEL,
  ];
}

/** Records r, then out [rows, q heads | k heads] = rotated norms of x. */
export function rotate(device: Device, args: Heads & { readonly epsilon: number; readonly out: GPUBuffer }): void {
  const panels = panelsOf(args.rows);
  const all = slices(args);
  const [count = 0] = all;
  device.run({
    kernel: "slice-scale",
    bindings: [args.x, args.r],
    params: [...all, width(args), panels * PANEL, floatBits(args.epsilon)],
    workgroups: [panels, Math.ceil(count / 4), 1],
  });
  device.run({
    kernel: "rotate",
    constants: { NORM: args.headNorms },
    bindings: [args.x, args.weight, args.angles, args.r, args.out],
    params: shape(args),
    workgroups: [panels, Math.ceil((args.queryHeads + args.keyHeads) / 4), 1],
  });
}

/** Records the q and k columns of dx = factor * pull-back of dout. */
export function rotateBackward(
  device: Device,
  args: Heads & {
    readonly rule: NormRule;
    readonly factor: number;
    /** Gradients that share x, r and angles, one after the other in dout and dx. */
    readonly targets?: number;
    /** Rows of each gradient, the first of x's; default all. A multiple of 16 where there are several targets. */
    readonly gradientRows?: number;
    /** [targets, rows, q heads | k heads] */
    readonly dout: GPUBuffer;
    /** As x for each target; the columns of v stay as they are. */
    readonly dx: GPUBuffer;
  },
): void {
  const panels = panelsOf(args.gradientRows ?? args.rows);
  const across = (args.targets ?? 1) * panels;
  device.run({
    kernel: "rotate-backward",
    constants: { NORM: args.headNorms },
    bindings: [args.dout, args.weight, args.angles, args.r, args.dx],
    params: [...shape(args), panels, floatBits(args.factor)],
    workgroups: [across, Math.ceil((args.queryHeads + args.keyHeads) / 4), 1],
  });
  if (args.rule === "constant") return;
  const all = slices(args);
  const [count = 0] = all;
  device.run({
    kernel: "slice-pull",
    bindings: [args.x, args.r, args.dx],
    params: [...all, width(args), panelsOf(args.rows) * PANEL, panels],
    workgroups: [across, Math.ceil(count / 4), 1],
  });
}

/**
 * Cosines and sines of each row's position, as rotate.wgsl reads them: [rows, headDimension / 8, (cos, sin), 4].
 * Angles are rounded to float32 as in transformers, since their rounding error grows with the position.
 */
export function rotationAngles(
  positions: ArrayLike<number>,
  rotation: Rotation,
  headDimension: number,
): Float32Array<ArrayBuffer> {
  const half = headDimension / 2;
  const { frequencies, attentionFactor: factor } = rotation;
  const angles = new Float32Array(positions.length * headDimension);
  for (let row = 0; row < positions.length; row++) {
    for (let d = 0; d < half; d++) {
      const angle = Math.fround((positions[row] as number) * (frequencies[d] as number));
      const at = (row * (half / 4) + (d >> 2)) * 8 + (d & 3);
      angles[at] = Math.cos(angle) * factor;
      angles[at + 4] = Math.sin(angle) * factor;
    }
  }
  return angles;
}

/** Reference for one slice of one row that holds `heads` heads; the rotation without its rounding. */
export function rotateReference(
  x: readonly number[],
  weight: readonly number[],
  position: number,
  theta: number,
  epsilon: number,
  heads = 1,
): number[] {
  return turnHeads(rmsNormReference(x, weight, epsilon).y, heads, position, theta, 1);
}

/** Reference for one slice of one row: dx without the factor. */
export function rotateBackwardReference(
  rule: NormRule,
  x: readonly number[],
  weight: readonly number[],
  dout: readonly number[],
  position: number,
  theta: number,
  epsilon: number,
  heads = 1,
): number[] {
  return rmsNormBackwardReference(rule, x, weight, turnHeads(dout, heads, position, theta, -1), epsilon);
}

function turnHeads(y: readonly number[], heads: number, position: number, theta: number, direction: 1 | -1): number[] {
  const dimension = y.length / heads;
  const half = dimension / 2;
  return y.map((value, index) => {
    const d = index % dimension;
    const angle = position * theta ** (-2 * (d % half) / dimension) * direction;
    const other = d < half ? -(y[index + half] as number) : y[index - half] as number;
    return value * Math.cos(angle) + other * Math.sin(angle);
  });
}
