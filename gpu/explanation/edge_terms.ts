/**
 * What the edges of a block are made of (docs/method.md sections 3 and 11): by tiles of attention where the adapter has
 * them, else from the matrices of score blocks; whole, and head by head.
 */
import { blockOf, hasConstants } from "../pass/block.ts";
import { type GradientSpace, type Place, type PlacedBlock, slot, type Workspace } from "../pass/operation.ts";
import { headWidths, QUERY_KEY_VALUE, ROTATED } from "../pass/operations/heads.ts";
import { PROBABILITY, SCORES } from "../pass/operations/score_blocks.ts";
import {
  type ClosedRule,
  type EdgePairs,
  edges as recordEdges,
  headEdges as recordHeadEdges,
  type ScoreMatrices,
} from "../kernels/edges.ts";
import { panelBytes } from "../kernels/panels.ts";
import { addRowDot, rowDot } from "../kernels/row-moves.ts";

/** Factor of the gradient of q, which an edge of a row to itself has by its query. */
const QUERY_SHARE = 1 / 4;

/** Records the edges of a layer, once the backward pass of its attention is recorded for the block in question. */
export interface EdgeTerms {
  /** A [queries, keys] of a block whose backward pass was recorded just now. */
  edges(block: PlacedBlock, out: GPUBuffer): void;
  /** The same of any block, later. */
  edgesAgain(block: PlacedBlock, out: GPUBuffer): void;
  /** Parts of the sequence whose edges are split by head together; `open` before the edges of each. */
  readonly parts: readonly PlacedBlock[];
  open(part: PlacedBlock): void;
  /** (ov, qk) of edges of a part for each head, [count, heads, 2]. */
  heads(part: PlacedBlock, pairs: EdgePairs, out: GPUBuffer): void;
}

/** Where the terms of a layer are computed. */
interface Layer {
  readonly space: GradientSpace;
  readonly place: Place;
  readonly rule: ClosedRule;
  /** Linear parts of q and k, rotated, and v; where the layer has constants. */
  readonly linear: GPUBuffer | undefined;
  /** Records what reaches the targets of a block from their own rows other than through key and value, [rows]. */
  readonly own: (block: PlacedBlock) => GPUBuffer;
}

/**
 * Allocates what edges of all layers take; freed with the workspace. The terms of a layer are opened when its MLP's
 * backward pass is recorded, which leaves `middleGradient`, and before its attention's.
 */
export function openEdgeTerms(
  space: GradientSpace,
  rule: ClosedRule,
): (place: Place, middleGradient: GPUBuffer) => EdgeTerms {
  const { workspace } = space;
  const { device, config, rows } = workspace;
  const ofRows = (label: string) => workspace.adopt(device.allocate(rows * 4, label));
  const residual = ofRows("residual relevance");
  const own = rule === "attnlrp" ? ofRows("relevance of a row to itself") : residual;
  const hasLinear = Array.from({ length: config.layers }, (_, layer) => hasConstants(config, layer)).includes(true);
  const widths = headWidths(config);
  const linear = hasLinear ? workspace.allocate(widths.queryKeyValue, "linear parts of q, k and v") : undefined;
  const termsOf = space.tiles ? termsByTiles : openMatrices(workspace, hasLinear);
  return (place, middleGradient) => {
    const linearHere = hasConstants(config, place.weights.layer) ? linear : undefined;
    if (linearHere) recordLinearParts(space, place, linearHere);
    rowDot(device, rows, config.hidden, place.state.node, middleGradient, residual, 0);
    // Sum of dS S over a query's keys: <q, dq>.
    const recordOwn = ({ firstRow, firstQuery, queries }: PlacedBlock) => {
      if (rule === "cplrp") return own;
      addRowDot(device, {
        first: firstRow + firstQuery,
        rows: queries,
        columns: widths.query,
        factor: QUERY_SHARE,
        a: linearHere
          ? { buffer: linearHere, columns: widths.queryKeyValue }
          : { buffer: slot(place.state, ROTATED), columns: widths.rotated },
        b: { buffer: slot(space, ROTATED), columns: widths.rotated },
        add: residual,
        out: own,
      });
      return own;
    };
    return termsOf({ space, place, rule, linear: linearHere, own: recordOwn });
  };
}

/** Records q, k and v, and q and k rotated, without what they are for a residual stream of 0; scales of norms are kept. */
function recordLinearParts(space: GradientSpace, place: Place, out: GPUBuffer): void {
  const { workspace } = space;
  const { attentionIn, queryKeyValue, heads } = blockOf(workspace.config, place.weights.layer);
  const { node } = place.state;
  const normed = attentionIn ? slot(workspace, "hidden") : node;
  attentionIn?.linear(workspace, place, node, normed);
  // The gradient of the projections comes later.
  const projections = slot(space, QUERY_KEY_VALUE);
  queryKeyValue.linear(workspace, place, normed, projections);
  heads.linear(workspace, place, projections, out);
}

function termsByTiles({ space, place, rule, linear, own }: Layer): EdgeTerms {
  const { config, scoreBlocks } = space.workspace;
  const { attention } = blockOf(config, place.weights.layer);
  const edges: EdgeTerms["edges"] = (block, out) =>
    attention.edges(space, place, rule, block, { linear, own: own(block), out });
  const blocks = scoreBlocks(place.weights.attention);
  const [first] = blocks as [PlacedBlock];
  return {
    edges,
    edgesAgain: edges,
    parts: [{ ...first, queries: blocks.reduce((sum, { queries }) => sum + queries, 0) }],
    open() {},
    heads: ({ firstRow }, pairs, out) => attention.headEdges(space, place, rule, firstRow, { linear, pairs, out }),
  };
}

/** Allocates what edges from matrices of scores take besides those of the backward pass. */
function openMatrices(workspace: Workspace, hasLinear: boolean): (layer: Layer) => EdgeTerms {
  const { device, config } = workspace;
  const block = (label: string) => workspace.adopt(device.allocate(scoreBlockBytes(workspace), label));
  const scores = block("attention scores");
  const linearGradient = hasLinear ? block("gradients of attention probabilities by linear parts") : undefined;
  return ({ space, place, rule, linear, own }) => {
    const { layer, attention } = place.weights;
    const { blocks } = blockOf(config, layer).attention;
    const ofTarget = space.blockSlots();
    const probabilityGradient = linear && linearGradient ? linearGradient : slot(ofTarget, PROBABILITY);
    const matrices: ScoreMatrices = {
      probability: slot(workspace.blockSlots(), PROBABILITY),
      probabilityGradient,
      scoreGradient: slot(ofTarget, SCORES),
      scores,
      scale: attention.scale,
    };
    const recordMatrices = (block: PlacedBlock) => {
      if (linear) blocks.valueGradients(space, block, linear, probabilityGradient);
      if (rule === "attnlrp") blocks.scores(workspace, place, block, scores, linear);
    };
    const edges: EdgeTerms["edges"] = (block, out) => {
      recordMatrices(block);
      recordEdges(device, rule, block, matrices, own(block), out);
    };
    return {
      edges,
      edgesAgain(block, out) {
        blocks.scoreGradients(space, place, block);
        edges(block, out);
      },
      parts: workspace.scoreBlocks(attention),
      open(part) {
        blocks.scoreGradients(space, place, part);
        recordMatrices(part);
      },
      heads: (part, pairs, out) => recordHeadEdges(device, rule, part, matrices, pairs, out),
    };
  };
}

/** Bytes of the largest block of scores of a pass. */
function scoreBlockBytes({ config, scoreBlocks }: Workspace): number {
  const all = config.attention.flatMap((layer) => scoreBlocks(layer));
  return Math.max(...all.map(({ heads, queries, keys }) => heads * panelBytes(queries, keys)));
}
