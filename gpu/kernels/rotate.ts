/** Norm over each q and k head followed by rotary position embedding, and the way back. Sources: rotate*.wgsl. */
import { type Device, floatBits } from "../dawn.ts";
import { columns4, PANEL, panelsOf } from "../panels.ts";
import { type NormRule, rmsNormBackwardReference, rmsNormReference } from "./norm.ts";

interface Heads {
  /** Rows of x. */
  readonly rows: number;
  readonly queryHeads: number;
  readonly keyHeads: number;
  /** A multiple of 8. */
  readonly headDimension: number;
  /** Norm weights of q then k, [2, headDimension]. */
  readonly weight: GPUBuffer;
  /** From `rotationAngles`. */
  readonly angles: GPUBuffer;
  /** [queryHeads + keyHeads, rows with padding] */
  readonly r: GPUBuffer;
  /** q, k and v before the norm, [rows, (queryHeads + 2 keyHeads) headDimension]. */
  readonly x: GPUBuffer;
}

function shape({ rows, queryHeads, keyHeads, headDimension }: Heads): number[] {
  return [
    columns4((queryHeads + 2 * keyHeads) * headDimension),
    columns4((queryHeads + keyHeads) * headDimension),
    queryHeads,
    queryHeads + keyHeads,
    headDimension / 4,
    panelsOf(rows) * PANEL,
  ];
}

/** Records out [rows, q heads | k heads] = rotated norms of x. */
export function rotate(device: Device, args: Heads & { readonly epsilon: number; readonly out: GPUBuffer }): void {
  device.run({
    kernel: "rotate",
    bindings: [args.x, args.weight, args.angles, args.out, args.r],
    params: [...shape(args), floatBits(args.epsilon)],
    workgroups: [panelsOf(args.rows), Math.ceil((args.queryHeads + args.keyHeads) / 4), 1],
  });
}

/** Records the q and k columns of dx = factor * pullback of dout. */
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
  const bindings = [args.dout, args.weight, args.angles, args.r, args.dx];
  device.run({
    kernel: "rotate-backward",
    constants: { MODE: args.rule },
    bindings: args.rule === "exact" ? [...bindings, args.x] : bindings,
    params: [...shape(args), panels, floatBits(args.factor)],
    workgroups: [(args.targets ?? 1) * panels, Math.ceil((args.queryHeads + args.keyHeads) / 4), 1],
  });
}

/**
 * Cosines and sines of each row's position, as rotate.wgsl reads them: [rows, headDimension / 8, (cos, sin), 4].
 * Frequencies and angles are rounded to float32 where transformers rounds them, since the angle's rounding error grows
 * with the position.
 */
export function rotationAngles(
  positions: ArrayLike<number>,
  theta: number,
  headDimension: number,
): Float32Array<ArrayBuffer> {
  const half = headDimension / 2;
  const frequencies = Array.from(
    { length: half },
    (_, d) => Math.fround(1 / Math.fround(theta ** Math.fround(2 * d / headDimension))),
  );
  const angles = new Float32Array(positions.length * headDimension);
  for (let row = 0; row < positions.length; row++) {
    for (let d = 0; d < half; d++) {
      const angle = Math.fround((positions[row] as number) * (frequencies[d] as number));
      const at = (row * (half / 4) + (d >> 2)) * 8 + (d & 3);
      angles[at] = Math.cos(angle);
      angles[at + 4] = Math.sin(angle);
    }
  }
  return angles;
}

/** Reference for one head of one row. */
export function rotateReference(
  x: readonly number[],
  weight: readonly number[],
  position: number,
  theta: number,
  epsilon: number,
): number[] {
  return turn(rmsNormReference(x, weight, epsilon).y, position, theta, 1);
}

/** Reference for one head of one row: dx without the factor. */
export function rotateBackwardReference(
  rule: NormRule,
  x: readonly number[],
  weight: readonly number[],
  dout: readonly number[],
  position: number,
  theta: number,
  epsilon: number,
): number[] {
  return rmsNormBackwardReference(rule, x, weight, turn(dout, position, theta, -1), epsilon);
}

function turn(y: readonly number[], position: number, theta: number, direction: 1 | -1): number[] {
  const half = y.length / 2;
  return y.map((value, d) => {
    const angle = position * theta ** (-2 * (d % half) / y.length) * direction;
    const other = d < half ? -(y[d + half] as number) : y[d - half] as number;
    return value * Math.cos(angle) + other * Math.sin(angle);
  });
}
