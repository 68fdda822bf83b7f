/** Node relevance of contrastive attributions: forward, seed, backward (method.md sections 1 and 2). */
import { blockBackward } from "../pass/backward.ts";
import type { GradientSpace, Sequence } from "../pass/operation.ts";
import { openGradientSpace, openTargetSpace, rotationsOf } from "../pass/workspace.ts";
import { bordersOf } from "../model/rotary.ts";
import type { AttributionRequest, AttributionResult, Progress, Rule, RunOptions } from "../engine.ts";
import { NonFiniteError } from "../errors.ts";
import { moveRows, rowDot } from "../kernels/row-moves.ts";
import { fillPacks, type Pack, packRows } from "../pass/pack.ts";
import { targetsInPack } from "./packed_edges.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import {
  chooseTokens,
  forward,
  type ForwardPass,
  pacer,
  type Pair,
  placeOf,
  type Runner,
  seed,
  seedRows,
} from "../pass/pass.ts";

/** Attributions of any number of requests, in their order. Each result is that of the request alone, to the last bit. */
export async function attributeAll(
  runner: Runner,
  requests: readonly AttributionRequest[],
  options: RunOptions,
): Promise<AttributionResult[]> {
  const { device, model: { config }, keepBytes } = runner;
  const limits = { bytes: runner.passBytes ?? Infinity, keepBytes, bindingBytes: device.info.bindingBytes };
  const packs = fillPacks(requests, packRows(config, limits), bordersOf(rotationsOf(config)));
  const results = new Array<AttributionResult>(requests.length);
  for (const [index, pack] of packs.entries()) {
    const run = pack.members.length > pack.sequences.length ? attributeShared : attributeSideBySide;
    const relevances = await run(runner, pack, requests, withProgress(options, index, packs.length));
    pack.members.forEach(({ request }, at) => results[request] = relevances[at] as AttributionResult);
  }
  return results;
}

/** Progress of one of several packs as a part of all their blocks. */
function withProgress(options: RunOptions, index: number, packs: number): RunOptions {
  const { onProgress } = options;
  if (!onProgress || packs === 1) return options;
  const ofAll = ({ phase, done, total }: Progress) =>
    onProgress({ phase, done: index * total + done, total: packs * total });
  return { ...options, onProgress: ofAll };
}

/** Several prompts, each with one request, all of one rule: one gradient over all rows. */
async function attributeSideBySide(
  runner: Runner,
  { sequences, members }: Pack,
  all: readonly AttributionRequest[],
  options: RunOptions,
): Promise<AttributionResult[]> {
  const start = performance.now();
  const requests = members.map(({ request }) => all[request] as AttributionRequest);
  const { rule } = requests[0] as AttributionRequest;
  const pass = await forward(runner, sequences, options);
  const { workspace } = pass;
  try {
    const pairs = await chooseTokens(runner, pass, requests);
    const gradient = seed(runner, pass, pairs, rule);
    const values = await pullBack(runner, pass, openGradientSpace(workspace), rule, gradient, options);
    return requests.map((request, index) =>
      toResult(runner, request, pairs[index] as Pair, start, (layer) => {
        const from = layer * workspace.rows + (workspace.sequences[index] as Sequence).firstRow;
        return values.subarray(from, from + request.inputIds.length);
      })
    );
  } finally {
    workspace.free();
  }
}

/** Several requests over one prompt: they share its forward pass, and several gradients are pulled back at once. */
async function attributeShared(
  runner: Runner,
  { sequences, members }: Pack,
  all: readonly AttributionRequest[],
  options: RunOptions,
): Promise<AttributionResult[]> {
  const start = performance.now();
  const requests = members.map(({ request }) => all[request] as AttributionRequest);
  const pass = await forward(runner, sequences, options, { purpose: "backward", reads: members });
  try {
    const pairs = await chooseTokens(runner, pass, requests);
    const results = new Array<AttributionResult>(requests.length);
    for (const rule of new Set(requests.map((request) => request.rule))) {
      const seeds = seedRows(runner, pass, pairs, rule);
      const ofRule = [...requests.keys()].filter((index) => requests[index]?.rule === rule);
      for (const group of groupByRows(runner, ofRule, (index) => members[index]?.position ?? 0)) {
        const values = await pullTargets(runner, pass, rule, seeds, group, options);
        group.members.forEach((index, target) => {
          const request = requests[index] as AttributionRequest;
          results[index] = toResult(runner, request, pairs[index] as Pair, start, (layer) => {
            const from = (layer * group.members.length + target) * group.rows;
            return values.subarray(from, from + request.inputIds.length);
          });
        });
      }
    }
    return results;
  } finally {
    pass.workspace.free();
  }
}

interface TargetGroup {
  /** Indices of requests. */
  readonly members: readonly number[];
  /** Each of them and its row. */
  readonly places: readonly number[];
  /** Rows that the farthest of them needs, whole panels. */
  readonly rows: number;
}

/** Groups of requests whose gradients fit into a pack's memory; those at late positions go together. */
function groupByRows(
  runner: Runner,
  indices: readonly number[],
  positionOf: (index: number) => number,
): TargetGroup[] {
  const waiting = [...indices].sort((a, b) => positionOf(a) - positionOf(b));
  const groups: TargetGroup[] = [];
  while (waiting.length > 0) {
    const rows = panelsOf(positionOf(waiting.at(-1) as number) + 1) * PANEL;
    const members = waiting.splice(-targetsInPack(runner, rows));
    groups.push({ members, places: members.map(positionOf), rows });
  }
  return groups;
}

/** Relevance [layers + 1, targets, rows] of a group, whose gradients start from rows of `seeds`. */
async function pullTargets(
  runner: Runner,
  pass: ForwardPass,
  rule: Rule,
  seeds: GPUBuffer,
  { members, places, rows }: TargetGroup,
  options: RunOptions,
): Promise<Float32Array> {
  const { device, model: { config: { hidden } } } = runner;
  const count = members.length;
  const space = openTargetSpace(pass.workspace, count, rows);
  const scratch: GPUBuffer[] = [];
  const own = (buffer: GPUBuffer) => {
    scratch.push(buffer);
    return buffer;
  };
  try {
    const lists = [members, places.map((position, target) => target * rows + position)].map((list) => {
      const buffer = own(device.allocate(count * 4, "rows of targets"));
      device.write(buffer, 0, Uint32Array.from(list));
      return buffer;
    }) as [GPUBuffer, GPUBuffer];
    const chosen = own(device.allocate(panelBytes(count, hidden), "gradients at the targets"));
    const gradient = space.allocate(hidden, "gradients of targets");
    moveRows(device, "gather", count, hidden, lists[0], seeds, chosen);
    moveRows(device, "scatter", count, hidden, lists[1], chosen, gradient);
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
  request: AttributionRequest,
  { target, contrast }: Pair,
  start: number,
  relevanceOf: (layer: number) => Float32Array,
): AttributionResult {
  const { layers } = model.config;
  const tokens = request.inputIds.length;
  const nodeRelevance = new Float32Array((layers + 1) * tokens);
  for (let layer = 0; layer <= layers; layer++) nodeRelevance.set(relevanceOf(layer), layer * tokens);
  refuseNonFinite(nodeRelevance, tokens, model.directory);
  return {
    rule: request.rule,
    inputIds: request.inputIds,
    target,
    contrast,
    logitDifference: target.logit - contrast.logit,
    layers,
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
