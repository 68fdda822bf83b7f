/**
 * Rows of edges by packed vector-Jacobian products (docs/method.md section 3): many targets of one node layer share one
 * set of block states. For transitions that skip blocks, and for the gradient rule.
 */
import { attentionBackward, mlpBackward, mlpBackwardOfRows, projectionsBackward } from "../pass/backward.ts";
import { gradientRowBytes, hasConstants, projectionColumns, widestRowBytes } from "../pass/block.ts";
import { slot } from "../pass/operation.ts";
import { QUERY_KEY_VALUE } from "../pass/operations/heads.ts";
import { openTargetSpace, targetScoreBytes } from "../pass/workspace.ts";
import type { Device } from "../device/device.ts";
import type { Rule, RunOptions } from "../engine.ts";
import { moveRows, rowDot } from "../kernels/row-moves.ts";
import type { ModelConfig } from "../model/config.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { type ForwardPass, placeOf, type Runner } from "../pass/pass.ts";
import type { EdgeRow } from "./prune.ts";

/** Device bytes of the gradients of one pack of targets, where a GPU does not have much more. */
const PACK_BYTES = 2 ** 29;
/** Share of a pass's memory that a pack may take. */
const PACK_SHARE = 1 / 4;

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
  const waiting = runner.rehearsal ? tokens.slice(-targetsInPack(runner, pass.workspace.rows)) : [...tokens];
  const edgeRows: EdgeRow[] = [];
  while (waiting.length > 0) {
    // A target touches only positions up to its own: those with as many panels of positions go together.
    const panels = panelsOf((waiting.at(-1) as number) + 1);
    const alike = waiting.filter((token) => panelsOf(token + 1) === panels).length;
    const pack = waiting.splice(-Math.min(alike, targetsInPack(runner, panels * PANEL)));
    edgeRows.push(...await pullPack(runner, pass, { rule, source, target, gradient, tokens: pack }, options));
    options.onProgress?.({ phase: "edges", done: edgeRows.length, total: edgeRows.length + waiting.length });
  }
  return edgeRows;
}

/** The edges into one pack of targets that have as many panels of positions. */
async function pullPack(
  runner: Runner,
  pass: ForwardPass,
  { rule, source, target, gradient, tokens }: PackedTargets,
  options: RunOptions,
): Promise<EdgeRow[]> {
  const { device, model: { config } } = runner;
  const count = tokens.length;
  const rows = panelsOf((tokens.at(-1) as number) + 1) * PANEL;
  const owned: GPUBuffer[] = [];
  const allocate = (bytes: number, label: string) => {
    const buffer = device.allocate(bytes, label);
    owned.push(buffer);
    return buffer;
  };
  const listed = (list: readonly number[]) => {
    const buffer = allocate(count * 4, "rows of targets");
    device.write(buffer, 0, Uint32Array.from(list));
    return buffer;
  };
  const space = openTargetSpace(pass.workspace, count, rows);
  try {
    const at = { rows: listed(tokens), places: listed(tokens.map((token, index) => index * rows + token)) };
    const seeds = allocate(panelBytes(count, config.hidden), "gradients at the targets");
    const relevance = [0, 1].map(() => allocate(count * rows * 4, "rows of edges")) as [GPUBuffer, GPUBuffer];
    const pulled = space.allocate(config.hidden, "gradients of targets");
    moveRows(device, "gather", count, config.hidden, at.rows, gradient, seeds);
    for (let layer = target - 1; layer >= source; layer--) {
      options.signal?.throwIfAborted();
      const place = placeOf(runner, pass, layer);
      if (layer === target - 1) {
        mlpBackwardOfRows(space, place, rule, { seeds, ...at, gradient: pulled, allocate });
      } else mlpBackward(space, place, rule, pulled);
      const isKnown = layer === source && rule !== "gradient" && !hasConstants(config, layer);
      if (!isKnown) attentionBackward(space, place, rule, pulled);
      else {
        // The last projection needs no pull-back: its part of the relevance is known before.
        projectionsBackward(space, place, rule);
        const [given, pulledBack] = [slot(place.state, QUERY_KEY_VALUE), slot(space, QUERY_KEY_VALUE)];
        rowDot(device, rows, projectionColumns(config), given, pulledBack, relevance[1], 0, count);
      }
      await device.advance();
    }
    rowDot(device, rows, config.hidden, pass.nodes[source] as GPUBuffer, pulled, relevance[0], 0, count);
    const around = new Float32Array(await device.read(relevance[0], 0, count * rows * 4));
    const through = new Float32Array(await device.read(relevance[1], 0, count * rows * 4));
    return tokens.map((token, index) => ({
      target: token,
      weights: around.slice(index * rows, index * rows + token + 1)
        .map((value, source) => value + (through[index * rows + source] as number)),
    }));
  } finally {
    space.free();
    owned.forEach((buffer) => device.free(buffer));
  }
}

/** How many targets over `rows` rows are pulled back at once. Their number changes no result. */
export function targetsInPack(
  { device, model: { config }, passBytes }: Pick<Runner, "device" | "model" | "passBytes">,
  rows: number,
): number {
  const share = passBytes === undefined ? PACK_BYTES : passBytes * PACK_SHARE;
  const bytes = device.info.kind === "hardware" ? Math.max(PACK_BYTES, share) : Math.min(PACK_BYTES, share);
  const { bindingBytes } = device.info;
  const { largest, all } = targetBytes(device, config, rows);
  return Math.max(1, Math.floor(Math.min(bytes / all, bindingBytes / largest)));
}

/** Device bytes that a target over `rows` rows takes, and the most of them that lie in one buffer. */
export function targetBytes(
  device: Device,
  config: ModelConfig,
  rows: number,
): { readonly largest: number; readonly all: number } {
  const scores = targetScoreBytes(device, config, rows);
  const matrices = rows * gradientRowBytes(config);
  return {
    largest: Math.max(scores / 2, rows * widestRowBytes(config)),
    all: matrices + 4 * rows * config.hidden + scores,
  };
}
