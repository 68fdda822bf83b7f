/**
 * Attention of every sequence to itself, block of scores by block of scores: no matrix of all scores is ever held.
 * Each sequence has score blocks of its own, so that packing changes no sum.
 */
import type { Rule } from "../../engine.ts";
import { heads as headOperand, matmul, matmulTransposed, type Operand } from "../../kernels/matmul.ts";
import { columns4, panelsOf } from "../../kernels/panels.ts";
import { softcap, softcapBackward } from "../../kernels/softcap.ts";
import { type ScoreBlock, softmax, softmaxBackward } from "../../kernels/softmax.ts";
import type { ModelConfig } from "../../model/config.ts";
import {
  type GradientSpace,
  matrixSlot,
  type Operation,
  type Place,
  type PlacedBlock,
  slot,
  type Workspace,
} from "../operation.ts";
import { headWidths, QUERY_KEY_VALUE, ROTATED } from "./heads.ts";

/** What the heads write, [rows, q]; in a gradient space its gradient. */
export const ATTENDED = "attention";
/** P of one score block, [heads, queries, keys]; in a gradient space dP, [targets, heads, queries, keys]. */
export const PROBABILITY = "probability";
/** dS of one score block, with the scale of the scores, as dP. */
export const SCORES = "scores";
/** Scores before their cap, [heads, queries, keys]; only where a layer has one. */
export const UNCAPPED = "uncapped";

/** Factors of the attention's backward pass: dq and dk, then dv. */
const FACTORS: Readonly<Record<Rule, readonly [number, number]>> = {
  attnlrp: [1 / 4, 1 / 2],
  cplrp: [0, 1],
  gradient: [1, 1],
};

/** Rows [firstRow, ...) of q, k or v of another matrix than the state's own. */
export interface ScoreInputs {
  /** [rows, q | k] */
  readonly query?: GPUBuffer;
  readonly key?: GPUBuffer;
}

export interface Attention extends Operation {
  /** Factor of the gradient of rotated q and k that is still to be applied; 0 where there is none. */
  queryFactor(rule: Rule): number;
  /** Records what the heads write; `bias` [rows] is added to all scores toward each row. */
  forward(workspace: Workspace, place: Place, bias?: GPUBuffer): void;
  /**
   * Records the gradients of rotated q and k, and of v in the projections', from that of what the heads write.
   * `afterScores` is called when P, dP and dS of a score block are recorded, to record more that reads them.
   */
  backward(space: GradientSpace, place: Place, rule: Rule, afterScores?: (block: PlacedBlock) => void): void;
  /** Records the scaled scores of a block of queries before their cap, hidden pairs included. */
  scores(workspace: Workspace, place: Place, block: PlacedBlock, out: GPUBuffer, inputs?: ScoreInputs): void;
  /** Records P (workspace), dP and dS of a score block. */
  scoreGradients(space: GradientSpace, place: Place, block: PlacedBlock): void;
  /** Records out = <dO, v> of a score block, [targets, heads, queries, keys]; v lies in `values` as in the projections. */
  valueGradients(space: GradientSpace, block: PlacedBlock, values: GPUBuffer, out: GPUBuffer): void;
}

/** A block's scores as a batch of matrices, one a head; `shared` where all targets use the same ones. */
function scoreOperand(buffer: GPUBuffer, { heads, queries, keys }: ScoreBlock, shared = false): Operand {
  const step = panelsOf(queries) * columns4(keys);
  return { buffer, base: 0, step, outer: shared ? 0 : heads * step, stride: columns4(keys) };
}

export function makeAttention(config: ModelConfig): Attention {
  const { heads, keyValueHeads } = config;
  const { head, query, rotated, queryKeyValue } = headWidths(config);
  const group = heads / keyValueHeads;

  const scores: Attention["scores"] = ({ device }, { weights, state }, block, out, inputs = {}) => {
    const own = slot(state, ROTATED);
    matmul(device, {
      mode: "nt",
      m: block.queries,
      n: block.keys,
      k: head,
      batch: heads,
      group,
      a: headOperand(inputs.query ?? own, rotated, head, 0, block.firstRow + block.firstQuery),
      b: headOperand(inputs.key ?? own, rotated, head, query, block.firstRow + block.firstKey),
      c: scoreOperand(out, block),
      scale: weights.attention.scale,
    });
  };

  /** Records P of a block of queries. */
  function attend(workspace: Workspace, place: Place, block: PlacedBlock, bias?: GPUBuffer): void {
    const { device } = workspace;
    const { cap } = place.weights.attention;
    const probability = slot(workspace, PROBABILITY);
    scores(workspace, place, block, probability);
    if (cap !== null) softcap(device, heads * panelsOf(block.queries), block.keys, cap, probability);
    softmax(device, block, probability, bias && { buffer: bias, firstRow: block.firstRow + block.firstKey });
  }

  const valueGradients: Attention["valueGradients"] = (space, block, values, out) => {
    const { workspace: { device }, targets, rows } = space;
    matmul(device, {
      mode: "nt",
      m: block.queries,
      n: block.keys,
      k: head,
      batch: heads,
      outer: targets,
      group,
      a: headOperand(slot(space, ATTENDED), query, head, 0, block.firstRow + block.firstQuery, rows),
      b: headOperand(values, queryKeyValue, head, rotated, block.firstRow + block.firstKey),
      c: scoreOperand(out, block),
    });
  };

  const scoreGradients: Attention["scoreGradients"] = (space, place, block) => {
    const { workspace, targets } = space;
    const { device } = workspace;
    const { scale, cap } = place.weights.attention;
    const ds = slot(space, SCORES);
    attend(workspace, place, block);
    valueGradients(space, block, slot(place.state, QUERY_KEY_VALUE), slot(space, PROBABILITY));
    softmaxBackward(device, block, slot(workspace, PROBABILITY), slot(space, PROBABILITY), ds, scale, targets);
    if (cap === null) return;
    const uncapped = slot(space, UNCAPPED);
    scores(workspace, place, block, uncapped);
    softcapBackward(device, heads * panelsOf(block.queries), block.keys, cap, uncapped, ds, targets);
  };

  /** Records a query block's part of dq, dk and dv. */
  function pullScores(space: GradientSpace, { state }: Place, rule: Rule, block: PlacedBlock): void {
    const { workspace, targets, rows } = space;
    const { device } = workspace;
    const [factor, valueFactor] = FACTORS[rule];
    const firstQuery = block.firstRow + block.firstQuery;
    const firstKey = block.firstRow + block.firstKey;
    const forKeys = { m: block.keys, n: head, q: block.queries, batch: keyValueHeads, outer: targets, heads: group };
    matmulTransposed(device, {
      ...forKeys,
      x: scoreOperand(slot(workspace, PROBABILITY), block, true),
      y: headOperand(slot(space, ATTENDED), query, head, 0, firstQuery, rows),
      c: headOperand(slot(space, QUERY_KEY_VALUE), queryKeyValue, head, rotated, firstKey, rows),
      scale: valueFactor,
      accumulate: true,
    });
    if (factor === 0) return;
    const ds = slot(space, SCORES);
    matmul(device, {
      mode: "nn",
      m: block.queries,
      n: head,
      k: block.keys,
      batch: heads,
      outer: targets,
      group,
      a: scoreOperand(ds, block),
      b: headOperand(slot(state, ROTATED), rotated, head, query, block.firstRow + block.firstKey),
      c: headOperand(slot(space, ROTATED), rotated, head, 0, firstQuery, rows),
    });
    matmulTransposed(device, {
      ...forKeys,
      x: scoreOperand(ds, block),
      y: headOperand(slot(state, ROTATED), rotated, head, 0, firstQuery),
      c: headOperand(slot(space, ROTATED), rotated, head, query, firstKey, rows),
      accumulate: true,
    });
  }

  return {
    name: "attention",
    state: [],
    scratch: [matrixSlot(ATTENDED, "attention output", query)],
    gradients: [matrixSlot(ATTENDED, "gradient of the attention output", query)],
    counted: { perToken: 0, perScore: 4 * heads * config.headDimension },
    queryFactor: (rule) => FACTORS[rule][0],
    forward(workspace, place, bias) {
      for (const block of workspace.scoreBlocks(place.weights.attention)) {
        attend(workspace, place, block, bias);
        matmul(workspace.device, {
          mode: "nn",
          m: block.queries,
          n: head,
          k: block.keys,
          batch: heads,
          group,
          a: scoreOperand(slot(workspace, PROBABILITY), block),
          b: headOperand(
            slot(place.state, QUERY_KEY_VALUE),
            queryKeyValue,
            head,
            rotated,
            block.firstRow + block.firstKey,
          ),
          c: headOperand(slot(workspace, ATTENDED), query, head, 0, block.firstRow + block.firstQuery),
        });
      }
    },
    backward(space, place, rule, afterScores) {
      const { workspace } = space;
      workspace.device.clear(slot(space, QUERY_KEY_VALUE));
      workspace.device.clear(slot(space, ROTATED));
      for (const block of space.scoreBlocks(place.weights.attention)) {
        if (FACTORS[rule][0] > 0 || afterScores) scoreGradients(space, place, block);
        else attend(workspace, place, block);
        afterScores?.(block);
        pullScores(space, place, rule, block);
      }
    },
    scores,
    scoreGradients,
    valueGradients,
  };
}
