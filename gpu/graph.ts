/**
 * The attribution graph (docs/method.md section 3). Adjacent node layers under AttnLRP and CP-LRP come from the closed
 * form, in the same backward pass that gives node relevance. Transitions that skip blocks, and the gradient rule, come
 * from packed vector-Jacobian products: many targets share one set of block states.
 */
import { refuseNonFinite } from "./attribution.ts";
import {
  attentionBackward,
  attentionScores,
  blockBackward,
  type BlockState,
  gradientRowBytes,
  type GradientSpace,
  mlpBackward,
  openGradientSpace,
  openTargetSpace,
  type PlacedBlock,
  scoreGradients,
} from "./blocks.ts";
import type { GraphRequest, GraphResult, HeadEdges, RunOptions, Transition } from "./engine.ts";
import { InputError } from "./errors.ts";
import { type ClosedRule, edgeBytes, edges as recordEdges, headEdges as recordHeadEdges } from "./kernels/edges.ts";
import { moveRows, rowDot } from "./kernels/row-moves.ts";
import type { LayerAttention, ModelConfig } from "./model/config.ts";
import { PANEL, panelBytes, panelIndex, panelsOf } from "./panels.ts";
import { blockStateOf, chooseTokens, forward, type ForwardPass, pacer, type Pair, type Runner, seed } from "./pass.ts";
import { type EdgeRow, type Edges, edgesAbove, filterEdges, keepBudget, keepReaching, massThreshold } from "./prune.ts";
import type { BlockWeights } from "./weights.ts";

export const GRAPH_DEFAULTS = { mass: 0.85, minRelevance: 0.01, reach: "last", edgeBudget: 200_000 } as const;

/** Device bytes of the gradients of one pack of targets. */
const PACK_BYTES = 2 ** 29;

/** The node layers that a graph's transitions join. Throws InputError for a list that is not ascending or out of range. */
export function checkGraphRequest(config: ModelConfig, request: GraphRequest): void {
  const { transitions, mass, minRelevance, edgeBudget, heads, rule } = request;
  const refuse = (where: string, what: string, mend: string): never => {
    throw new InputError(what, where, mend);
  };
  if (transitions) {
    const ascending = transitions.every((layer, index) => index === 0 || layer > (transitions[index - 1] as number));
    const inside = transitions.every((layer) => Number.isInteger(layer) && layer >= 0 && layer <= config.layers);
    if (!ascending || !inside || transitions.length < 2) {
      refuse(
        "transitions",
        `[${transitions}] are not two or more ascending node layers`,
        `use numbers from 0 (embeddings) to ${config.layers} (after the last block)`,
      );
    }
  }
  if (mass !== undefined && !(mass > 0 && mass <= 1)) {
    refuse("mass", `${mass} is not a share`, "use more than 0, at most 1");
  }
  if (minRelevance !== undefined && !(minRelevance >= 0)) {
    refuse("minRelevance", `${minRelevance} is no bound`, "use 0 or a positive number of logits");
  }
  if (edgeBudget !== undefined && !(Number.isInteger(edgeBudget) && edgeBudget > 0)) {
    refuse("edgeBudget", `${edgeBudget} is no number of edges`, "use a positive whole number");
  }
  if (heads && rule === "gradient") {
    refuse("heads", "plain gradients do not split by head", "use the rule attnlrp or cplrp");
  }
  if (heads && transitions?.some((layer, index) => index > 0 && layer - (transitions[index - 1] as number) > 1)) {
    refuse("heads", "transitions that skip blocks do not split by head", "list adjacent layers, or leave heads out");
  }
}

/** Candidate edges of one transition, before pruning. */
interface Candidates {
  readonly source: number;
  readonly target: number;
  /** Rows of the targets whose relevance is above the bound. */
  readonly rows: readonly EdgeRow[];
  readonly heads?: HeadTerms;
}

/** (ov, qk) of each head for the edges that the mass rule keeps, in their order: [edges, heads, 2]. */
interface HeadTerms {
  readonly edges: Edges;
  readonly terms: Float32Array;
}

/** Attributes and builds the graph of one request, checked before. */
export async function buildGraph(runner: Runner, request: GraphRequest, options: RunOptions): Promise<GraphResult> {
  const start = performance.now();
  const { device, model: { config } } = runner;
  const { rule, inputIds } = request;
  const settings = { ...GRAPH_DEFAULTS, ...request };
  const listed = request.transitions ?? Array.from({ length: config.layers + 1 }, (_, layer) => layer);
  const joined = listed.slice(1).map((target, index) => ({ source: listed[index] as number, target }));
  const pass = await forward(runner, [inputIds], options);
  try {
    const pairs = await chooseTokens(runner, pass, [request]);
    const { target, contrast } = pairs[0] as Pair;
    const walk = await walkBack(runner, pass, pairs, request, joined, options);
    const { nodeRelevance } = walk;
    refuseNonFinite(nodeRelevance, inputIds.length, runner.model.directory);
    const candidates: Candidates[] = [];
    for (const { source, target } of joined) {
      candidates.push(
        walk.closed.get(target) ?? {
          source,
          target,
          rows: await packedRows(runner, pass, walk, request, source, target, options),
        },
      );
    }
    const transitions = prune(candidates, nodeRelevance, inputIds.length, settings);
    return {
      rule,
      inputIds,
      target,
      contrast,
      logitDifference: target.logit - contrast.logit,
      layers: config.layers,
      nodeRelevance,
      nodeLayers: listed,
      transitions,
      adapter: device.info.name,
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    pass.workspace.free();
  }
}

interface Walk {
  /** [layers + 1, tokens] */
  readonly nodeRelevance: Float32Array;
  /** Gradients at the target layers that packed products start from, by node layer, [rows, hidden]. */
  readonly gradients: ReadonlyMap<number, GPUBuffer>;
  /** Transitions that the closed form gave, by target layer. */
  readonly closed: ReadonlyMap<number, Candidates>;
}

/** The backward pass: node relevance, edges by the closed form, and the gradients that packed products need. */
async function walkBack(
  runner: Runner,
  pass: ForwardPass,
  pairs: readonly Pair[],
  request: GraphRequest,
  joined: readonly { source: number; target: number }[],
  options: RunOptions,
): Promise<Walk> {
  const { device, model: { config }, weights } = runner;
  const { workspace } = pass;
  const { rule, inputIds: { length: tokens } } = request;
  const { rows } = workspace;
  const gradient = seed(runner, pass, pairs, rule);
  const space = openGradientSpace(workspace);
  const relevance = workspace.adopt(device.allocate(rows * 4, "relevance of a node layer"));
  const nodeRelevance = new Float32Array((config.layers + 1) * tokens);
  const readRelevance = async (layer: number, nodes: GPUBuffer): Promise<Float32Array> => {
    rowDot(device, rows, config.hidden, nodes, gradient, relevance, 0);
    const values = new Float32Array(await device.read(relevance, 0, tokens * 4));
    nodeRelevance.set(values, layer * tokens);
    return values;
  };
  const gradients = new Map<number, GPUBuffer>();
  const closed = new Map<number, Candidates>();
  const collector = rule === "gradient" ? undefined : openCollector(space, rule, request);
  const pace = pacer(device, config, rows, options);
  let above = await readRelevance(config.layers, pass.nodes[config.layers] as GPUBuffer);
  for (let layer = config.layers - 1; layer >= 0; layer--) {
    const block = weights.blocks[layer] as BlockWeights;
    const transition = joined.find(({ target }) => target === layer + 1);
    const inClosedForm = transition?.source === layer && collector !== undefined;
    if (transition && !inClosedForm) {
      const copy = workspace.allocate(config.hidden, `gradient at node layer ${layer + 1}`);
      device.copy(gradient, 0, copy, 0, panelBytes(rows, config.hidden));
      gradients.set(layer + 1, copy);
    }
    const state = blockStateOf(runner, pass, layer);
    mlpBackward(space, block, state, rule, gradient);
    if (inClosedForm) {
      const targets = activeTargets(above, layer + 1 === config.layers, request.minRelevance);
      closed.set(layer + 1, {
        source: layer,
        target: layer + 1,
        ...await collector(block.attention, state, gradient, targets),
      });
    }
    attentionBackward(space, block, state, rule, gradient);
    above = await readRelevance(layer, state.input);
    await pace("backward", config.layers - layer);
  }
  return { nodeRelevance, gradients, closed };
}

/**
 * Tokens of a node layer whose relevance is above the bound in absolute value, ascending; all for a bound of 0. The last
 * token of the last layer is always one: there the objective enters, though a plain gradient times input is 0 there.
 */
function activeTargets(
  relevance: Float32Array,
  isLastLayer: boolean,
  minRelevance: number = GRAPH_DEFAULTS.minRelevance,
): number[] {
  return [...relevance.keys()].filter((token) =>
    minRelevance === 0 || Math.abs(relevance[token] as number) > minRelevance ||
    (isLastLayer && token === relevance.length - 1)
  );
}

type Collect = (
  attention: LayerAttention,
  state: BlockState,
  middleGradient: GPUBuffer,
  targets: readonly number[],
) => Promise<Pick<Candidates, "rows" | "heads">>;

/** Collects a block's edges by the closed form, between the two halves of its backward pass, tile by tile. */
function openCollector(space: GradientSpace, rule: ClosedRule, request: GraphRequest): Collect {
  const { workspace } = space;
  const { device, config, rows } = workspace;
  const all = config.attention.flatMap((layer) => workspace.scoreBlocks(layer));
  const scoreBytes = Math.max(...all.map(({ queries, keys }) => config.heads * panelBytes(queries, keys)));
  const scores = workspace.adopt(device.allocate(scoreBytes, "attention scores"));
  const tile = workspace.adopt(device.allocate(Math.max(...all.map(edgeBytes)), "a tile of edges"));
  const residual = workspace.adopt(device.allocate(rows * 4, "residual relevance"));
  const matrices = {
    probability: workspace.scratch.probability,
    probabilityGradient: space.probability,
    scoreGradient: space.scores,
    scores,
    scale: 1 / Math.sqrt(config.headDimension),
  };
  const recordScores = (state: BlockState, block: PlacedBlock) => {
    scoreGradients(space, state, block);
    if (rule === "attnlrp") attentionScores(workspace, state, block, scores);
  };
  return async (attention, state, middleGradient, targets) => {
    const blocks = workspace.scoreBlocks(attention);
    rowDot(device, rows, config.hidden, state.input, middleGradient, residual, 0);
    const edgeRows: EdgeRow[] = [];
    for (const block of blocks) {
      const inBlock = targets.filter((token) => token >= block.firstQuery && token < block.firstQuery + block.queries);
      if (inBlock.length === 0) continue;
      recordScores(state, block);
      recordEdges(device, rule, block, matrices, residual, tile);
      const values = new Float32Array(await device.read(tile, 0, edgeBytes(block)));
      for (const target of inBlock) edgeRows.push(readEdgeRow(values, block, target));
    }
    if (!request.heads) return { rows: edgeRows };

    const kept = edgesAbove(edgeRows, massThreshold(edgeRows, request.mass ?? GRAPH_DEFAULTS.mass).threshold);
    const terms = new Float32Array(kept.weights.length * config.heads * 2);
    let done = 0;
    for (const block of blocks) {
      // Edges are ordered by target, so those of a block are a run.
      const end = kept.targets.findIndex((target, index) =>
        index >= done && target >= block.firstQuery + block.queries
      );
      const count = (end < 0 ? kept.targets.length : end) - done;
      if (count === 0) continue;
      recordScores(state, block);
      const pairs = new Uint32Array(count * 2);
      for (let index = 0; index < count; index++) {
        pairs[2 * index] = (kept.targets[done + index] as number) - block.firstQuery;
        pairs[2 * index + 1] = (kept.sources[done + index] as number) - block.firstKey;
      }
      const pairBuffer = device.allocate(pairs.byteLength, "edges to split by head");
      const out = device.allocate(count * config.heads * 8, "edges split by head");
      try {
        device.write(pairBuffer, 0, pairs);
        recordHeadEdges(device, rule, block, matrices, pairBuffer, count, out);
        terms.set(new Float32Array(await device.read(out, 0, count * config.heads * 8)), done * config.heads * 2);
      } finally {
        device.free(pairBuffer);
        device.free(out);
      }
      done += count;
    }
    return { rows: edgeRows, heads: { edges: kept, terms } };
  };
}

function readEdgeRow(tile: Float32Array, { firstQuery, firstKey, keys }: PlacedBlock, target: number): EdgeRow {
  const weights = new Float32Array(target + 1);
  for (let source = firstKey; source <= target; source++) {
    weights[source] = tile[panelIndex(target - firstQuery, source - firstKey, keys)] as number;
  }
  return { target, weights };
}

/** Rows of edges from node layer `source` to `target` by packed vector-Jacobian products. */
async function packedRows(
  runner: Runner,
  pass: ForwardPass,
  { gradients, nodeRelevance }: Walk,
  request: GraphRequest,
  source: number,
  target: number,
  options: RunOptions,
): Promise<EdgeRow[]> {
  const { device, model: { config }, weights } = runner;
  const { workspace } = pass;
  const tokens = request.inputIds.length;
  const above = nodeRelevance.subarray(target * tokens, (target + 1) * tokens);
  const waiting = activeTargets(above, target === config.layers, request.minRelevance);
  const gradient = gradients.get(target) as GPUBuffer;
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
        blockBackward(space, block, state, request.rule, pulled);
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
function targetsInPack(config: ModelConfig, rows: number): number {
  // A block of scores holds at least one panel of queries of every head of every target, twice.
  const bytes = rows * (gradientRowBytes(config) + 2 * config.heads * PANEL * 4);
  return Math.max(1, Math.floor(PACK_BYTES / bytes));
}

/** Prunes all transitions and says what was dropped. */
function prune(
  candidates: readonly Candidates[],
  nodeRelevance: Float32Array,
  tokens: number,
  settings: { readonly mass: number; readonly reach: "last" | "all"; readonly edgeBudget: number },
): Transition[] {
  const byMass = candidates.map(({ rows }) => {
    const { threshold, total } = massThreshold(rows, settings.mass);
    return { edges: edgesAbove(rows, threshold), threshold, total };
  });
  const reach = (edges: readonly Edges[]) => settings.reach === "last" ? keepReaching(edges, tokens - 1) : [...edges];
  const reaching = reach(byMass.map(({ edges }) => edges));
  const kept = reach(keepBudget(reaching, settings.edgeBudget));
  return candidates.map(({ source, target, rows, heads }, index): Transition => {
    const edges = kept[index] as Edges;
    const { edges: chosen, threshold, total } = byMass[index] as typeof byMass[number];
    const sum = edges.weights.reduce((all, weight) => all + Math.abs(weight), 0);
    return {
      source,
      target,
      edges,
      threshold,
      rows: rows.length,
      candidates: rows.reduce((count, { weights }) => count + weights.length, 0),
      totalMass: total,
      keptMass: total === 0 ? 1 : sum / total,
      droppedByReach: chosen.weights.length - (reaching[index] as Edges).weights.length,
      droppedByBudget: (reaching[index] as Edges).weights.length - edges.weights.length,
      columnError: columnError(edges, nodeRelevance.subarray(source * tokens, (source + 1) * tokens)),
      ...(heads ? { headEdges: keepHeadEdges(heads, edges) } : {}),
    };
  });
}

/** max_i |sum_j A_ji - R_i| / max |R| over the edges that stay. */
function columnError({ sources, weights }: Edges, relevance: Float32Array): number {
  const sums = new Float64Array(relevance.length);
  sources.forEach((source, index) => sums[source]! += weights[index] as number);
  const largest = relevance.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = relevance.reduce((most, value, i) => Math.max(most, Math.abs((sums[i] as number) - value)), 0);
  return largest === 0 ? worst : worst / largest;
}

/** The head terms of the edges that stay; `kept` is a part of the edges that the terms are of, in the same order. */
function keepHeadEdges({ edges, terms }: HeadTerms, kept: Edges): HeadEdges {
  const heads = terms.length / (2 * Math.max(1, edges.weights.length));
  const result = new Float32Array(kept.weights.length * heads * 2);
  let at = 0;
  filterEdges(edges, (index) => {
    const stays = edges.sources[index] === kept.sources[at] && edges.targets[index] === kept.targets[at];
    if (stays) result.set(terms.subarray(index * heads * 2, (index + 1) * heads * 2), at++ * heads * 2);
    return false;
  });
  return { heads, terms: result };
}
