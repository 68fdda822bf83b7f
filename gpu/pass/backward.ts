/** A block backward by a rule (docs/method.md sections 2 and 11), in halves between which edges are read. */
import type { Rule } from "../engine.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { moveRows } from "../kernels/row-moves.ts";
import { type Block, blockOf } from "./block.ts";
import { type BlockState, type GradientSpace, type Place, slot } from "./operation.ts";
import type { BlockReader } from "./operations/attention.ts";
import { ATTENDED, headWidths, QUERY_KEY_VALUE } from "./operations/heads.ts";
import { GATE_UP, INNER } from "./operations/mlp.ts";
import { type Norm, NORMED } from "./operations/norm.ts";

const blockAt = ({ workspace: { config } }: GradientSpace, { weights }: Place) => blockOf(config, weights.layer);

/** What the block's norms run over. */
const mlpInput = (block: Block, { input, middle }: BlockState) => block.isParallel ? input : middle;

/** The gradient of what is written to the stream, from that of the stream: pulled through the norm behind it. */
function pullWritten(
  space: GradientSpace,
  place: Place,
  rule: Rule,
  { norm, normed, gradient }: { readonly norm: Norm | null; readonly normed: string; readonly gradient: GPUBuffer },
): GPUBuffer {
  if (!norm) return gradient;
  const g = slot(space, "hidden");
  norm.backward(space, place, rule, { x: slot(place.state, normed), dy: gradient, g, accumulate: false });
  return g;
}

/** Adds to the stream's gradient what `record` gives for what was read of it: through the norm before it. */
function pullRead(
  space: GradientSpace,
  place: Place,
  rule: Rule,
  { norm, stream, gradient }: { readonly norm: Norm | null; readonly stream: GPUBuffer; readonly gradient: GPUBuffer },
  record: (dx: GPUBuffer, accumulate: boolean) => void,
): void {
  if (!norm) return record(gradient, true);
  const dy = slot(space, "hidden");
  record(dy, false);
  norm.backward(space, place, rule, { x: stream, dy, g: gradient, accumulate: true });
}

/** Records the pull-back of `gradient` [targets, rows, hidden] from a block's output to its input, in place. */
export function blockBackward(space: GradientSpace, place: Place, rule: Rule, gradient: GPUBuffer): void {
  mlpBackward(space, place, rule, gradient);
  attentionBackward(space, place, rule, gradient);
}

/**
 * Records the first half of a block's backward pass: `gradient` goes from the block's output to what reaches its input
 * by other ways than attention (in a block whose halves stand in turn: to the stream between them), in place; the
 * gradient of what the heads write is left in the space.
 */
export function mlpBackward(space: GradientSpace, place: Place, rule: Rule, gradient: GPUBuffer): void {
  neuronsBackward(space, place, rule, gradient);
  throughHalves(space, place, rule, gradient);
}

/** Records the gradient of the MLP's neurons (INNER of the space) from that of the block's output. */
export function neuronsBackward(space: GradientSpace, place: Place, rule: Rule, gradient: GPUBuffer): void {
  const block = blockAt(space, place);
  const written = pullWritten(space, place, rule, { norm: block.mlpOut, normed: NORMED.mlpOut, gradient });
  block.mlp.neuronsBackward(space, place, written);
}

/**
 * Records what stands between neurons and heads: the neurons' gradient is added to the stream that the MLP reads, and the
 * stream's is pulled to what the heads write. In a parallel block the heads see the stream before the neurons add to it.
 * `before` is called before each of the two.
 */
export function throughHalves(
  space: GradientSpace,
  place: Place,
  rule: Rule,
  gradient: GPUBuffer,
  before: (half: "neurons" | "heads") => void = () => {},
): void {
  const block = blockAt(space, place);
  const neurons = () => {
    before("neurons");
    const stream = mlpInput(block, place.state);
    pullRead(
      space,
      place,
      rule,
      { norm: block.mlpIn, stream, gradient },
      (dx, accumulate) => block.mlp.backward(space, place, rule, dx, accumulate),
    );
  };
  const heads = () => {
    before("heads");
    const written = pullWritten(space, place, rule, {
      norm: block.attentionOut,
      normed: NORMED.attentionOut,
      gradient,
    });
    block.output.backward(space, place, written, slot(space, ATTENDED));
  };
  for (const half of block.isParallel ? [heads, neurons] : [neurons, heads]) half();
}

/** Where the gradients of targets are that are zero but for one row each. */
export interface SeededRows {
  /** [targets, hidden], overwritten. */
  readonly seeds: GPUBuffer;
  /** Row of the block's output for each target, and the target's row in `gradient`. */
  readonly rows: GPUBuffer;
  readonly places: GPUBuffer;
  /** [targets, rows, hidden] */
  readonly gradient: GPUBuffer;
  readonly allocate: (bytes: number, label: string) => GPUBuffer;
}

/**
 * Records `mlpBackward` for targets whose gradient is zero but for one row each, from `seeds` to `gradient` and the
 * gradient of what the heads write, zero in all other rows. As the MLP half keeps tokens apart, it runs over these rows
 * only, where the MLP can.
 */
export function mlpBackwardOfRows(space: GradientSpace, place: Place, rule: Rule, seeded: SeededRows): void {
  const { workspace, targets: count } = space;
  const { device, config } = workspace;
  const { seeds, places, gradient } = seeded;
  device.clear(gradient);
  if (!blockAt(space, place).mlp.isRowwise) {
    moveRows(device, "scatter", count, config.hidden, places, seeds, gradient);
    mlpBackward(space, place, rule, gradient);
    return;
  }
  const few = gatherRows(space, place, seeded);
  mlpBackward(few.space, few.place, rule, seeds);
  device.clear(slot(space, ATTENDED));
  moveRows(device, "scatter", count, config.hidden, places, seeds, gradient);
  moveRows(
    device,
    "scatter",
    count,
    headWidths(config).query,
    places,
    slot(few.space, ATTENDED),
    slot(space, ATTENDED),
  );
}

/** A space and a state of the chosen rows alone, for the MLP half. */
function gatherRows(
  space: GradientSpace,
  place: Place,
  { rows, allocate }: SeededRows,
): { readonly space: GradientSpace; readonly place: Place } {
  const { workspace, targets: count } = space;
  const { device, config } = workspace;
  const block = blockAt(space, place);
  const { hidden } = config;
  const gather = (matrix: GPUBuffer, columns: number, label: string) => {
    const out = allocate(panelBytes(count, columns), label);
    moveRows(device, "gather", count, columns, rows, matrix, out);
    return out;
  };
  const needed = new Set([ATTENDED, INNER, GATE_UP, "hidden"]);
  const all = panelsOf(count) * PANEL;
  const fewWorkspace = { ...workspace, rows: all, usedRows: count };
  const gradients = block.operations.flatMap((operation) => operation.gradients).filter(({ name }) => needed.has(name));
  const fewSpace: GradientSpace = {
    ...space,
    workspace: fewWorkspace,
    targets: 1,
    rows: all,
    slots: new Map(gradients.map(({ name, label, bytes }) => [name, allocate(bytes(all), `${label}, of targets`)])),
  };
  const stateSlots = new Map(place.state.slots);
  const norms = [block.attentionOut, block.mlpIn, block.mlpOut].filter((norm) => norm !== null);
  for (const operation of [...norms, ...block.mlp.operations]) {
    for (const { name, label, columns, bytes } of operation.state) {
      const found = slot(place.state, name);
      stateSlots.set(
        name,
        columns > 0 ? gather(found, columns, `${label}, of targets`) : allocate(bytes(all), `${label}, of targets`),
      );
    }
  }
  const stream = block.mlpIn ? gather(mlpInput(block, place.state), hidden, "middle rows of targets") : undefined;
  const state: BlockState = {
    ...place.state,
    ...(stream ? { input: stream, middle: stream } : {}),
    slots: stateSlots,
  };
  const fewPlace = { ...place, state };
  // The scales come again, to the last bit, with the norm; what it writes besides is overwritten.
  const scratch = slot(fewSpace, "hidden");
  if (block.mlpIn && stream) block.mlpIn.forward(fewWorkspace, fewPlace, stream, scratch);
  for (const [norm, normed] of [[block.mlpOut, NORMED.mlpOut], [block.attentionOut, NORMED.attentionOut]] as const) {
    norm?.forward(fewWorkspace, fewPlace, slot(state, normed), scratch);
  }
  return { space: fewSpace, place: fewPlace };
}

/** Records the second half of a block's backward pass, after `mlpBackward`: `gradient` goes to the block's input. */
export function attentionBackward(
  space: GradientSpace,
  place: Place,
  rule: Rule,
  gradient: GPUBuffer,
  reader?: BlockReader,
): void {
  projectionsBackward(space, place, rule, reader);
  const block = blockAt(space, place);
  pullRead(
    space,
    place,
    rule,
    { norm: block.attentionIn, stream: place.state.input, gradient },
    (dx, accumulate) => block.queryKeyValue.backward(space, place, slot(space, QUERY_KEY_VALUE), dx, accumulate),
  );
}

/**
 * Records the gradient of a block's projections before the head norms from that of what the heads write. Under rules
 * whose norms are linear, and in a block without constants, its inner product with them and that of the residual stream
 * with the gradient after `mlpBackward` add up to the relevance of the block's input: norm and projection are linear maps
 * of it.
 */
export function projectionsBackward(space: GradientSpace, place: Place, rule: Rule, reader?: BlockReader): void {
  const { attention, heads } = blockAt(space, place);
  attention.backward(space, place, rule, reader);
  const factor = attention.queryFactor(rule);
  if (factor > 0) heads.backward(space, place, rule, factor);
}
