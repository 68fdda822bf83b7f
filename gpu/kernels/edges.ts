/**
 * Edges of adjacent node layers by the closed form of docs/method.md section 3, whole blocks of target rows at a time, from
 * matrices of scores. Sources: edges.wgsl, head-edges.wgsl.
 */
import { type Device, floatBits } from "../device/device.ts";
import { columns4, PANEL, panelsOf } from "./panels.ts";
import { elementwise } from "./elementwise.ts";
import type { ScoreBlock } from "./softmax.ts";

/** The rules whose norms are linear, so that edges have a closed form. */
export type ClosedRule = "attnlrp" | "cplrp";

/**
 * Matrices of a score block, [heads, queries, keys]. CP-LRP needs neither S nor dS. Where q, k and v have constant parts,
 * <dO, v> and S are those of the linear parts of v and k (docs/method.md section 11).
 */
export interface ScoreMatrices {
  readonly probability: GPUBuffer;
  readonly probabilityGradient: GPUBuffer;
  /** dS times `scale`. */
  readonly scoreGradient: GPUBuffer;
  /** Scaled scores before their cap. */
  readonly scores: GPUBuffer;
  readonly scale: number;
}

/**
 * Records A [queries, keys] of a score block; row = target, column = source. `own` [rows]: what reaches a target from its
 * own row other than through its key and value, on the diagonal.
 */
export function edges(
  device: Device,
  rule: ClosedRule,
  block: ScoreBlock & { readonly firstRow: number },
  matrices: ScoreMatrices,
  own: GPUBuffer,
  out: GPUBuffer,
): void {
  const { cells, workgroups, width } = elementwise(block.queries, block.keys);
  const { probability, probabilityGradient, scoreGradient, scores, scale } = matrices;
  device.run({
    kernel: "edges",
    constants: { RULE: rule },
    bindings: [probability, probabilityGradient, own, out, ...rule === "attnlrp" ? [scoreGradient, scores] : []],
    params: [
      cells,
      block.heads,
      floatBits(1 / scale),
      width,
      columns4(block.keys),
      block.firstQuery,
      block.queries,
      block.firstKey,
      block.firstRow,
    ],
    workgroups,
  });
}

/** Edges whose terms are wanted head by head. */
export interface EdgePairs {
  /** [count, (target, source)]: tokens of the sequence. */
  readonly buffer: GPUBuffer;
  readonly count: number;
}

/** Records (ov, qk) of edges of a score block for each head, [count, heads, 2]. */
export function headEdges(
  device: Device,
  rule: ClosedRule,
  block: ScoreBlock,
  matrices: ScoreMatrices,
  { buffer, count }: EdgePairs,
  out: GPUBuffer,
): void {
  const { probability, probabilityGradient, scoreGradient, scores, scale } = matrices;
  const query = rule === "attnlrp" ? [scoreGradient, scores] : [];
  device.run({
    kernel: "head-edges",
    constants: { RULE: rule },
    bindings: [buffer, probability, probabilityGradient, out, ...query],
    params: [
      columns4(block.keys),
      panelsOf(block.queries),
      block.heads,
      count,
      floatBits(1 / scale),
      block.firstQuery,
      block.firstKey,
    ],
    workgroups: [Math.ceil(count / 64), block.heads, 1],
  });
}

/**
 * One head's matrices in plain numbers, row-major [targets, sources]; S and dS without scale. Where q, k and v have constant
 * parts, <dO, v> and S are those of the linear parts of v and k.
 */
export interface HeadNumbers {
  readonly probability: readonly (readonly number[])[];
  readonly probabilityGradient: readonly (readonly number[])[];
  readonly scoreGradient: readonly (readonly number[])[];
  readonly scores: readonly (readonly number[])[];
}

/** Reference: ov and qk of one head's edge. */
export function headEdgeReference(rule: ClosedRule, head: HeadNumbers, target: number, source: number) {
  const at = (matrix: readonly (readonly number[])[]) => matrix[target]?.[source] as number;
  const ov = at(head.probability) * at(head.probabilityGradient);
  return rule === "cplrp" ? { ov, qk: 0 } : { ov: ov / 2, qk: at(head.scoreGradient) * at(head.scores) / 4 };
}

/** Reference: A[target, source] of a sequence; the scores of hidden pairs are not read. */
export function edgeReference(
  rule: ClosedRule,
  heads: readonly HeadNumbers[],
  own: readonly number[],
  target: number,
  source: number,
): number {
  if (source > target) return 0;
  const terms = heads.map((head) => headEdgeReference(rule, head, target, source));
  return terms.reduce((sum, { ov, qk }) => sum + ov + qk, source === target ? own[target] as number : 0);
}

/**
 * Reference: what reaches a target from its own row other than through its key and value: <x_t, g1_t>, and under AttnLRP
 * through its query. `queryScores`: a head's scores, those of the linear part of q where it has a constant one.
 */
export function ownReference(
  rule: ClosedRule,
  heads: readonly (Pick<HeadNumbers, "scoreGradient"> & { readonly queryScores: HeadNumbers["scores"] })[],
  residual: readonly number[],
  target: number,
): number {
  let sum = residual[target] as number;
  if (rule === "cplrp") return sum;
  for (const { scoreGradient, queryScores } of heads) {
    for (let key = 0; key <= target; key++) {
      sum += (scoreGradient[target]?.[key] as number) * (queryScores[target]?.[key] as number) / 4;
    }
  }
  return sum;
}

/** Bytes of a block of edges. */
export const edgeBytes = ({ queries, keys }: ScoreBlock): number => panelsOf(queries) * PANEL * columns4(keys) * 16;
