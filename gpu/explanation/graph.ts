/**
 * The attribution graph (docs/method.md section 3). Adjacent node layers under AttnLRP and CP-LRP come from the closed
 * form, in the same backward pass that gives node relevance. Transitions that skip blocks, and the gradient rule, come
 * from packed vector-Jacobian products. Transitions are pruned as the pass meets them, from the last to the first.
 */
import { refuseNonFinite } from "./attribution.ts";
import { attentionBackward, mlpBackward } from "../pass/backward.ts";
import { openGradientSpace } from "../pass/workspace.ts";
import { type HeadTerms, openCollector } from "./closed_form.ts";
import type {
  GraphEdges,
  GraphRequest,
  GraphResult,
  GraphSettings,
  HeadEdges,
  RelevanceResult,
  Rule,
  RunOptions,
  SeedGraphRequest,
  SeedGraphResult,
  Transition,
} from "../engine.ts";
import { InputError } from "../errors.ts";
import { rowDot } from "../kernels/row-moves.ts";
import type { ModelConfig } from "../model/config.ts";
import { packedRows } from "./packed_edges.ts";
import { forward, type ForwardPass, pacer, placeOf, type Runner } from "../pass/pass.ts";
import { pairOf, type Question, readsOf, resolveSeeds, type Seed, seedGradient } from "../pass/seed.ts";
import { filterEdges, openPruner, type Reduced, reduceRows } from "./prune.ts";
import type { Edges } from "../kernels/edge_bins.ts";

export const GRAPH_DEFAULTS = { mass: 0.85, minRelevance: 0.01, reach: "last", edgeBudget: 200_000 } as const;

/** The node layers that a graph's transitions join. Throws InputError for a list that is not ascending or out of range. */
export function checkGraphRequest(config: ModelConfig, request: GraphSettings & { readonly rule: Rule }): void {
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

/** One transition whose edges the mass rule has chosen. */
interface Chosen extends Omit<Reduced, "edges" | "reached"> {
  readonly source: number;
  readonly target: number;
  /** Tokens that have edges, and how many edges those are before pruning. */
  readonly rows: number;
  readonly candidates: number;
  readonly heads?: HeadTerms;
}

type Settings = GraphSettings & typeof GRAPH_DEFAULTS;

/** Attributes a token pair and builds its graph; the request was checked before. */
export async function buildGraph(runner: Runner, request: GraphRequest, options: RunOptions): Promise<GraphResult> {
  const { seed, ...result } = await buildQuestionGraph(runner, request, options);
  return { ...result, ...pairOf(seed), logitDifference: seed.value };
}

/** The same of a seed. */
export async function buildSeedGraph(
  runner: Runner,
  request: SeedGraphRequest,
  options: RunOptions,
): Promise<SeedGraphResult> {
  const { seed: { terms, value }, ...result } = await buildQuestionGraph(runner, request, options);
  return { ...result, terms, value };
}

/** The graph of a question of either kind. */
export async function buildQuestionGraph(
  runner: Runner,
  request: Question & GraphSettings,
  options: RunOptions,
): Promise<RelevanceResult & GraphEdges & { readonly seed: Seed }> {
  const start = performance.now();
  const { device, model: { config } } = runner;
  const { rule, inputIds } = request;
  const settings = { ...GRAPH_DEFAULTS, ...request } as Settings;
  const listed = request.transitions ?? Array.from({ length: config.layers + 1 }, (_, layer) => layer);
  const reads = readsOf([request], [0]);
  const pass = await forward(runner, [inputIds], options, { purpose: "backward", reads });
  try {
    const [seed] = await resolveSeeds(runner, pass, [request]) as [Seed];
    const walk = { seed, rule, tokens: inputIds.length, settings, listed };
    const { nodeRelevance, chosen, kept } = await walkBack(runner, pass, walk, options);
    refuseNonFinite(nodeRelevance, inputIds.length, runner.model.directory);
    const relevanceAt = (layer: number) =>
      nodeRelevance.subarray(layer * inputIds.length, (layer + 1) * inputIds.length);
    const transitions = chosen.map((transition, index) =>
      describe(transition, kept[index] as Edges, relevanceAt(transition.source))
    );
    return {
      rule,
      inputIds,
      seed,
      layers: config.layers,
      nodeRelevance,
      nodeLayers: listed,
      transitions: transitions.reverse(),
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
  /** From the last transition to the first, and the edges of each that stay. */
  readonly chosen: readonly Chosen[];
  readonly kept: readonly Edges[];
}

/** The backward pass: node relevance, and the edges of each listed transition, pruned when it comes. */
async function walkBack(
  runner: Runner,
  pass: ForwardPass,
  { seed, rule, tokens, settings, listed }: {
    readonly seed: Seed;
    readonly rule: Rule;
    readonly tokens: number;
    readonly settings: Settings;
    readonly listed: readonly number[];
  },
  options: RunOptions,
): Promise<Walk> {
  const { device, model: { config } } = runner;
  const { workspace } = pass;
  const { rows } = workspace;
  const gradient = seedGradient(runner, pass, [seed], rule);
  const space = openGradientSpace(workspace);
  const relevance = workspace.adopt(device.allocate(rows * 4, "relevance of a node layer"));
  const nodeRelevance = new Float32Array((config.layers + 1) * tokens);
  const readRelevance = async (layer: number, nodes: GPUBuffer): Promise<Float32Array> => {
    rowDot(device, rows, config.hidden, nodes, gradient, relevance, 0);
    const values = new Float32Array(await device.read(relevance, 0, tokens * 4));
    nodeRelevance.set(values, layer * tokens);
    return values;
  };
  const isAdjacent = (target: number) => listed[listed.indexOf(target) - 1] === target - 1;
  const inClosedForm = (target: number) => rule !== "gradient" && listed.includes(target, 1) && isAdjacent(target);
  const collector = rule !== "gradient" && listed.some(inClosedForm)
    ? openCollector(space, rule, settings, runner.tiles)
    : undefined;
  const pruner = openPruner(tokens, seed.positions, settings);
  const chosen: Chosen[] = [];
  const above = () => ({ reached: pruner.reached(), floor: pruner.floor(), floorWith: pruner.floorWith });
  const add = (target: number, targets: readonly number[], reduced: Reduced & { readonly heads?: HeadTerms }) => {
    const { edges: _, reached: __, ...numbers } = reduced;
    const source = listed[listed.indexOf(target) - 1] as number;
    const candidates = targets.reduce((count, token) => count + token + 1, 0);
    chosen.push({ ...numbers, source, target, rows: targets.length, candidates });
    const before = pruner.floor();
    pruner.add(reduced);
    const floor = pruner.floor();
    if (floor > before) chosen.forEach((one, index) => chosen[index] = withTermsAbove(one, floor));
  };
  const pace = pacer(device, config, rows, options);
  let atTarget = await readRelevance(config.layers, pass.nodes[config.layers] as GPUBuffer);
  for (let layer = config.layers - 1; layer >= 0; layer--) {
    const target = layer + 1;
    const isTarget = listed.includes(target, 1);
    const targets = isTarget
      ? activeTargets(atTarget, target === config.layers ? seed.positions : [], settings.minRelevance)
      : [];
    if (isTarget && !inClosedForm(target)) {
      const source = listed[listed.indexOf(target) - 1] as number;
      const packed = { rule, source, target, gradient, tokens: targets };
      add(target, targets, reduceRows(await packedRows(runner, pass, packed, options), settings.mass, above()));
    }
    const place = placeOf(runner, pass, layer);
    mlpBackward(space, place, rule, gradient);
    if (collector && inClosedForm(target)) {
      const collection = collector(place, gradient, targets);
      attentionBackward(space, place, rule, gradient, collection);
      add(target, targets, await collection.finish(above()));
    } else attentionBackward(space, place, rule, gradient);
    atTarget = await readRelevance(layer, place.state.node);
    await pace("backward", config.layers - layer);
  }
  return { nodeRelevance, chosen, kept: pruner.finish() };
}

/**
 * Tokens of a node layer whose relevance is above the bound in absolute value, ascending; all for a bound of 0. Those that
 * the objective reads (`ends`) are always among them, though a plain gradient times input may be 0 there.
 */
function activeTargets(relevance: Float32Array, ends: readonly number[], minRelevance: number): number[] {
  return [...relevance.keys()].filter((token) =>
    minRelevance === 0 || Math.abs(relevance[token] as number) > minRelevance ||
    ends.includes(token)
  );
}

/** A transition with the edges that stay, and what was dropped. */
function describe(transition: Chosen, edges: Edges, relevance: Float32Array): Transition {
  const { source, target, rows, candidates, threshold, total, chosen, reaching, heads } = transition;
  const sum = edges.weights.reduce((all, weight) => all + Math.abs(weight), 0);
  return {
    source,
    target,
    edges,
    threshold,
    rows,
    candidates,
    totalMass: total,
    keptMass: total === 0 ? 1 : sum / total,
    droppedByReach: chosen - reaching,
    droppedByBudget: reaching - edges.weights.length,
    columnError: columnError(edges, relevance),
    ...(heads ? { headEdges: keepHeadEdges(heads, edges) } : {}),
  };
}

/** max_i |sum_j A_ji - R_i| / max |R| over the edges that stay. */
function columnError({ sources, weights }: Edges, relevance: Float32Array): number {
  const sums = new Float64Array(relevance.length);
  sources.forEach((source, index) => sums[source]! += weights[index] as number);
  const largest = relevance.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = relevance.reduce((most, value, i) => Math.max(most, Math.abs((sums[i] as number) - value)), 0);
  return largest === 0 ? worst : worst / largest;
}

/** Without the head terms of edges that the budget has dropped: as many are held as edges are. */
function withTermsAbove(transition: Chosen, floor: number): Chosen {
  const { heads } = transition;
  if (!heads) return transition;
  const { weights } = heads.edges;
  return { ...transition, heads: filterTerms(heads, (index) => Math.abs(weights[index] as number) > floor) };
}

/** The head terms of the edges that stay; `kept` is a part of the edges that the terms are of, in the same order. */
function keepHeadEdges(all: HeadTerms, kept: Edges): HeadEdges {
  const { sources, targets } = all.edges;
  let at = 0;
  const { heads, terms } = filterTerms(all, (index) => {
    const stays = sources[index] === kept.sources[at] && targets[index] === kept.targets[at];
    if (stays) at++;
    return stays;
  });
  return { heads, terms };
}

/** The terms of the edges for which `keep` holds; asked once of each, in order. */
function filterTerms({ heads, edges, terms }: HeadTerms, keep: (index: number) => boolean): HeadTerms {
  const indices: number[] = [];
  const kept = filterEdges(edges, (index) => {
    const stays = keep(index);
    if (stays) indices.push(index);
    return stays;
  });
  const size = 2 * heads;
  const result = new Float32Array(indices.length * size);
  indices.forEach((index, at) => result.set(terms.subarray(index * size, (index + 1) * size), at * size));
  return { heads, edges: kept, terms: result };
}
