/**
 * Norms of q and k (none, over each head or over the whole projection), followed by rotary position embedding; and the
 * way back.
 * Sources: slice-scale.wgsl, rotate.wgsl, rotate-backward.wgsl, slice-pull.wgsl.
 */
import { type Device, floatBits } from "../device/device.ts";
import { frequenciesFor, type Rotation } from "../model/rotary.ts";
import { columns4, PANEL, panelsOf } from "./panels.ts";
import { type NormRule, rmsNormBackwardReference, rmsNormReference } from "./norm.ts";

/** What the norms of q and k run over. */
export type HeadNorms = "head" | "projection" | "none";

interface Heads {
  /** Rows of x. */
  readonly rows: number;
  readonly queryHeads: number;
  readonly keyHeads: number;
  /** Columns of a head, a multiple of 8; those from `dimension` on are zero. */
  readonly headColumns: number;
  readonly dimension: number;
  readonly headNorms: HeadNorms;
  /** Norm weights of q then k, of one head or of all; not read where there are no norms. */
  readonly weight: GPUBuffer;
  /** From `rotationAngles`. */
  readonly angles: GPUBuffer;
  /** [slices, rows with padding]; not read where there are no norms. */
  readonly r: GPUBuffer;
  /** q, k and v before the norm, [rows, (queryHeads + 2 keyHeads) headColumns]. */
  readonly x: GPUBuffer;
}

/** How many norms of q and k a row has. */
export function normSlices(headNorms: HeadNorms, queryHeads: number, keyHeads: number): number {
  return headNorms === "none" ? 0 : headNorms === "head" ? queryHeads + keyHeads : 2;
}

const width = ({ queryHeads, keyHeads, headColumns }: Heads) => columns4((queryHeads + 2 * keyHeads) * headColumns);

/** The `Slices` of slices.inc.wgsl. */
function slices({ headNorms, queryHeads, keyHeads, headColumns, dimension }: Heads): number[] {
  const chunks = headColumns / 4;
  const count = normSlices(headNorms, queryHeads, keyHeads);
  return headNorms === "head"
    ? [count, queryHeads, chunks, chunks, dimension, dimension]
    : [count, 1, queryHeads * chunks, keyHeads * chunks, queryHeads * dimension, keyHeads * dimension];
}

function shape(args: Heads, chunksOut = columns4((args.queryHeads + args.keyHeads) * args.headColumns)): number[] {
  const { rows, queryHeads, keyHeads, headColumns } = args;
  return [
    width(args),
    chunksOut,
    queryHeads,
    queryHeads + keyHeads,
    headColumns / 4,
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
  rotateGiven(device, args);
}

/**
 * Records out = rotated norms of x whose scales r are given: linear in x. `withValues`: out is [rows, q | k | v], v that of x.
 */
export function rotateGiven(
  device: Device,
  args: Heads & { readonly out: GPUBuffer; readonly withValues?: boolean },
): void {
  const { headNorms, queryHeads, keyHeads, headColumns, withValues = false } = args;
  const heads = queryHeads + (withValues ? 2 : 1) * keyHeads;
  device.run({
    kernel: "rotate",
    constants: { NORM: headNorms, VALUES: withValues ? "yes" : "no" },
    bindings: [args.x, args.angles, args.out, ...normBindings(args)],
    params: shape(args, columns4(heads * headColumns)),
    workgroups: [panelsOf(args.rows), Math.ceil(heads / 4), 1],
  });
}

const normBindings = ({ headNorms, weight, r }: Heads) => headNorms === "none" ? [] : [weight, r];

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
    bindings: [args.dout, args.angles, args.dx, ...normBindings(args)],
    params: [...shape(args), panels, floatBits(args.factor)],
    workgroups: [across, Math.ceil((args.queryHeads + args.keyHeads) / 4), 1],
  });
  if (args.rule === "constant" || args.headNorms === "none") return;
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
 * Cosines and sines of each row's position, as rotate.wgsl reads them: [rows, headColumns / 8, (cos, sin), 4]. Columns
 * that do not turn have an angle of 0. Angles are rounded to float32 where transformers rounds them, since the angle's
 * rounding error grows with the position. `tokens`: the length of each row's context, for rotations that depend on it.
 */
export function rotationAngles(
  positions: ArrayLike<number>,
  rotation: Rotation,
  headColumns: number,
  tokens: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const half = headColumns / 2;
  const { attentionFactor: factor } = rotation;
  const angles = new Float32Array(positions.length * headColumns);
  for (let row = 0; row < positions.length; row++) {
    const frequencies = frequenciesFor(rotation, tokens[row] as number);
    for (let d = 0; d < half; d++) {
      const turns = d < frequencies.length;
      const angle = turns ? Math.fround((positions[row] as number) * (frequencies[d] as number)) : 0;
      const at = (row * (half / 4) + (d >> 2)) * 8 + (d & 3);
      angles[at] = turns ? Math.cos(angle) * factor : 1;
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
