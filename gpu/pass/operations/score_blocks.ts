/**
 * Attention block of scores by block of scores: no matrix of all scores is ever held. Each sequence has score blocks of its
 * own, so that packing changes no sum. Adapters without tiles of attention compute it so.
 */
import { heads as headOperand, matmul, matmulTransposed, type Operand } from "../../kernels/matmul.ts";
import { columns4, panelsOf } from "../../kernels/panels.ts";
import { softcap, softcapBackward } from "../../kernels/softcap.ts";
import { type ScoreBlock, softmax, softmaxBackward } from "../../kernels/softmax.ts";
import type { ModelConfig } from "../../model/config.ts";
import { type GradientSpace, type Place, type PlacedBlock, slot, type Workspace } from "../operation.ts";
import { ATTENDED, headWidths, QUERY_KEY_VALUE, ROTATED } from "./heads.ts";

/** P of one score block, [heads, queries, keys]; in a gradient space dP, [targets, heads, queries, keys]. */
export const PROBABILITY = "probability";
/** dS of one score block, with the scale of the scores, as dP. */
export const SCORES = "scores";
/** Scores before their cap, [heads, queries, keys]; only where a layer has one. */
export const UNCAPPED = "uncapped";

/** What is recorded of a block of scores. */
export interface ScoreBlocks {
  /**
   * Records the scaled scores of a block of queries before their cap, hidden pairs included; `keys`: another [rows, q | k | v]
   * than the state's, of which k is taken.
   */
  scores(workspace: Workspace, place: Place, block: PlacedBlock, out: GPUBuffer, keys?: GPUBuffer): void;
  /** Records P (workspace); `bias` [rows] is added to all scores toward each row. */
  attend(workspace: Workspace, place: Place, block: PlacedBlock, bias?: GPUBuffer): void;
  /** Records what the heads write, from P. */
  write(workspace: Workspace, place: Place, block: PlacedBlock): void;
  /** Records P (workspace), dP and dS of a score block. */
  scoreGradients(space: GradientSpace, place: Place, block: PlacedBlock): void;
  /** Records out = <dO, v> of a score block, [targets, heads, queries, keys]; v lies in `values` as in the projections. */
  valueGradients(space: GradientSpace, block: PlacedBlock, values: GPUBuffer, out: GPUBuffer): void;
  /** Records a query block's part of dv, times `factor`, from P. */
  pullValues(space: GradientSpace, block: PlacedBlock, factor: number): void;
  /** Records a query block's part of dq and dk, from dS. */
  pullScores(space: GradientSpace, place: Place, block: PlacedBlock): void;
}

/** A block's scores as a batch of matrices, one a head; `shared` where all targets use the same ones. */
function scoreOperand(buffer: GPUBuffer, { heads, queries, keys }: ScoreBlock, shared = false): Operand {
  const step = panelsOf(queries) * columns4(keys);
  return { buffer, base: 0, step, outer: shared ? 0 : heads * step, stride: columns4(keys) };
}

export function makeScoreBlocks(config: ModelConfig): ScoreBlocks {
  const parts = makeScores(config);
  return { ...parts, ...makePulls(config) };
}

function makeScores(config: ModelConfig): Omit<ScoreBlocks, "pullValues" | "pullScores"> {
  const { heads, keyValueHeads } = config;
  const { head, query, rotated, queryKeyValue } = headWidths(config);
  const group = heads / keyValueHeads;

  const scores: ScoreBlocks["scores"] = ({ device }, { weights, state }, block, out, keys) => {
    const own = slot(state, ROTATED);
    matmul(device, {
      mode: "nt",
      m: block.queries,
      n: block.keys,
      k: head,
      batch: heads,
      group,
      a: headOperand(own, rotated, head, 0, block.firstRow + block.firstQuery),
      b: headOperand(keys ?? own, keys ? queryKeyValue : rotated, head, query, block.firstRow + block.firstKey),
      c: scoreOperand(out, block),
      scale: weights.attention.scale,
    });
  };

  const attend: ScoreBlocks["attend"] = (workspace, place, block, bias) => {
    const { device } = workspace;
    const { cap } = place.weights.attention;
    const probability = slot(workspace.blockSlots(), PROBABILITY);
    scores(workspace, place, block, probability);
    if (cap !== null) softcap(device, heads * panelsOf(block.queries), block.keys, cap, probability);
    softmax(device, block, probability, bias && { buffer: bias, firstRow: block.firstRow + block.firstKey });
  };

  const valueGradients: ScoreBlocks["valueGradients"] = (space, block, values, out) => {
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

  return {
    scores,
    attend,
    valueGradients,
    write(workspace, { state }, block) {
      matmul(workspace.device, {
        mode: "nn",
        m: block.queries,
        n: head,
        k: block.keys,
        batch: heads,
        group,
        a: scoreOperand(slot(workspace.blockSlots(), PROBABILITY), block),
        b: headOperand(slot(state, QUERY_KEY_VALUE), queryKeyValue, head, rotated, block.firstRow + block.firstKey),
        c: headOperand(slot(workspace, ATTENDED), query, head, 0, block.firstRow + block.firstQuery),
      });
    },
    scoreGradients(space, place, block) {
      const { workspace, targets } = space;
      const { device } = workspace;
      const { scale, cap } = place.weights.attention;
      const probability = slot(workspace.blockSlots(), PROBABILITY);
      const [dp, ds] = [PROBABILITY, SCORES].map((name) => slot(space.blockSlots(), name)) as [GPUBuffer, GPUBuffer];
      attend(workspace, place, block);
      valueGradients(space, block, slot(place.state, QUERY_KEY_VALUE), dp);
      softmaxBackward(device, block, probability, dp, ds, scale, targets);
      if (cap === null) return;
      const uncapped = slot(space.blockSlots(), UNCAPPED);
      scores(workspace, place, block, uncapped);
      softcapBackward(device, heads * panelsOf(block.queries), block.keys, cap, uncapped, ds, targets);
    },
  };
}

function makePulls(config: ModelConfig): Pick<ScoreBlocks, "pullValues" | "pullScores"> {
  const { heads, keyValueHeads } = config;
  const { head, query, rotated, queryKeyValue } = headWidths(config);
  const group = heads / keyValueHeads;
  const forKeys = ({ keys, queries }: PlacedBlock, targets: number) => ({
    m: keys,
    n: head,
    q: queries,
    batch: keyValueHeads,
    outer: targets,
    heads: group,
    accumulate: true,
  });
  return {
    pullValues(space, block, factor) {
      const { workspace, targets, rows } = space;
      matmulTransposed(workspace.device, {
        ...forKeys(block, targets),
        x: scoreOperand(slot(workspace.blockSlots(), PROBABILITY), block, true),
        y: headOperand(slot(space, ATTENDED), query, head, 0, block.firstRow + block.firstQuery, rows),
        c: headOperand(
          slot(space, QUERY_KEY_VALUE),
          queryKeyValue,
          head,
          rotated,
          block.firstRow + block.firstKey,
          rows,
        ),
        scale: factor,
      });
    },
    pullScores(space, { state }, block) {
      const { workspace: { device }, targets, rows } = space;
      const firstQuery = block.firstRow + block.firstQuery;
      const firstKey = block.firstRow + block.firstKey;
      const ds = scoreOperand(slot(space.blockSlots(), SCORES), block);
      const [own, gradient] = [slot(state, ROTATED), slot(space, ROTATED)];
      matmul(device, {
        mode: "nn",
        m: block.queries,
        n: head,
        k: block.keys,
        batch: heads,
        outer: targets,
        group,
        a: ds,
        b: headOperand(own, rotated, head, query, firstKey),
        c: headOperand(gradient, rotated, head, 0, firstQuery, rows),
      });
      matmulTransposed(device, {
        ...forKeys(block, targets),
        x: ds,
        y: headOperand(own, rotated, head, 0, firstQuery),
        c: headOperand(gradient, rotated, head, query, firstKey, rows),
      });
    },
  };
}
