/**
 * Edges of adjacent node layers by the closed form of docs/method.md section 3, whole blocks of target rows at a time.
 * Sources: edges.wgsl, edges-diagonal.wgsl, head-edges.wgsl.
 */
import { type Device, floatBits } from "../device/device.ts";
import { columns4, PANEL, panelsOf } from "./panels.ts";
import { elementwise } from "./elementwise.ts";
import type { ScoreBlock } from "./softmax.ts";

/** The rules whose norms are linear, so that edges have a closed form. */
export type ClosedRule = "attnlrp" | "cplrp";

/**
 * Matrices of a score block, [heads, queries, keys]. CP-LRP needs neither S nor dS. Where q, k or v have constant parts,
 * <dO, v>, S by key and S by query are those of the linear part of v, k and q (docs/method.md section 11).
 */
export interface ScoreMatrices {
  readonly probability: GPUBuffer;
  readonly probabilityGradient: GPUBuffer;
  /** dS times `scale`. */
  readonly scoreGradient: GPUBuffer;
  /** Scaled scores before their cap, by the key. */
  readonly scores: GPUBuffer;
  /** The same by the query. */
  readonly queryScores: GPUBuffer;
  readonly scale: number;
}

/** Records A [queries, keys] of a score block; row = target, column = source. `residual` [rows]: <x_t, g1_t>. */
export function edges(
  device: Device,
  rule: ClosedRule,
  block: ScoreBlock & { readonly firstRow: number },
  matrices: ScoreMatrices,
  residual: GPUBuffer,
  out: GPUBuffer,
): void {
  const { cells, workgroups, width } = elementwise(block.queries, block.keys);
  const { probability, probabilityGradient, scoreGradient, scores, queryScores, scale } = matrices;
  const unscale = floatBits(1 / scale);
  const query = rule === "attnlrp" ? [scoreGradient, scores] : [];
  device.run({
    kernel: "edges",
    constants: { RULE: rule },
    bindings: [probability, probabilityGradient, out, ...query],
    params: [cells, block.heads, unscale, width],
    workgroups,
  });
  device.run({
    kernel: "edges-diagonal",
    constants: { RULE: rule },
    bindings: [out, residual, ...rule === "attnlrp" ? [scoreGradient, queryScores] : []],
    params: [
      columns4(block.keys),
      panelsOf(block.queries),
      block.heads,
      block.firstQuery,
      block.queries,
      block.firstKey,
      block.firstRow,
      unscale,
    ],
    workgroups: [panelsOf(block.queries), 1, 1],
  });
}

/** Records (ov, qk) of `count` chosen edges for each head, [count, heads, 2]. `pairs`: (row, key) in the block. */
export function headEdges(
  device: Device,
  rule: ClosedRule,
  block: ScoreBlock,
  matrices: ScoreMatrices,
  pairs: GPUBuffer,
  count: number,
  out: GPUBuffer,
): void {
  const { probability, probabilityGradient, scoreGradient, scores, scale } = matrices;
  const query = rule === "attnlrp" ? [scoreGradient, scores] : [];
  device.run({
    kernel: "head-edges",
    constants: { RULE: rule },
    bindings: [pairs, probability, probabilityGradient, out, ...query],
    params: [columns4(block.keys), panelsOf(block.queries), block.heads, count, floatBits(1 / scale)],
    workgroups: [Math.ceil(count / 64), block.heads, 1],
  });
}

/** One head's matrices in plain numbers, row-major [targets, sources]; S and dS without scale. */
export interface HeadNumbers {
  readonly probability: readonly (readonly number[])[];
  readonly probabilityGradient: readonly (readonly number[])[];
  readonly scoreGradient: readonly (readonly number[])[];
  readonly scores: readonly (readonly number[])[];
  readonly queryScores: readonly (readonly number[])[];
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
  residual: readonly number[],
  target: number,
  source: number,
): number {
  if (source > target) return 0;
  const term = (head: HeadNumbers, key: number) => headEdgeReference(rule, head, target, key);
  let sum = heads.reduce((total, head) => total + term(head, source).ov + term(head, source).qk, 0);
  if (source === target) {
    sum += residual[target] as number;
    if (rule === "cplrp") return sum;
    for (const { scoreGradient, queryScores } of heads) {
      for (let key = 0; key <= target; key++) {
        sum += (scoreGradient[target]?.[key] as number) * (queryScores[target]?.[key] as number) / 4;
      }
    }
  }
  return sum;
}

/** Bytes of a block of edges. */
export const edgeBytes = ({ queries, keys }: ScoreBlock): number => panelsOf(queries) * PANEL * columns4(keys) * 16;
