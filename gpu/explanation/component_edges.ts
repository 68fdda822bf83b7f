/**
 * Edges into single heads and neurons: the gradient at a node is let through one component of its block only, and pulled
 * back from there. Many components of a block share its states, as packed targets do.
 */
import { attentionBackward, blockBackward, throughHalves } from "../pass/backward.ts";
import { blockOf } from "../pass/block.ts";
import { type GradientSpace, type Place, slot } from "../pass/operation.ts";
import { ATTENDED, headWidths } from "../pass/operations/heads.ts";
import { INNER } from "../pass/operations/mlp.ts";
import { openTargetSpace } from "../pass/workspace.ts";
import { type BlockRows, checkNode, dotAt, readBlockRows } from "./components.ts";
import type {
  ComponentEdges,
  ComponentEdgesRequest,
  ComponentEdgesResult,
  ComponentTarget,
  RunOptions,
} from "../engine.ts";
import { InputError } from "../errors.ts";
import { moveRows, rowDot } from "../kernels/row-moves.ts";
import type { LayerMlp, ModelConfig } from "../model/config.ts";
import { targetsInPack } from "./packed_edges.ts";
import { columns4, packPanels, PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { forward, type ForwardPass, placeOf, type Runner } from "../pass/pass.ts";
import { pairOf, readsOf, resolveSeeds, type Seed } from "../pass/seed.ts";
import { readMatrixRows, walkDown } from "../pass/walk.ts";

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
  const mlp = config.mlp[target.layer - 1] as LayerMlp;
  checkIndex(target.kind, target.index, target.kind === "head" ? config.heads : mlp.width, where);
  if (target.kind === "head") return;
  if (mlp.kind === "experts") checkIndex("expert", target.expert, mlp.experts, where);
  else if (target.expert !== undefined) {
    throw new InputError(`block ${target.layer} has no experts`, where, "name a neuron alone");
  }
}

function checkIndex(kind: string, index: number | undefined, count: number, where: string): void {
  if (index !== undefined && Number.isInteger(index) && index >= 0 && index < count) return;
  throw new InputError(
    index === undefined ? `no ${kind} is named` : `there is no ${kind} ${index}`,
    where,
    `use whole numbers from 0 to ${count - 1}`,
  );
}

/** A target with the gradient that is let through, on the host. */
interface ComponentGradient {
  readonly target: ComponentTarget;
  readonly relevance: number;
  /** Where the gradient enters the block's backward pass. */
  readonly stage: "inner" | "middle" | "attention" | "input";
  /** Row there, of a token's rows. */
  readonly row: number;
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
  const pass = await forward(runner, [inputIds], options, {
    purpose: "backward",
    reads: readsOf([request], [0]),
  });
  try {
    const [seed] = await resolveSeeds(runner, pass, [request]) as [Seed];
    const found = new Map<ComponentTarget, ComponentEdges>();
    const targetsAt = (layer: number) =>
      targets.filter((target) => target.layer === layer + 1).sort((a, b) => a.token - b.token);
    let gradients: Float32Array = new Float32Array();
    let entering: ComponentGradient[] = [];
    const lowest = Math.min(...targets.map(({ layer }) => layer)) - 1;
    await walkDown(runner, pass, { seed, rule, lowest }, {
      async atOutput({ layer, gradient }) {
        const tokens = targetsAt(layer).map(({ token }) => token);
        if (tokens.length > 0) gradients = await readMatrixRows(runner, gradient, config.hidden, tokens);
      },
      async atMiddle(step) {
        const here = targetsAt(step.layer);
        if (here.length === 0) return;
        const rows = await readBlockRows(runner, pass.workspace, step, here.map(({ token }) => token));
        entering = here.map((target, row) => letThrough(config, rows, gradients, target, row));
      },
      async atInput({ layer }) {
        if (targetsAt(layer).length === 0) return;
        for (const edges of await pullGradients(runner, pass, { rule, sources, layer, entering }, options)) {
          found.set(edges.target, edges);
        }
      },
    }, options);
    const { target, contrast } = pairOf(seed);
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

/** Lets one component's gradient through. `at` is the target's place among the block's rows. */
function letThrough(
  config: ModelConfig,
  rows: BlockRows,
  gradients: Float32Array,
  target: ComponentTarget,
  at: number,
): ComponentGradient {
  const { hidden } = config;
  const only = (all: Float32Array, width: number, row: number, from: number, count: number) => {
    const values = new Float32Array(width);
    const start = row * width + from;
    values.set(all.subarray(start, start + count), from);
    return values;
  };
  if (target.kind === "neuron") {
    const { values, gradients: ofNeurons, columns, rowsPerToken, experts } = rows.neurons;
    const row = experts ? experts.indexOf(target.expert as number, at * rowsPerToken) : at;
    // A token that is not sent to the expert has nothing of its neurons.
    const found = row >= at * rowsPerToken && row < (at + 1) * rowsPerToken;
    if (!found) return { target, relevance: 0, stage: "inner", row: 0, values: new Float32Array(columns) };
    return {
      target,
      relevance: dotAt(values, ofNeurons, row * columns + target.index, 1),
      stage: "inner",
      row: row % rowsPerToken,
      values: only(ofNeurons, columns, row, target.index, 1),
    };
  }
  if (target.kind === "head") {
    const { head, query } = headWidths(config);
    const from = target.index * head;
    const relevance = dotAt(rows.headOutputs, rows.headGradients, at * query + from, head);
    return { target, relevance, stage: "attention", row: 0, values: only(rows.headGradients, query, at, from, head) };
  }
  const [state, gradient, stage] = target.kind === "around-mlp"
    ? [rows.middle, gradients, "middle"] as const
    : [rows.input, rows.middleGradients, "input"] as const;
  return {
    target,
    relevance: dotAt(state, gradient, at * hidden, hidden),
    stage,
    row: 0,
    values: only(gradient, hidden, at, 0, hidden),
  };
}

interface GradientsOfBlock {
  readonly rule: ComponentEdgesRequest["rule"];
  readonly sources: readonly number[];
  /** Number of the block. */
  readonly layer: number;
  /** By token, ascending. */
  readonly entering: readonly ComponentGradient[];
}

/** Pulls a block's gradients back to the source layers, as many at once as fit. */
async function pullGradients(
  runner: Runner,
  pass: ForwardPass,
  { rule, sources, layer, entering }: GradientsOfBlock,
  options: RunOptions,
): Promise<ComponentEdges[]> {
  const { device, model: { config } } = runner;
  const waiting = [...entering];
  const edges: ComponentEdges[] = [];
  const below = sources.filter((source) => source <= layer);
  while (waiting.length > 0) {
    options.signal?.throwIfAborted();
    const rows = panelsOf((waiting.at(-1) as ComponentGradient).target.token + 1) * PANEL;
    const pack = waiting.splice(-Math.min(waiting.length, targetsInPack(runner, rows)));
    const space = openTargetSpace(pass.workspace, pack.length, rows);
    const size = pack.length * rows;
    const relevance = device.allocate(size * 4 * below.length, "rows of edges");
    try {
      const gradient = space.allocate(config.hidden, "gradients of components");
      for (let at = layer; at >= (below[0] as number); at--) {
        const step = placeOf(runner, pass, at);
        if (at === layer) pullSeedsThrough(runner, space, step, rule, pack, gradient);
        else blockBackward(space, step, rule, gradient);
        const index = below.indexOf(at);
        const nodes = pass.nodes[at] as GPUBuffer;
        if (index >= 0) rowDot(device, rows, config.hidden, nodes, gradient, relevance, index * size, pack.length);
        await device.advance();
      }
      const values = new Float32Array(await device.read(relevance, 0, size * 4 * below.length));
      pack.forEach((one, target) => edges.push(toEdges(one, below, values, target * rows, size)));
    } finally {
      space.free();
      device.free(relevance);
    }
    options.onProgress?.({ phase: "edges", done: edges.length, total: edges.length + waiting.length });
  }
  return edges;
}

/** Records the backward pass of the block that the gradients are of: each enters where it belongs. */
function pullSeedsThrough(
  runner: Runner,
  space: GradientSpace,
  step: Place,
  rule: ComponentEdgesRequest["rule"],
  pack: readonly ComponentGradient[],
  gradient: GPUBuffer,
): void {
  const { config } = runner.model;
  const { mlp } = blockOf(config, step.weights.layer);
  throughHalves(space, step, rule, gradient, (half) => {
    if (half === "heads") place(runner, space, pack, "middle", config.hidden, gradient);
    else place(runner, space, pack, "inner", columns4(mlp.neurons) * 4, slot(space, INNER), mlp.rowsPerToken);
  });
  place(runner, space, pack, "attention", headWidths(config).query, slot(space, ATTENDED));
  attentionBackward(space, step, rule, gradient);
  place(runner, space, pack, "input", config.hidden, gradient);
}

function toEdges(
  { target, relevance }: ComponentGradient,
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

/** Writes the gradients of a stage into their targets' rows of a [targets, rows, columns] matrix. */
function place(
  { device }: Runner,
  { workspace, rows }: GradientSpace,
  pack: readonly ComponentGradient[],
  stage: ComponentGradient["stage"],
  columns: number,
  matrix: GPUBuffer,
  rowsPerToken = 1,
): void {
  const chosen = [...pack.entries()].filter(([, one]) => one.stage === stage);
  if (chosen.length === 0) return;
  const count = chosen.length;
  const packed = new Float32Array(count * columns);
  chosen.forEach(([, { values }], row) => packed.set(values, row * columns));
  const list = workspace.adopt(device.allocate(count * 4, "rows of components"));
  const entering = workspace.adopt(device.allocate(panelBytes(count, columns), "gradients of components"));
  const rowOf = ([target, { row, target: { token } }]: readonly [number, ComponentGradient]) =>
    (target * rows + token) * rowsPerToken + row;
  device.write(list, 0, Uint32Array.from(chosen, rowOf));
  device.write(entering, 0, packPanels(packed, count, columns));
  moveRows(device, "scatter", count, columns, list, entering, matrix);
}
