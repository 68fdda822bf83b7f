/**
 * Attention of every sequence to itself: by tiles, which hold no scores in memory, where the adapter has them
 * (kernels/attention.ts), else by blocks of scores (score_blocks.ts). Either way a sequence's sums do not depend on what
 * else is in the pass.
 */
import type { Rule } from "../../engine.ts";
import {
  attentionBackward,
  attentionEdges,
  attentionForward,
  type AttentionGradients,
  attentionHeadEdges,
  type TileTable,
} from "../../kernels/attention.ts";
import type { ClosedRule, EdgePairs } from "../../kernels/edges.ts";
import type { ModelConfig } from "../../model/config.ts";
import {
  type GradientSpace,
  matrixSlot,
  type Operation,
  type Place,
  type PlacedBlock,
  rowSlot,
  slot,
  type Workspace,
} from "../operation.ts";
import { ATTENDED, headWidths, QUERY_KEY_VALUE, ROTATED } from "./heads.ts";
import { makeScoreBlocks, type ScoreBlocks } from "./score_blocks.ts";

/** Of each row (largest score, 1 / sum), [heads, rows], from which its probabilities come again. */
const STATS = "attentionStats";
/** <dO, O> of each row, [targets, heads, rows]. */
const INNER_PRODUCTS = "attentionInnerProducts";

/** Factors of the attention's backward pass: dq and dk, then dv. */
const FACTORS: Readonly<Record<Rule, readonly [number, number]>> = {
  attnlrp: [1 / 4, 1 / 2],
  cplrp: [0, 1],
  gradient: [1, 1],
};

/** What reads a backward pass of attention, block by block of queries. */
export interface BlockReader {
  /** Blocks that it reads. */
  wants(block: PlacedBlock): boolean;
  /** Called when the gradient of a block's queries is recorded, and without tiles P, dP and dS, to record more. */
  record(block: PlacedBlock): void;
}

/** What edges by tiles read besides, and what they write. */
interface EdgeBuffers {
  /** [rows, q | k | v], q and k rotated: their linear parts, in a layer with constants (block.ts) alone. */
  readonly linear: GPUBuffer | undefined;
  readonly out: GPUBuffer;
}

export interface Attention extends Operation {
  readonly blocks: ScoreBlocks;
  /** Factor of the gradient of rotated q and k that is still to be applied; 0 where there is none. */
  queryFactor(rule: Rule): number;
  /** Records what the heads write; `bias` [rows] is added to all scores toward each row. */
  forward(workspace: Workspace, place: Place, bias?: GPUBuffer): void;
  /** Records the gradients of rotated q and k, and of v in the projections', from that of what the heads write. */
  backward(space: GradientSpace, place: Place, rule: Rule, reader?: BlockReader): void;
  /**
   * Records A [queries, keys] of a block by tiles, after `backward`. `own` [rows]: what reaches a target from its own row
   * other than through its key and value.
   */
  edges(
    space: GradientSpace,
    place: Place,
    rule: ClosedRule,
    block: PlacedBlock,
    buffers: EdgeBuffers & { readonly own: GPUBuffer },
  ): void;
  /** Records (ov, qk) of edges of the sequence at `firstRow` by tiles, [count, heads, 2], after `backward`. */
  headEdges(
    space: GradientSpace,
    place: Place,
    rule: ClosedRule,
    firstRow: number,
    buffers: EdgeBuffers & { readonly pairs: EdgePairs },
  ): void;
}

export function makeAttention(config: ModelConfig): Attention {
  const { heads } = config;
  const { query } = headWidths(config);
  const blocks = makeScoreBlocks(config);
  const tiled = makeTiled(config);
  return {
    name: "attention",
    state: [rowSlot(STATS, "largest scores and sums", 2 * heads)],
    scratch: [matrixSlot(ATTENDED, "attention output", query)],
    gradients: [
      matrixSlot(ATTENDED, "gradient of the attention output", query),
      rowSlot(INNER_PRODUCTS, "inner products of the attention output", heads),
    ],
    counted: { perToken: 0, perScore: 4 * heads * config.headDimension },
    blocks,
    edges: tiled.edges,
    headEdges: tiled.headEdges,
    queryFactor: (rule) => FACTORS[rule][0],
    forward(workspace, place, bias) {
      const { tiles } = workspace;
      if (tiles) return tiled.forward(workspace, tiles, place, bias);
      for (const block of workspace.scoreBlocks(place.weights.attention)) {
        blocks.attend(workspace, place, block, bias);
        blocks.write(workspace, place, block);
      }
    },
    backward(space, place, rule, reader) {
      const [factor, valueFactor] = FACTORS[rule];
      const { tiles, workspace: { device } } = space;
      if (tiles) tiled.backward(space, tiles, place, rule);
      else [QUERY_KEY_VALUE, ROTATED].forEach((name) => device.clear(slot(space, name)));
      for (const block of space.scoreBlocks(place.weights.attention)) {
        const isRead = reader?.wants(block) === true;
        if (!tiles) {
          if (isRead || factor > 0) blocks.scoreGradients(space, place, block);
          else blocks.attend(space.workspace, place, block);
          blocks.pullValues(space, block, valueFactor);
          if (factor > 0) blocks.pullScores(space, place, block);
        }
        if (isRead) reader.record(block);
      }
    },
  };
}

/** Attention by tiles. */
function makeTiled(config: ModelConfig) {
  const { heads, keyValueHeads } = config;
  const { head } = headWidths(config);
  const inputs = ({ rows }: Workspace, { weights, state }: Place) =>
    [
      { rows, heads, keyValueHeads, headColumns: head, attention: weights.attention },
      {
        rotated: slot(state, ROTATED),
        projections: slot(state, QUERY_KEY_VALUE),
        stats: slot(state, STATS),
      },
    ] as const;
  const gradientsOf = (space: GradientSpace): AttentionGradients => ({
    targets: space.targets,
    rows: space.rows,
    out: slot(space, ATTENDED),
    inner: slot(space, INNER_PRODUCTS),
    rotated: slot(space, ROTATED),
    projections: slot(space, QUERY_KEY_VALUE),
  });
  return {
    forward(workspace: Workspace, tiles: TileTable, place: Place, bias?: GPUBuffer): void {
      const [shape, buffers] = inputs(workspace, place);
      attentionForward(workspace.device, { ...shape, tiles }, { ...buffers, out: slot(workspace, ATTENDED), bias });
    },
    backward(space: GradientSpace, tiles: TileTable, place: Place, rule: Rule): void {
      const { workspace } = space;
      const [shape, buffers] = inputs(workspace, place);
      const [factor, valueFactor] = FACTORS[rule];
      // Where q and k have no gradient, nothing else writes these columns.
      if (factor === 0) workspace.device.clear(slot(space, QUERY_KEY_VALUE));
      attentionBackward(workspace.device, { ...shape, tiles }, {
        ...buffers,
        gradients: gradientsOf(space),
        hasQuery: factor > 0,
        valueFactor,
      });
    },
    edges(
      space: GradientSpace,
      place: Place,
      rule: ClosedRule,
      block: PlacedBlock,
      written: EdgeBuffers & { readonly own: GPUBuffer },
    ): void {
      const { workspace } = space;
      const [shape, buffers] = inputs(workspace, place);
      attentionEdges(workspace.device, rule, shape, block, { ...buffers, gradients: gradientsOf(space), ...written });
    },
    headEdges(
      space: GradientSpace,
      place: Place,
      rule: ClosedRule,
      firstRow: number,
      written: EdgeBuffers & { readonly pairs: EdgePairs },
    ): void {
      const { workspace } = space;
      const [shape, buffers] = inputs(workspace, place);
      attentionHeadEdges(workspace.device, rule, shape, firstRow, {
        ...buffers,
        gradients: gradientsOf(space),
        ...written,
      });
    },
  };
}
