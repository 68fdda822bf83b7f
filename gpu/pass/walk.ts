/** A backward pass over one prompt that stops at every block, for what is read there besides node relevance. */
import { attentionBackward, mlpBackward } from "./backward.ts";
import type { Rule, RunOptions } from "../engine.ts";
import { moveRows, rowDot } from "../kernels/row-moves.ts";
import { panelBytes, unpackPanels } from "../kernels/panels.ts";
import type { GradientSpace, Place } from "./operation.ts";
import { type ForwardPass, pacer, placeOf, type Runner } from "./pass.ts";
import { type Seed, seedGradient } from "./seed.ts";
import { openGradientSpace } from "./workspace.ts";

/** Where a walk stands. */
export interface Step {
  /** Block number from 0; its output is node layer `layer` + 1. */
  readonly layer: number;
  readonly place: Place;
  readonly space: GradientSpace;
  /** [rows, hidden] */
  readonly gradient: GPUBuffer;
}

/** What is done at each block; what is awaited is done before the walk goes on. */
export interface Visitor {
  /** The gradient is that of the block's output. */
  readonly atOutput?: (step: Step) => Promise<void>;
  /** After `mlpBackward`: the gradients of neurons and of what the heads write are in the space. */
  readonly atMiddle?: (step: Step) => Promise<void>;
  /** The gradient is that of the block's input. The block's state may be overwritten. */
  readonly atInput?: (step: Step) => Promise<void>;
}

/** Walks from the last block to `lowest`. Returns node relevance [layers + 1, tokens], zero below `lowest`. */
export async function walkDown(
  runner: Runner,
  pass: ForwardPass,
  { seed, rule, lowest }: { readonly seed: Seed; readonly rule: Rule; readonly lowest: number },
  visitor: Visitor,
  options: RunOptions,
): Promise<Float32Array> {
  const { device, model: { config } } = runner;
  const { workspace } = pass;
  const { rows } = workspace;
  const tokens = workspace.sequences[0]?.length ?? 0;
  const gradient = seedGradient(runner, pass, [seed], rule);
  const space = openGradientSpace(workspace);
  const relevance = workspace.adopt(device.allocate((config.layers + 1) * rows * 4, "node relevance"));
  const record = (layer: number) =>
    rowDot(device, rows, config.hidden, pass.nodes[layer] as GPUBuffer, gradient, relevance, layer * rows);
  record(config.layers);
  const pace = pacer(device, config, rows, options);
  for (let layer = config.layers - 1; layer >= lowest; layer--) {
    const place = placeOf(runner, pass, layer);
    const step = { layer, place, space, gradient };
    await visitor.atOutput?.(step);
    mlpBackward(space, place, rule, gradient);
    await visitor.atMiddle?.(step);
    attentionBackward(space, place, rule, gradient);
    record(layer);
    await visitor.atInput?.(step);
    await pace("backward", config.layers - layer);
  }
  const values = new Float32Array(await device.read(relevance, 0, (config.layers + 1) * rows * 4));
  const result = new Float32Array((config.layers + 1) * tokens);
  for (let layer = 0; layer <= config.layers; layer++) {
    result.set(values.subarray(layer * rows, layer * rows + tokens), layer * tokens);
  }
  return result;
}

/** Chosen rows of a [rows, columns] matrix, read back row-major. */
export async function readMatrixRows(
  { device }: Runner,
  matrix: GPUBuffer,
  columns: number,
  rows: readonly number[],
): Promise<Float32Array> {
  const list = device.allocate(rows.length * 4, "rows to read");
  const bytes = panelBytes(rows.length, columns);
  const gathered = device.allocate(bytes, "chosen rows");
  try {
    device.write(list, 0, Uint32Array.from(rows));
    moveRows(device, "gather", rows.length, columns, list, matrix, gathered);
    return unpackPanels(new Float32Array(await device.read(gathered, 0, bytes)), rows.length, columns);
  } finally {
    device.free(list);
    device.free(gathered);
  }
}
