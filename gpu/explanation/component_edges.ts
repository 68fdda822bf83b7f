/**
 * Edges into single heads and neurons: the gradient at a node is let through one component of its block only, and pulled
 * back from there. Many components of a block share its states, as packed targets do.
 */
import {
  attentionBackward,
  blockBackward,
  type GradientSpace,
  innerBackward,
  openTargetSpace,
  outputBackward,
} from "../pass/blocks.ts";
import { type BlockRows, checkNode, dotAt, innerColumns, readBlockRows } from "./components.ts";
import type {
  ComponentEdges,
  ComponentEdgesRequest,
  ComponentEdgesResult,
  ComponentTarget,
  RunOptions,
} from "../engine.ts";
import { InputError } from "../errors.ts";
import { moveRows, rowDot } from "../kernels/row-moves.ts";
import type { ModelConfig } from "../model/config.ts";
import { targetsInPack } from "./packed_edges.ts";
import { packPanels, PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { blockStateOf, chooseTokens, forward, type ForwardPass, type Pair, type Runner } from "../pass/pass.ts";
import { readMatrixRows, walkDown } from "../pass/walk.ts";
import type { BlockWeights } from "../pass/weights.ts";

/** Throws InputError for components and layers that are not there. */
export function checkComponentEdges(
  config: ModelConfig,
  { inputIds, targets, sources = [0] }: ComponentEdgesRequest,
): void {
  if (targets.length === 0) throw new InputError("no component is named", "targets", "name at least one");
  targets.forEach((target, at) => checkTarget(config, inputIds.length, target, `targets[${at}]`));
  if (sources.length === 0) throw new InputError("no layer is named", "sources", "name at least one");
  const lowest = Math.min(...targets.map(({ layer }) => layer));
  sources.forEach((layer, index) => {
    const ascending = index === 0 || layer > (sources[index - 1] as number);
    if (!Number.isInteger(layer) || layer < 0 || !ascending || (index === 0 && layer >= lowest)) {
      throw new InputError(
        `[${sources}] are not ascending node layers below the targets`,
        "sources",
        `use whole numbers from 0 to ${lowest - 1}`,
      );
    }
  });
}

function checkTarget(config: ModelConfig, tokens: number, target: ComponentTarget, where: string): void {
  checkNode(config, tokens, target, where);
  if (target.kind !== "head" && target.kind !== "neuron") return;
  const count = target.kind === "head" ? config.heads : config.intermediate;
  if (Number.isInteger(target.index) && target.index >= 0 && target.index < count) return;
  throw new InputError(
    `there is no ${target.kind} ${target.index}`,
    where,
    `use whole numbers from 0 to ${count - 1}`,
  );
}

/** A target with the gradient that is let through, on the host. */
interface Seed {
  readonly target: ComponentTarget;
  readonly relevance: number;
  /** Where the gradient enters the block's backward pass, and its row there. */
  readonly stage: "inner" | "middle" | "attention" | "input";
  readonly values: Float32Array;
}

/** Edges into the request's components, checked before. */
export async function buildComponentEdges(
  runner: Runner,
  request: ComponentEdgesRequest,
  options: RunOptions,
): Promise<ComponentEdgesResult> {
  const start = performance.now();
  const { device, model: { config } } = runner;
  const { inputIds, rule, targets, sources = [0] } = request;
  const pass = await forward(runner, [inputIds], options);
  try {
    const pairs = await chooseTokens(runner, pass, [request]);
    const found = new Map<ComponentTarget, ComponentEdges>();
    const targetsAt = (layer: number) =>
      targets.filter((target) => target.layer === layer + 1).sort((a, b) => a.token - b.token);
    let gradients: Float32Array = new Float32Array();
    let seeds: Seed[] = [];
    const lowest = Math.min(...targets.map(({ layer }) => layer)) - 1;
    await walkDown(runner, pass, { pairs, rule, lowest }, {
      async atOutput({ layer, gradient }) {
        const tokens = targetsAt(layer).map(({ token }) => token);
        if (tokens.length > 0) gradients = await readMatrixRows(runner, gradient, config.hidden, tokens);
      },
      async atMiddle(step) {
        const here = targetsAt(step.layer);
        if (here.length === 0) return;
        const rows = await readBlockRows(runner, pass.workspace, step, here.map(({ token }) => token));
        seeds = here.map((target, row) => makeSeed(config, rows, gradients, target, row));
      },
      async atInput({ layer }) {
        if (targetsAt(layer).length === 0) return;
        for (const edges of await pullSeeds(runner, pass, { rule, sources, layer, seeds }, options)) {
          found.set(edges.target, edges);
        }
      },
    }, options);
    const { target, contrast } = pairs[0] as Pair;
    return {
      target,
      contrast,
      components: targets.map((one) => found.get(one) as ComponentEdges),
      adapter: device.info.name,
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    pass.workspace.free();
  }
}

/** Lets one component's gradient through. Row `row` of the block's rows is the target's. */
function makeSeed(
  config: ModelConfig,
  rows: BlockRows,
  gradients: Float32Array,
  target: ComponentTarget,
  row: number,
): Seed {
  const { hidden, heads, headDimension } = config;
  const only = (all: Float32Array, width: number, from: number, count: number) => {
    const values = new Float32Array(width);
    const start = row * width + from;
    values.set(all.subarray(start, start + count), from);
    return values;
  };
  if (target.kind === "neuron") {
    const width = innerColumns(config);
    const relevance = dotAt(rows.inner, rows.innerGradients, row * width + target.index, 1);
    return { target, relevance, stage: "inner", values: only(rows.innerGradients, width, target.index, 1) };
  }
  if (target.kind === "head") {
    const from = target.index * headDimension;
    const width = heads * headDimension;
    const relevance = dotAt(rows.headOutputs, rows.headGradients, row * width + from, headDimension);
    return { target, relevance, stage: "attention", values: only(rows.headGradients, width, from, headDimension) };
  }
  const [state, gradient, stage] = target.kind === "around-mlp"
    ? [rows.middle, gradients, "middle"] as const
    : [rows.input, rows.middleGradients, "input"] as const;
  return {
    target,
    relevance: dotAt(state, gradient, row * hidden, hidden),
    stage,
    values: only(gradient, hidden, 0, hidden),
  };
}

interface SeedsOfBlock {
  readonly rule: ComponentEdgesRequest["rule"];
  readonly sources: readonly number[];
  /** Number of the block. */
  readonly layer: number;
  /** By token, ascending. */
  readonly seeds: readonly Seed[];
}

/** Pulls a block's seeds back to the source layers, as many at once as fit. */
async function pullSeeds(
  runner: Runner,
  pass: ForwardPass,
  { rule, sources, layer, seeds }: SeedsOfBlock,
  options: RunOptions,
): Promise<ComponentEdges[]> {
  const { device, model: { config }, weights } = runner;
  const waiting = [...seeds];
  const edges: ComponentEdges[] = [];
  const below = sources.filter((source) => source <= layer);
  while (waiting.length > 0) {
    options.signal?.throwIfAborted();
    const rows = panelsOf((waiting.at(-1) as Seed).target.token + 1) * PANEL;
    const pack = waiting.splice(-Math.min(waiting.length, targetsInPack(runner, rows)));
    const space = openTargetSpace(pass.workspace, pack.length, rows);
    const size = pack.length * rows;
    const relevance = device.allocate(size * 4 * below.length, "rows of edges");
    try {
      const gradient = space.allocate(config.hidden, "gradients of components");
      for (let at = layer; at >= (below[0] as number); at--) {
        const block = weights.blocks[at] as BlockWeights;
        const state = blockStateOf(runner, pass, at);
        if (at === layer) {
          place(runner, space, pack, "inner", innerColumns(config), space.inner);
          innerBackward(space, block, state, rule, gradient);
          place(runner, space, pack, "middle", config.hidden, gradient);
          outputBackward(space, block, state, rule, gradient);
          place(runner, space, pack, "attention", config.heads * config.headDimension, space.attention);
          attentionBackward(space, block, state, rule, gradient);
          place(runner, space, pack, "input", config.hidden, gradient);
        } else blockBackward(space, block, state, rule, gradient);
        const index = below.indexOf(at);
        const nodes = pass.nodes[at] as GPUBuffer;
        if (index >= 0) rowDot(device, rows, config.hidden, nodes, gradient, relevance, index * size, pack.length);
        await device.advance();
      }
      const values = new Float32Array(await device.read(relevance, 0, size * 4 * below.length));
      pack.forEach((seed, target) => edges.push(toEdges(seed, below, values, target * rows, size)));
    } finally {
      space.free();
      device.free(relevance);
    }
    options.onProgress?.({ phase: "edges", done: edges.length, total: edges.length + waiting.length });
  }
  return edges;
}

function toEdges(
  { target, relevance }: Seed,
  sources: readonly number[],
  values: Float32Array,
  firstRow: number,
  size: number,
): ComponentEdges {
  return {
    target,
    relevance,
    sources: sources.map((layer, index) => {
      const from = index * size + firstRow;
      return { layer, weights: values.slice(from, from + target.token + 1) };
    }),
  };
}

/** Writes the seeds of a stage into their targets' rows of a [targets, rows, columns] matrix. */
function place(
  { device }: Runner,
  { workspace, rows }: GradientSpace,
  pack: readonly Seed[],
  stage: Seed["stage"],
  columns: number,
  matrix: GPUBuffer,
): void {
  const chosen = [...pack.entries()].filter(([, seed]) => seed.stage === stage);
  if (chosen.length === 0) return;
  const count = chosen.length;
  const packed = new Float32Array(count * columns);
  chosen.forEach(([, { values }], row) => packed.set(values, row * columns));
  const list = workspace.adopt(device.allocate(count * 4, "rows of seeds"));
  const seeds = workspace.adopt(device.allocate(panelBytes(count, columns), "seeds"));
  device.write(list, 0, Uint32Array.from(chosen, ([target, { target: { token } }]) => target * rows + token));
  device.write(seeds, 0, packPanels(packed, count, columns));
  moveRows(device, "scatter", count, columns, list, seeds, matrix);
}
