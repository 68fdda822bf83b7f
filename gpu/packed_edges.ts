/**
 * Rows of edges by packed vector-Jacobian products (docs/method.md section 3): many targets of one node layer share one
 * set of block states. For transitions that skip blocks, and for the gradient rule.
 */
import { blockBackward, gradientRowBytes, openTargetSpace } from "./blocks.ts";
import type { Rule, RunOptions } from "./engine.ts";
import { moveRows, rowDot } from "./kernels/row-moves.ts";
import type { ModelConfig } from "./model/config.ts";
import { PANEL, panelBytes, panelsOf } from "./panels.ts";
import { blockStateOf, type ForwardPass, type Runner } from "./pass.ts";
import type { EdgeRow } from "./prune.ts";
import type { BlockWeights } from "./weights.ts";

/** Device bytes of the gradients of one pack of targets. */
const PACK_BYTES = 2 ** 29;

export interface PackedTargets {
  readonly rule: Rule;
  /** Node layers, source < target. */
  readonly source: number;
  readonly target: number;
  /** Gradient at node layer `target`, [rows, hidden]. */
  readonly gradient: GPUBuffer;
  /** Tokens of the target layer whose edges are wanted, ascending. */
  readonly tokens: readonly number[];
}

/** The edges from node layer `source` into the tokens of `target`. Records over the pass's block states. */
export async function packedRows(
  runner: Runner,
  pass: ForwardPass,
  { rule, source, target, gradient, tokens }: PackedTargets,
  options: RunOptions,
): Promise<EdgeRow[]> {
  const { device, model: { config }, weights } = runner;
  const { workspace } = pass;
  const waiting = [...tokens];
  const edgeRows: EdgeRow[] = [];
  while (waiting.length > 0) {
    // A target touches only positions up to its own: the last ones go together, then shorter and shorter packs.
    const rows = panelsOf((waiting.at(-1) as number) + 1) * PANEL;
    const count = Math.min(waiting.length, targetsInPack(config, rows));
    const pack = waiting.splice(-count);
    options.signal?.throwIfAborted();
    const space = openTargetSpace(workspace, count, rows);
    const lists = [pack, pack.map((token, index) => index * rows + token)].map((list) => {
      const buffer = device.allocate(count * 4, "rows of targets");
      device.write(buffer, 0, Uint32Array.from(list));
      return buffer;
    }) as [GPUBuffer, GPUBuffer];
    const seeds = device.allocate(panelBytes(count, config.hidden), "gradients at the targets");
    const relevance = device.allocate(count * rows * 4, "rows of edges");
    try {
      const pulled = space.allocate(config.hidden, "gradients of targets");
      moveRows(device, "gather", count, config.hidden, lists[0], gradient, seeds);
      moveRows(device, "scatter", count, config.hidden, lists[1], seeds, pulled);
      for (let layer = target - 1; layer >= source; layer--) {
        const block = weights.blocks[layer] as BlockWeights;
        const state = blockStateOf(runner, pass, layer);
        blockBackward(space, block, state, rule, pulled);
        options.signal?.throwIfAborted();
        await device.flush();
      }
      rowDot(device, rows, config.hidden, pass.nodes[source] as GPUBuffer, pulled, relevance, 0, count);
      const values = new Float32Array(await device.read(relevance, 0, count * rows * 4));
      pack.forEach((token, index) => {
        edgeRows.push({ target: token, weights: values.slice(index * rows, index * rows + token + 1) });
      });
    } finally {
      space.free();
      for (const buffer of [...lists, seeds, relevance]) device.free(buffer);
    }
    options.onProgress?.({ phase: "edges", done: edgeRows.length, total: edgeRows.length + waiting.length });
  }
  return edgeRows;
}

/** How many targets over `rows` rows fit into a pack's memory. */
export function targetsInPack(config: ModelConfig, rows: number): number {
  // A block of scores holds at least one panel of queries of every head of every target, twice.
  const bytes = rows * (gradientRowBytes(config) + 2 * config.heads * PANEL * 4);
  return Math.max(1, Math.floor(PACK_BYTES / bytes));
}
