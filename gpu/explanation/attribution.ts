/** Node relevance of attributions: forward, seed, backward (method.md sections 1 and 2). */
import { blockBackward } from "../pass/backward.ts";
import type { GradientSpace, Sequence } from "../pass/operation.ts";
import { openGradientSpace, openTargetSpace, rotationsOf } from "../pass/workspace.ts";
import { bordersOf } from "../model/rotary.ts";
import type {
  AttributionRequest,
  AttributionResult,
  Progress,
  RelevanceResult,
  Rule,
  RunOptions,
  SeedRequest,
  SeedResult,
} from "../engine.ts";
import { NonFiniteError } from "../errors.ts";
import { moveRows, rowDot } from "../kernels/row-moves.ts";
import { fillPacks, type Pack, packRows } from "../pass/pack.ts";
import { targetBytes, targetsInPack } from "./packed_edges.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { forward, type ForwardPass, pacer, placeOf, type Runner } from "../pass/pass.ts";
import {
  pairOf,
  positionsOf,
  type Question,
  readsOf,
  resolveSeeds,
  type Seed,
  seedGradient,
  seedRows,
} from "../pass/seed.ts";

/** Attributions of any number of token pairs, in their order. Each result is that of the request alone, to the last bit. */
export async function attributeAll(
  runner: Runner,
  requests: readonly AttributionRequest[],
  options: RunOptions,
): Promise<AttributionResult[]> {
  return (await attributeQuestions(runner, requests, options)).map(({ seed, ...result }) => ({
    ...result,
    ...pairOf(seed),
    logitDifference: seed.value,
  }));
}

/** The same for any seeds. */
export async function attributeSeeds(
  runner: Runner,
  requests: readonly SeedRequest[],
  options: RunOptions,
): Promise<SeedResult[]> {
  return (await attributeQuestions(runner, requests, options)).map(({ seed: { terms, value }, ...result }) => ({
    ...result,
    terms,
    value,
  }));
}

interface Attributed extends RelevanceResult {
  readonly seed: Seed;
}

/** Attributions of questions of both kinds, packed. */
export async function attributeQuestions(
  runner: Runner,
  questions: readonly Question[],
  options: RunOptions,
): Promise<Attributed[]> {
  const packs = packsOf(runner, questions);
  const results = new Array<Attributed>(questions.length);
  for (const [index, pack] of packs.entries()) {
    const found = await attributePack(runner, pack, questions, withProgress(options, index, packs.length));
    pack.members.forEach(({ request }, at) => results[request] = found[at] as Attributed);
  }
  return results;
}

type Sized = Pick<Runner, "device" | "model" | "keepBytes" | "passBytes">;

function packsOf({ device, model: { config }, keepBytes, passBytes }: Sized, questions: readonly Question[]): Pack[] {
  const limits = { bytes: passBytes ?? Infinity, keepBytes, bindingBytes: device.info.bindingBytes };
  return fillPacks(questions, packRows(config, limits), bordersOf(rotationsOf(config)));
}

/** A pass of a run, in tokens: what its time follows from. */
export interface CountedPass {
  /** Of its first question. */
  readonly rule: Rule;
  /** Of each prompt that goes forward. */
  readonly sequences: readonly number[];
  /** Of each gradient that is pulled back by itself; none where one gradient goes over all prompts. */
  readonly targets: readonly { readonly rule: Rule; readonly rows: number }[];
}

/** The passes by which questions would be answered. */
export function countPasses(runner: Sized, questions: readonly Question[]): readonly CountedPass[] {
  return packsOf(runner, questions).map(({ sequences, members }) => {
    const lengths = sequences.map(({ length }) => length);
    const own = members.map(({ request }) => questions[request] as Question);
    const { rule } = own[0] as Question;
    if (members.length === sequences.length) return { rule, sequences: lengths, targets: [] };
    const targets = [...new Set(own.map(({ rule }) => rule))].flatMap((rule) => {
      const ofRule = own.filter((question) => question.rule === rule);
      const last = (index: number) => positionsOf(ofRule[index] as Question).at(-1) as number;
      return groupByRows(runner, [...ofRule.keys()], last)
        .flatMap(({ members, rows }) => members.map(() => ({ rule, rows })));
    });
    return { rule, sequences: lengths, targets };
  });
}

/** Progress of one of several packs as a part of all their blocks. */
function withProgress(options: RunOptions, index: number, packs: number): RunOptions {
  const { onProgress } = options;
  if (!onProgress || packs === 1) return options;
  const ofAll = ({ phase, done, total }: Progress) =>
    onProgress({ phase, done: index * total + done, total: packs * total });
  return { ...options, onProgress: ofAll };
}

/** One forward pass, and the gradients of all its members pulled back. */
async function attributePack(
  runner: Runner,
  { sequences, members }: Pack,
  all: readonly Question[],
  options: RunOptions,
): Promise<Attributed[]> {
  const start = performance.now();
  const questions = members.map(({ request }) => all[request] as Question);
  const reads = readsOf(questions, members.map(({ sequence }) => sequence));
  const pass = await forward(runner, sequences, options, { purpose: "backward", reads });
  try {
    const seeds = await resolveSeeds(runner, pass, questions);
    const pull = members.length > sequences.length ? pullShared : pullSideBySide;
    const relevances = await pull(runner, pass, questions, seeds, options);
    return questions.map((question, index) =>
      toResult(runner, question, seeds[index] as Seed, start, relevances[index] as Float32Array)
    );
  } finally {
    pass.workspace.free();
  }
}

/** Several prompts, each with one question, all of one rule: one gradient over all rows. [layers + 1, tokens] each. */
async function pullSideBySide(
  runner: Runner,
  pass: ForwardPass,
  questions: readonly Question[],
  seeds: readonly Seed[],
  options: RunOptions,
): Promise<Float32Array[]> {
  const { workspace } = pass;
  const { rule } = questions[0] as Question;
  const gradient = seedGradient(runner, pass, seeds, rule);
  const values = await pullBack(runner, pass, openGradientSpace(workspace), rule, gradient, options);
  return workspace.sequences.map(({ firstRow, length }: Sequence) =>
    cutRows(values, { step: workspace.rows, firstRow, rows: length, tokens: length })
  );
}

/** Several questions over one prompt: several gradients are pulled back at once. [layers + 1, tokens] each. */
async function pullShared(
  runner: Runner,
  pass: ForwardPass,
  questions: readonly Question[],
  seeds: readonly Seed[],
  options: RunOptions,
): Promise<Float32Array[]> {
  const relevances = new Array<Float32Array>(questions.length);
  for (const rule of new Set(questions.map((question) => question.rule))) {
    const rows = seedRows(runner, pass, seeds, rule);
    const ofRule = [...questions.keys()].filter((index) => questions[index]?.rule === rule);
    const groups = groupByRows(runner, ofRule, (index) => seeds[index]?.positions.at(-1) as number);
    for (const group of runner.rehearsal ? largestOf(runner, groups) : groups) {
      const values = await pullTargets(runner, pass, rule, { ...group, seeds }, rows, options);
      group.members.forEach((index, target) => {
        const { length } = (questions[index] as Question).inputIds;
        relevances[index] = cutRows(values, {
          step: group.members.length * group.rows,
          firstRow: target * group.rows,
          rows: Math.min(length, group.rows),
          tokens: length,
        });
      });
    }
  }
  // In a rehearsal the largest groups stand for all, and nothing is known of the others.
  const { layers } = runner.model.config;
  return questions.map(({ inputIds: { length } }, index) =>
    relevances[index] ?? new Float32Array((layers + 1) * length)
  );
}

/** Rows of one sequence or target at every node layer; tokens behind its rows have no relevance. [layers + 1, tokens]. */
function cutRows(
  values: Float32Array,
  { step, firstRow, rows, tokens }: {
    /** Values of a node layer. */
    readonly step: number;
    readonly firstRow: number;
    readonly rows: number;
    readonly tokens: number;
  },
): Float32Array {
  const layers = values.length / step;
  const relevance = new Float32Array(layers * tokens);
  for (let layer = 0; layer < layers; layer++) {
    const from = layer * step + firstRow;
    relevance.set(values.subarray(from, from + rows), layer * tokens);
  }
  return relevance;
}

interface TargetGroup {
  /** Indices of questions. */
  readonly members: readonly number[];
  /** Rows that the farthest of them needs, whole panels. */
  readonly rows: number;
}

/** Groups of questions whose gradients fit into a pack's memory; those that read late positions go together. */
function groupByRows(
  runner: Sized,
  indices: readonly number[],
  lastPositionOf: (index: number) => number,
): TargetGroup[] {
  const waiting = [...indices].sort((a, b) => lastPositionOf(a) - lastPositionOf(b));
  const groups: TargetGroup[] = [];
  while (waiting.length > 0) {
    const rows = panelsOf(lastPositionOf(waiting.at(-1) as number) + 1) * PANEL;
    groups.push({ members: waiting.splice(-targetsInPack(runner, rows)), rows });
  }
  return groups;
}

/** The groups that take most memory, in all and in one buffer. */
function largestOf({ device, model: { config } }: Runner, groups: readonly TargetGroup[]): ReadonlySet<TargetGroup> {
  const most = (kind: keyof ReturnType<typeof targetBytes>) => {
    const bytes = groups.map(({ members, rows }) => members.length * targetBytes(device, config, rows)[kind]);
    return groups[bytes.indexOf(Math.max(...bytes))] as TargetGroup;
  };
  return new Set([most("all"), most("largest")]);
}

/** Relevance [layers + 1, targets, rows] of a group, whose gradients start from `seeded`, a row for each read. */
async function pullTargets(
  runner: Runner,
  pass: ForwardPass,
  rule: Rule,
  { members, rows, seeds }: TargetGroup & { readonly seeds: readonly Seed[] },
  seeded: GPUBuffer,
  options: RunOptions,
): Promise<Float32Array> {
  const { device, model: { config: { hidden } } } = runner;
  const places = members.flatMap((index, target) => {
    const { firstRead, positions } = seeds[index] as Seed;
    return positions.map((position, at) => ({ read: firstRead + at, row: target * rows + position }));
  });
  const space = openTargetSpace(pass.workspace, members.length, rows);
  const scratch: GPUBuffer[] = [];
  const own = (buffer: GPUBuffer) => {
    scratch.push(buffer);
    return buffer;
  };
  try {
    const lists = [places.map(({ read }) => read), places.map(({ row }) => row)].map((list) => {
      const buffer = own(device.allocate(list.length * 4, "rows of targets"));
      device.write(buffer, 0, Uint32Array.from(list));
      return buffer;
    }) as [GPUBuffer, GPUBuffer];
    const chosen = own(device.allocate(panelBytes(places.length, hidden), "gradients at the targets"));
    const gradient = space.allocate(hidden, "gradients of targets");
    moveRows(device, "gather", places.length, hidden, lists[0], seeded, chosen);
    moveRows(device, "scatter", places.length, hidden, lists[1], chosen, gradient);
    return await pullBack(runner, pass, space, rule, gradient, options);
  } finally {
    space.free();
    scratch.forEach((buffer) => device.free(buffer));
  }
}

/** Pulls gradients at the last node layer back to the embeddings; relevance [layers + 1, targets, rows]. */
async function pullBack(
  runner: Runner,
  pass: ForwardPass,
  space: GradientSpace,
  rule: Rule,
  gradient: GPUBuffer,
  options: RunOptions,
): Promise<Float32Array> {
  const { device, model: { config } } = runner;
  const { targets, rows } = space;
  const size = targets * rows;
  const relevance = device.allocate((config.layers + 1) * size * 4, "node relevance");
  try {
    const record = (layer: number, nodes: GPUBuffer) =>
      rowDot(device, rows, config.hidden, nodes, gradient, relevance, layer * size, targets);
    record(config.layers, pass.nodes[config.layers] as GPUBuffer);
    const pace = pacer(device, config, size, options);
    for (let layer = config.layers - 1; layer >= 0; layer--) {
      const place = placeOf(runner, pass, layer);
      blockBackward(space, place, rule, gradient);
      record(layer, place.state.node);
      await pace("backward", config.layers - layer);
    }
    return new Float32Array(await device.read(relevance, 0, (config.layers + 1) * size * 4));
  } finally {
    device.free(relevance);
  }
}

function toResult(
  { device, model }: Runner,
  { rule, inputIds }: Question,
  seed: Seed,
  start: number,
  nodeRelevance: Float32Array,
): Attributed {
  refuseNonFinite(nodeRelevance, inputIds.length, model.directory);
  return {
    rule,
    inputIds,
    seed,
    layers: model.config.layers,
    nodeRelevance,
    adapter: device.info.name,
    seconds: (performance.now() - start) / 1000,
  };
}

/** Throws when a relevance [layers + 1, tokens] is not finite, and says where it went wrong first. */
export function refuseNonFinite(nodeRelevance: Float32Array, tokens: number, directory: string): void {
  const at = nodeRelevance.findLastIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new NonFiniteError(
    `${directory}: relevance is not finite at node layer ${Math.floor(at / tokens)}, token ${at % tokens}`,
  );
}
