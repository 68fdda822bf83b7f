/** A block forward. */
import { panelBytes } from "../kernels/panels.ts";
import type { BlockAblation } from "./ablation.ts";
import { type Block, blockOf } from "./block.ts";
import { type Place, slot, type Workspace } from "./operation.ts";
import { ATTENDED, QUERY_KEY_VALUE } from "./operations/heads.ts";
import type { Linear } from "./operations/linear.ts";
import { type Norm, NORMED } from "./operations/norm.ts";

/** What attention or MLP read: the stream, normed where a norm stands before them. */
function read(workspace: Workspace, place: Place, norm: Norm | null, stream: GPUBuffer): GPUBuffer {
  if (!norm) return stream;
  const normed = slot(workspace, "hidden");
  norm.forward(workspace, place, stream, normed);
  return normed;
}

/** Adds to the stream what `record` writes: directly, or through the norm that stands behind. */
function write(
  workspace: Workspace,
  place: Place,
  norm: Norm | null,
  normed: string,
  stream: GPUBuffer,
  record: (out: GPUBuffer, accumulate: boolean) => void,
): void {
  if (!norm) return record(stream, true);
  const out = slot(place.state, normed);
  record(out, false);
  norm.forward(workspace, place, out, stream, true);
}

/** Where the rest of a block is computed, once the heads have written: on all rows, or on few of them. */
export interface Rest {
  readonly workspace: Workspace;
  readonly place: Place;
}

/**
 * Records a block's forward pass: state filled from state.input, output [rows, hidden] written. `attention` records what
 * the heads write from the state's projections; by default every sequence attends to itself. `ablation`: whose heads and
 * neurons then give nothing. `few`: takes to another work space the rows of which the output is wanted.
 */
export function blockForward(
  workspace: Workspace,
  place: Place,
  output: GPUBuffer,
  attention: (block: Block) => void = (block) => block.attention.forward(workspace, place),
  ablation?: BlockAblation,
  few?: (all: Rest) => Rest,
): void {
  const { config } = workspace;
  const { state, weights } = place;
  const block = blockOf(config, weights.layer);

  const forHeads = read(workspace, place, block.attentionIn, state.input);
  block.queryKeyValue.forward(workspace, place, forHeads, slot(state, QUERY_KEY_VALUE));
  block.heads.forward(workspace, place);
  attention(block);
  ablation?.heads(slot(workspace, ATTENDED));
  writeRest(block, few?.({ workspace, place }) ?? { workspace, place }, output, ablation);
}

/** Records what follows in a block when the heads have written. */
function writeRest(block: Block, { workspace, place }: Rest, output: GPUBuffer, ablation?: BlockAblation): void {
  const { device, config, rows } = workspace;
  const { state } = place;
  const bytes = panelBytes(rows, config.hidden);
  device.copy(state.input, 0, state.middle, 0, bytes);
  const project: Linear = block.output;
  write(
    workspace,
    place,
    block.attentionOut,
    NORMED.attentionOut,
    state.middle,
    (out, accumulate) => project.forward(workspace, place, slot(workspace, ATTENDED), out, accumulate),
  );

  const forMlp = read(workspace, place, block.mlpIn, block.isParallel ? state.input : state.middle);
  device.copy(state.middle, 0, output, 0, bytes);
  write(
    workspace,
    place,
    block.mlpOut,
    NORMED.mlpOut,
    output,
    (out, accumulate) => block.mlp.forward(workspace, place, forMlp, out, { accumulate, ablation }),
  );
}
