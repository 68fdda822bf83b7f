/**
 * Edges of one block by the closed form (docs/method.md section 3), tile by tile while the block's backward pass computes
 * the gradients of its scores, and pruned as they come: a histogram of |A| finds the threshold, then the edges above it
 * are emitted. Of a long context no matrix of all edges is ever held, on the device or the host.
 */
import { blockOf, hasConstants } from "../pass/block.ts";
import { type GradientSpace, type Place, type PlacedBlock, slot, type Workspace } from "../pass/operation.ts";
import type { TileLimits } from "../pass/pass.ts";
import type { ScoreReader } from "../pass/operations/attention.ts";
import { PROBABILITY, SCORES } from "../pass/operations/score_blocks.ts";
import { headWidths } from "../pass/operations/heads.ts";
import type { Device } from "../device/device.ts";
import type { GraphSettings } from "../engine.ts";
import {
  type ClosedRule,
  edgeBytes,
  edges as recordEdges,
  headEdges as recordHeadEdges,
  type ScoreMatrices,
} from "../kernels/edges.ts";
import {
  countEdges,
  counterBytes,
  EDGE_WORDS,
  emitEdges,
  HISTOGRAM_BYTES,
  REACHED,
  readCounters,
  readEmitted,
  readHistogram,
  WANTED,
} from "../kernels/prune.ts";
import { rowDot } from "../kernels/row-moves.ts";
import { panelBytes, panelIndex } from "../kernels/panels.ts";
import {
  type EdgeRow,
  type EmittedEdges,
  filterEdges,
  type MassBin,
  massBin,
  orderEdges,
  type Reduced,
  reduceEmitted,
  reduceRows,
  thresholdIn,
} from "./prune.ts";
import { binOf, type Edges } from "../kernels/edge_bins.ts";

export const TILE_LIMITS: TileLimits = { hostBytes: 2 ** 20, keptBytes: 2 ** 27, pendingEdges: 2 ** 20 };

/** Edges that are emitted before they are read back, when no more are to be expected. */
const EMITTED_EDGES = 2 ** 20;
/** Edges that are read back at once. */
const READ_EDGES = 2 ** 18;

/** (ov, qk) of each head for edges, in their order: [edges, heads, 2]. */
export interface HeadTerms {
  readonly edges: Edges;
  readonly terms: Float32Array;
}

/** What pruning knows of the transitions above. */
export interface Above {
  /** By token: 1 where edges into it lead on to the last token. */
  readonly reached: Uint8Array;
  /** |weight| that edges must exceed to stay within the graph's budget. */
  readonly floor: number;
  /** The same when edges of this transition are held besides. */
  floorWith(pending: readonly Edges[]): number;
}

/** Collects the edges of a block from its scores. */
export interface Collection extends ScoreReader {
  /** Prunes. To be called when the backward pass of the block's attention is recorded, and nothing after it. */
  finish(above: Above): Promise<Reduced & { readonly heads?: HeadTerms }>;
}

export type Collector = (
  place: Place,
  middleGradient: GPUBuffer,
  targets: readonly number[],
) => Collection;

interface Buffers {
  readonly tiles: readonly GPUBuffer[];
  readonly residual: GPUBuffer;
  readonly flags: GPUBuffer;
  readonly histogram: GPUBuffer;
  readonly counters: GPUBuffer;
  readonly emitted: GPUBuffer | undefined;
  readonly capacity: number;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Allocates what collecting takes in all blocks of a pass over one sequence; freed with the workspace. */
export function openCollector(
  space: GradientSpace,
  rule: ClosedRule,
  request: GraphSettings & { readonly mass: number },
  limits: TileLimits,
): Collector {
  const { workspace } = space;
  const { device, config } = workspace;
  const buffers = allocateBuffers(space, limits);
  const split = openLinearParts(space);
  const { residual, flags, histogram } = buffers;
  return (place, middleGradient, targets) => {
    const { weights: { attention, layer }, state } = place;
    const operation = blockOf(config, layer).attention;
    // By tiles edges need no matrix of scores; where q, k or v have constant parts, or for single heads, they do.
    const byTiles = space.tiles !== null && !hasConstants(config, layer);
    const matrices = byTiles && !request.heads ? undefined : split(place);
    const blocks = workspace.scoreBlocks(attention);
    const wanted = new Set(blocks.filter((block) => targetsIn(block, targets).length > 0));
    const bytes = sum(blocks.map(edgeBytes));
    const onHost = bytes <= limits.hostBytes;
    const kept = bytes <= Math.max(limits.hostBytes, limits.keptBytes);
    const tileOf = (block: PlacedBlock) => buffers.tiles[kept ? blocks.indexOf(block) : 0] as GPUBuffer;
    const recordTile = (block: PlacedBlock) => {
      if (byTiles || !matrices) return operation.edges(space, place, rule, block, residual, tileOf(block));
      matrices.record(block, rule);
      recordEdges(device, rule, block, matrices, residual, tileOf(block));
    };
    const again = (block: PlacedBlock) => {
      if (!byTiles) operation.blocks.scoreGradients(space, place, block);
      recordTile(block);
    };
    rowDot(device, workspace.rows, config.hidden, state.node, middleGradient, residual, 0);
    if (!onHost) {
      writeFlags(device, flags, workspace.rows, targets, undefined);
      device.clear(histogram);
    }
    const headTerms = async (edges: Edges): Promise<{ heads?: HeadTerms }> => {
      if (!request.heads || !matrices) return {};
      const record = (block: PlacedBlock, pairs: GPUBuffer, count: number, out: GPUBuffer) => {
        operation.blocks.scoreGradients(space, place, block);
        matrices.record(block, rule);
        recordHeadEdges(device, rule, block, matrices, pairs, count, out);
      };
      return { heads: { edges, terms: await splitByHead(device, blocks, edges, record) } };
    };
    return {
      wants: (block) => wanted.has(block),
      readsScores: !byTiles,
      record(block) {
        recordTile(block);
        if (!onHost) countEdges(device, block, tileOf(block), flags, histogram);
      },
      async finish(above) {
        const reduced = onHost
          ? reduceRows(await readRows(device, [...wanted], tileOf, targets), request.mass, above)
          : await emit({
            device,
            buffers,
            blocks: [...wanted],
            tile: kept ? tileOf : (block) => (again(block), tileOf(block)),
            rows: workspace.rows,
            targets,
            mass: request.mass,
            pendingEdges: limits.pendingEdges,
            above,
          });
        return { ...reduced, ...await headTerms(reduced.edges) };
      },
    };
  };
}

/** The matrices of a block's edges, of which `record` records those that the backward pass does not. */
interface BlockMatrices extends ScoreMatrices {
  record(block: PlacedBlock, rule: ClosedRule): void;
}

/**
 * What edges are made of: <dO, v>, S by its key and S by its query. Where q, k and v are not linear in the residual stream
 * (biases, LayerNorm's bias, learned positions), the linear part of v, k or q stands there (docs/method.md section 11).
 */
function openLinearParts(space: GradientSpace): (place: Place) => BlockMatrices {
  const { workspace } = space;
  let allocated: GPUBuffer | undefined;
  const { config } = workspace;
  const layers = Array.from({ length: config.layers }, (_, layer) => layer);
  const parts = layers.some((layer) => hasConstants(config, layer)) ? allocateParts(space) : undefined;
  return (place) => {
    const scores = allocated ??= workspace.adopt(
      workspace.device.allocate(scoreBlockBytes(workspace), "attention scores"),
    );
    const { layer, attention: { scale } } = place.weights;
    const { blocks } = blockOf(config, layer).attention;
    const [ofAll, ofTarget] = [workspace.blockSlots(), space.blockSlots()];
    const common = { probability: slot(ofAll, PROBABILITY), scoreGradient: slot(ofTarget, SCORES), scores, scale };
    if (!parts || !hasConstants(config, layer)) {
      return {
        ...common,
        probabilityGradient: slot(ofTarget, PROBABILITY),
        queryScores: scores,
        record(block, rule) {
          if (rule === "attnlrp") blocks.scores(workspace, place, block, scores);
        },
      };
    }
    const { projections, rotated, probabilityGradient, queryScores } = parts;
    recordLinearParts(space, place, projections, rotated);
    return {
      ...common,
      probabilityGradient,
      queryScores,
      record(block, rule) {
        blocks.valueGradients(space, block, projections, probabilityGradient);
        if (rule === "cplrp") return;
        blocks.scores(workspace, place, block, scores, { key: rotated });
        blocks.scores(workspace, place, block, queryScores, { query: rotated });
      },
    };
  };
}

function allocateParts({ workspace }: GradientSpace) {
  const { device, config } = workspace;
  const widths = headWidths(config);
  const block = (label: string) => workspace.adopt(device.allocate(scoreBlockBytes(workspace), label));
  return {
    projections: workspace.allocate(widths.queryKeyValue, "linear parts of q, k and v"),
    rotated: workspace.allocate(widths.rotated, "linear parts of rotated q and k"),
    probabilityGradient: block("gradients of attention probabilities by linear parts"),
    queryScores: block("attention scores by linear parts of q"),
  };
}

/** Records q, k and v, and q and k rotated, without what they are for a residual stream of 0; scales of norms are kept. */
function recordLinearParts(
  { workspace }: GradientSpace,
  place: Place,
  projections: GPUBuffer,
  rotated: GPUBuffer,
): void {
  const { attentionIn, queryKeyValue, heads } = blockOf(workspace.config, place.weights.layer);
  const { node } = place.state;
  const normed = attentionIn ? slot(workspace, "hidden") : node;
  attentionIn?.linear(workspace, place, node, normed);
  queryKeyValue.linear(workspace, place, normed, projections);
  heads.linear(workspace, place, projections, rotated);
}

/** Bytes of the largest block of scores of a pass. */
function scoreBlockBytes({ config, scoreBlocks }: Workspace): number {
  const all = config.attention.flatMap((layer) => scoreBlocks(layer));
  return Math.max(...all.map(({ queries, keys }) => config.heads * panelBytes(queries, keys)));
}

function targetsIn({ firstQuery, queries }: PlacedBlock, targets: readonly number[]): number[] {
  return targets.filter((token) => token >= firstQuery && token < firstQuery + queries);
}

function allocateBuffers({ workspace }: GradientSpace, limits: TileLimits): Buffers {
  const { device, config, rows } = workspace;
  const lists = [...new Map(config.attention.map((layer) => [layer.window, workspace.scoreBlocks(layer)])).values()];
  const own = (bytes: number, label: string) => workspace.adopt(device.allocate(bytes, label));
  const all = lists.flat();
  const largest = Math.max(...all.map(edgeBytes));
  const keeping = lists.filter((list) => sum(list.map(edgeBytes)) <= Math.max(limits.hostBytes, limits.keptBytes));
  const tiles = Array.from({ length: Math.max(1, ...keeping.map(({ length }) => length)) }, (_, index) => {
    const sizes = keeping.flatMap((list) => list[index] ? [edgeBytes(list[index])] : []);
    const single = index === 0 && keeping.length < lists.length ? largest : 0;
    return own(Math.max(single, ...sizes), "a tile of edges");
  });
  const onDevice = lists.some((list) => sum(list.map(edgeBytes)) > limits.hostBytes);
  const capacity = Math.max(
    largest / 4,
    Math.min(EMITTED_EDGES, Math.max(...lists.map((l) => sum(l.map(edgeBytes)))) / 4),
  );
  return {
    tiles,
    residual: own(rows * 4, "residual relevance"),
    flags: own(rows * 4, "flags of targets"),
    histogram: own(onDevice ? HISTOGRAM_BYTES : 16, "histogram of edges"),
    counters: own(counterBytes(rows), "counters of edges"),
    emitted: onDevice ? own(capacity * EDGE_WORDS * 4, "edges above the threshold") : undefined,
    capacity,
  };
}

function writeFlags(
  device: Device,
  flags: GPUBuffer,
  rows: number,
  targets: readonly number[],
  reached: Uint8Array | undefined,
): void {
  const words = new Uint32Array(rows);
  for (const token of targets) words[token] = WANTED | (reached?.[token] ? REACHED : 0);
  device.write(flags, 0, words);
}

/** Whole rows of edges, read back. */
async function readRows(
  device: Device,
  blocks: readonly PlacedBlock[],
  tileOf: (block: PlacedBlock) => GPUBuffer,
  targets: readonly number[],
): Promise<EdgeRow[]> {
  const rows: EdgeRow[] = [];
  for (const block of blocks) {
    const values = new Float32Array(await device.read(tileOf(block), 0, edgeBytes(block)));
    for (const target of targetsIn(block, targets)) rows.push(readEdgeRow(values, block, target));
  }
  return rows;
}

function readEdgeRow(tile: Float32Array, { firstQuery, firstKey, keys }: PlacedBlock, target: number): EdgeRow {
  const weights = new Float32Array(target + 1);
  for (let source = firstKey; source <= target; source++) {
    weights[source] = tile[panelIndex(target - firstQuery, source - firstKey, keys)] as number;
  }
  return { target, weights };
}

interface EmitArguments {
  readonly device: Device;
  readonly buffers: Buffers;
  readonly blocks: readonly PlacedBlock[];
  /** The tile of a block, recorded again where it was not kept. */
  readonly tile: (block: PlacedBlock) => GPUBuffer;
  readonly rows: number;
  readonly targets: readonly number[];
  readonly mass: number;
  readonly pendingEdges: number;
  readonly above: Above;
}

/** The second pass: the histogram gives the bin of the threshold, the edges from there on are emitted and read. */
async function emit(
  { device, buffers, blocks, tile, rows, targets, mass, pendingEdges, above }: EmitArguments,
): Promise<Reduced> {
  const { histogram, counters, flags, capacity } = buffers;
  const out = buffers.emitted as GPUBuffer;
  const counted = readHistogram(await device.read(histogram, 0, HISTOGRAM_BYTES));
  const found = massBin(counted, mass);
  writeFlags(device, flags, rows, targets, above.reached);
  const expected = found.countAbove + (counted.counts[found.bin] as number);
  let { floor } = above;
  let parts: Edges[] = [];
  let pending = 0;
  let reaching = 0;
  const marks = new Uint8Array(above.reached.length);
  const aboveBin = (edges: Edges) => filterEdges(edges, (edge) => binOf(bitsOf(edges)[edge] as number) !== found.bin);
  const collect = async () => {
    const read = readCounters(await device.read(counters, 0, counterBytes(rows)));
    if (read.emitted > capacity) throw new Error(`${read.emitted} edges emitted where ${capacity} fit`);
    reaching += read.reaching;
    for (let token = 0; token < marks.length; token++) if (read.marks[token]) marks[token] = 1;
    for (let first = 0; first < read.emitted; first += READ_EDGES) {
      const count = Math.min(READ_EDGES, read.emitted - first);
      const edges = readEmitted(await device.read(out, first * EDGE_WORDS * 4, count * EDGE_WORDS * 4));
      parts.push(edges);
      pending += count;
      if (pending < pendingEdges) continue;
      // Those of the threshold's bin stay until the threshold is known.
      floor = above.floorWith(parts.map(aboveBin));
      parts = [joinEdges(parts.map((part) => {
        const bits = bitsOf(part);
        return filterEdges(
          part,
          (edge) => binOf(bits[edge] as number) === found.bin || Math.abs(part.weights[edge] as number) > floor,
        );
      }))];
      pending = 0;
    }
    device.clear(counters);
  };
  device.clear(counters);
  let waiting = 0;
  for (const block of blocks) {
    const most = Math.min(expected, edgeBytes(block) / 4);
    if (expected > capacity && waiting + most > capacity) {
      await collect();
      waiting = 0;
    }
    emitEdges(device, block, tile(block), flags, { counters, out, capacity, bin: found.bin, floor });
    waiting += most;
  }
  await collect();
  return finishEmitted(joinEdges(parts), found, { reaching, marks, reached: above.reached, floor });
}

/** The exact threshold, out of its bin's edges, and what stays. */
function finishEmitted(
  emitted: Edges,
  found: MassBin,
  { reaching, marks, reached, floor }: Pick<EmittedEdges, "reaching" | "marks" | "reached" | "floor">,
): Reduced {
  const bits = bitsOf(emitted);
  const inBin = Float32Array.from(
    emitted.weights.filter((_, edge) => binOf(bits[edge] as number) === found.bin),
    Math.abs,
  );
  const threshold = thresholdIn(inBin, found);
  return reduceEmitted(orderEdges(emitted, marks.length), { found, threshold, reaching, marks, reached, floor });
}

/** The bits of edges' weights. */
const bitsOf = ({ weights }: Edges) => new Uint32Array(weights.buffer, weights.byteOffset, weights.length);

function joinEdges(parts: readonly Edges[]): Edges {
  const count = sum(parts.map(({ weights }) => weights.length));
  const joined = { sources: new Uint32Array(count), targets: new Uint32Array(count), weights: new Float32Array(count) };
  let at = 0;
  for (const { sources, targets, weights } of parts) {
    joined.sources.set(sources, at);
    joined.targets.set(targets, at);
    joined.weights.set(weights, at);
    at += weights.length;
  }
  return joined;
}

/** (ov, qk) of edges, ordered by target, block by block. */
async function splitByHead(
  device: Device,
  blocks: readonly PlacedBlock[],
  edges: Edges,
  record: (block: PlacedBlock, pairs: GPUBuffer, count: number, out: GPUBuffer) => void,
): Promise<Float32Array> {
  const heads = blocks[0]?.heads ?? 0;
  const terms = new Float32Array(edges.weights.length * heads * 2);
  let done = 0;
  for (const block of blocks) {
    let end = done;
    while (end < edges.targets.length && (edges.targets[end] as number) < block.firstQuery + block.queries) end++;
    const count = end - done;
    if (count === 0) continue;
    const pairs = new Uint32Array(count * 2);
    for (let index = 0; index < count; index++) {
      pairs[2 * index] = (edges.targets[done + index] as number) - block.firstQuery;
      pairs[2 * index + 1] = (edges.sources[done + index] as number) - block.firstKey;
    }
    const pairBuffer = device.allocate(pairs.byteLength, "edges to split by head");
    const out = device.allocate(count * heads * 8, "edges split by head");
    try {
      device.write(pairBuffer, 0, pairs);
      record(block, pairBuffer, count, out);
      terms.set(new Float32Array(await device.read(out, 0, count * heads * 8)), done * heads * 2);
    } finally {
      device.free(pairBuffer);
      device.free(out);
    }
    done = end;
  }
  return terms;
}
