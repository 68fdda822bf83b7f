/**
 * The buffers of a pass: several sequences laid one after the other in one matrix of rows. Each sequence starts at a whole
 * panel and has tiles and score blocks of its own, so every sum runs over the same numbers in the same order as when the
 * sequence is alone: packing changes no bit.
 */
import type { Device } from "../device/device.ts";
import { attentionTiling, type TileTable, uploadTiles, type WantedRows } from "../kernels/attention.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { rotationAngles } from "../kernels/rotate.ts";
import type { ScoreBlock } from "../kernels/softmax.ts";
import { headColumns, type ModelConfig } from "../model/config.ts";
import type { Rotation } from "../model/rotary.ts";
import { gradientSlots, scratchSlots, stateSlots } from "./block.ts";
import type { BlockState, GradientSpace, PlacedBlock, Sequence, Slots, Workspace } from "./operation.ts";
import { ATTENDED } from "./operations/heads.ts";
import { PROBABILITY, SCORES, UNCAPPED } from "./operations/score_blocks.ts";

/** Bytes of a block of attention scores over all heads; longer contexts are cut into more blocks. */
const SCORE_BYTES = 64 * 2 ** 20;

/** The rotations of a model's layers. */
export const rotationsOf = ({ attention }: ModelConfig): readonly Rotation[] => [
  ...new Set(attention.map(({ rotation }) => rotation)),
];

/** Where sequences of these lengths lie, and the rows that they take. */
function layOut(lengths: readonly number[]): { readonly sequences: readonly Sequence[]; readonly rows: number } {
  let rows = 0;
  const sequences = lengths.map((length): Sequence => {
    const firstRow = rows;
    rows += panelsOf(length) * PANEL;
    return { firstRow, length };
  });
  return { sequences, rows };
}

/** What a row of a workspace is: its position in a sequence, and the tokens of that sequence. */
export interface RowPlace {
  readonly position: number;
  readonly tokens: number;
}

/** Lays out the sequences, given by their lengths, one after the other and allocates the work space. */
export function openWorkspace(device: Device, config: ModelConfig, lengths: readonly number[]): Workspace {
  const { sequences, rows } = layOut(lengths);
  const last = sequences.at(-1);
  const places = new Array<RowPlace>(rows).fill({ position: 0, tokens: 0 });
  for (const { firstRow, length } of sequences) {
    for (let position = 0; position < length; position++) places[firstRow + position] = { position, tokens: length };
  }
  const usedRows = last ? last.firstRow + last.length : 0;
  return openRows(device, config, { sequences, rows, usedRows, places });
}

/** A work space for rows that belong to no sequence: their attention is the caller's. */
export function openLooseRows(device: Device, config: ModelConfig, places: readonly RowPlace[]): Workspace {
  const rows = panelsOf(places.length) * PANEL;
  return openRows(device, config, { sequences: [], rows, usedRows: places.length, places });
}

interface Layout {
  readonly sequences: readonly Sequence[];
  readonly rows: number;
  readonly usedRows: number;
  /** By row; padding at the end may be left out. */
  readonly places: readonly RowPlace[];
}

function openRows(device: Device, config: ModelConfig, { sequences, rows, usedRows, places }: Layout): Workspace {
  const owned: GPUBuffer[] = [];
  const adopt = (buffer: GPUBuffer) => {
    owned.push(buffer);
    return buffer;
  };
  const allocateBytes = (bytes: number, label: string) => adopt(device.allocate(bytes, label));
  const allocate = (columns: number, label: string) => allocateBytes(panelBytes(rows, columns), label);
  const free = () => owned.forEach((buffer) => device.free(buffer));
  try {
    const angles = uploadAngles(device, config, places, rows, allocateBytes);
    const scratch = scratchSlots(config).map(({ name, label, bytes }) =>
      [name, allocateBytes(bytes(rows), label)] as const
    );
    const states = stateSlots(config);
    return {
      device,
      config,
      rows,
      usedRows,
      sequences,
      positions: places.map(({ position }) => position),
      ...scoresOf(device, config, sequences, allocateBytes),
      slots: new Map(scratch),
      angles: (rotation) => angles.get(rotation) as GPUBuffer,
      allocate,
      adopt,
      blockState: (node): BlockState => ({
        node,
        input: node,
        middle: allocate(config.hidden, "middle rows"),
        slots: new Map(states.map(({ name, label, bytes }) => [name, allocateBytes(bytes(rows), label)])),
      }),
      free,
    };
  } catch (error) {
    free();
    throw error;
  }
}

/**
 * Sequences laid out one after the other in other rows than the work space's own, for attention alone: those rows of
 * which something is wanted. What else there is, is the work space's.
 */
export function layOutWhole(
  workspace: Workspace,
  lengths: readonly number[],
  isWanted: WantedRows,
): Workspace {
  const { device, config, slots, adopt } = workspace;
  const { sequences, rows } = layOut(lengths);
  const last = sequences.at(-1);
  const allocateBytes = (bytes: number, label: string) => adopt(device.allocate(bytes, label));
  const attended = scratchSlots(config).filter(({ name }) => name === ATTENDED);
  return {
    ...workspace,
    rows,
    usedRows: last ? last.firstRow + last.length : 0,
    sequences,
    ...scoresOf(device, config, sequences, allocateBytes, isWanted),
    slots: new Map([
      ...slots,
      ...attended.map(({ name, label, bytes }) => [name, allocateBytes(bytes(rows), label)] as const),
    ]),
  };
}

/** Tiles or blocks of scores in which sequences are attended to. */
function scoresOf(
  device: Device,
  config: ModelConfig,
  sequences: readonly Sequence[],
  allocateBytes: (bytes: number, label: string) => GPUBuffer,
  isWanted: WantedRows = () => true,
): Pick<Workspace, "tiles" | "scoreBlocks" | "blockSlots"> {
  const scoreBlocks = cutByWindow(
    config,
    (window) =>
      sequences.flatMap((sequence, index) =>
        cutScores(config.heads, sequence, window).filter(({ firstQuery, queries }) =>
          isWanted(index, firstQuery, queries)
        )
      ),
  );
  return {
    tiles: sequences.length === 0 ? null : uploadTiles(device, headColumns(config), sequences, allocateBytes, isWanted),
    scoreBlocks: ({ window }) => scoreBlocks.get(window) as PlacedBlock[],
    blockSlots: once(() => [
      [PROBABILITY, allocateBytes(scoreBytes([...scoreBlocks.values()].flat()), "attention probabilities")],
    ]),
  };
}

/** A table of angles for each rotation; padding has position 0. */
function uploadAngles(
  device: Device,
  config: ModelConfig,
  places: readonly RowPlace[],
  rows: number,
  allocate: (bytes: number, label: string) => GPUBuffer,
): ReadonlyMap<Rotation, GPUBuffer> {
  const positions = new Float64Array(rows);
  const tokens = new Float64Array(rows);
  places.forEach((place, row) => {
    positions[row] = place.position;
    tokens[row] = place.tokens;
  });
  const columns = headColumns(config);
  return new Map(
    rotationsOf(config).map((rotation) => {
      const buffer = allocate(rows * columns * 4, "rotation angles");
      device.write(buffer, 0, rotationAngles(positions, rotation, columns, tokens));
      return [rotation, buffer];
    }),
  );
}

/** Slots that are made when they are asked for first. */
function once(make: () => readonly (readonly [string, GPUBuffer])[]): () => Slots {
  let made: Slots | undefined;
  return () => made ??= { slots: new Map(make()) };
}

const scoreBytes = (blocks: readonly ScoreBlock[]) =>
  Math.max(...blocks.map(({ heads, queries, keys }) => heads * panelBytes(queries, keys)));

/** Allocates the work space of a backward pass of all rows, one gradient; freed with the workspace. */
export function openGradientSpace(workspace: Workspace): GradientSpace {
  return allocateGradients(workspace, {
    targets: 1,
    rows: workspace.rows,
    tiles: () => workspace.tiles,
    scoreBlocks: new Map(workspace.config.attention.map((layer) => [layer.window, workspace.scoreBlocks(layer)])),
  });
}

/**
 * Allocates the work space for several targets over the first `rows` rows of a workspace of one sequence. Blocks of scores
 * are those of a single target, so that every sum is that of the target alone.
 */
export function openTargetSpace(workspace: Workspace, targets: number, rows: number): GradientSpace {
  const [sequence, another] = workspace.sequences;
  if (!sequence || another) throw new Error("targets are packed over one sequence");
  const first = { firstRow: 0, length: Math.min(rows, sequence.length) };
  const { config, device } = workspace;
  return allocateGradients(workspace, {
    targets,
    rows,
    tiles: (allocate) => uploadTiles(device, headColumns(config), [first], allocate),
    scoreBlocks: cutByWindow(config, (window) => cutScores(config.heads, first, window)),
  });
}

/** Scores of one head that are computed for a sequence, hidden ones in its blocks or tiles about included. */
export function scoreCells(device: Device, config: ModelConfig, length: number, window: number | null): number {
  const tiling = attentionTiling(device, headColumns(config));
  if (tiling) {
    const seen = Math.min(length, window ?? length) + tiling.rows / 2;
    return seen * (length - seen / 2);
  }
  return cutScores(config.heads, { firstRow: 0, length }, window)
    .reduce((sum, { queries, keys }) => sum + queries * keys, 0);
}

/** Device bytes of the blocks of scores of a GradientSpace for each target of `length` tokens; none where it has tiles. */
export function targetScoreBytes(device: Device, config: ModelConfig, length: number): number {
  if (attentionTiling(device, headColumns(config))) return 0;
  const blocks = cutByWindow(config, (window) => cutScores(config.heads, { firstRow: 0, length }, window));
  return 2 * scoreBytes([...blocks.values()].flat());
}

function allocateGradients(
  workspace: Workspace,
  { targets, rows, tiles, scoreBlocks }: {
    readonly targets: number;
    readonly rows: number;
    readonly tiles: (allocate: (bytes: number, label: string) => GPUBuffer) => TileTable | null;
    readonly scoreBlocks: ReadonlyMap<number | null, readonly PlacedBlock[]>;
  },
): GradientSpace {
  const { device, config } = workspace;
  const owned: GPUBuffer[] = [];
  const allocateBytes = (bytes: number, label: string) => {
    const buffer = workspace.adopt(device.allocate(bytes, label));
    owned.push(buffer);
    return buffer;
  };
  const free = () => owned.forEach((buffer) => device.free(buffer));
  const blockSlots = once(() => {
    const bytes = scoreBytes([...scoreBlocks.values()].flat());
    const isCapped = config.attention.some(({ cap }) => cap !== null);
    return [
      [PROBABILITY, allocateBytes(targets * bytes, "gradients of attention probabilities")],
      [SCORES, allocateBytes(targets * bytes, "gradients of attention scores")],
      ...isCapped ? [[UNCAPPED, allocateBytes(bytes, "attention scores before their cap")] as const] : [],
    ];
  });
  try {
    return {
      workspace,
      targets,
      rows,
      slots: new Map(
        gradientSlots(config).map(({ name, label, bytes }) => [name, allocateBytes(targets * bytes(rows), label)]),
      ),
      tiles: tiles(allocateBytes),
      scoreBlocks: ({ window }) => scoreBlocks.get(window) as readonly PlacedBlock[],
      blockSlots,
      allocate: (columns, label) => allocateBytes(panelBytes(targets * rows, columns), label),
      free,
    };
  } catch (error) {
    free();
    throw error;
  }
}

/** Score blocks for each window that the layers have. */
function cutByWindow(
  { attention }: ModelConfig,
  cut: (window: number | null) => PlacedBlock[],
): ReadonlyMap<number | null, PlacedBlock[]> {
  return new Map([...new Set(attention.map(({ window }) => window))].map((window) => [window, cut(window)]));
}

/** Cuts a sequence's score matrices into blocks of query rows, each with the keys that its queries can see. */
function cutScores(
  headCount: number,
  { firstRow, length }: Sequence,
  window: number | null,
): PlacedBlock[] {
  const blocks: PlacedBlock[] = [];
  for (let firstQuery = 0; firstQuery < length;) {
    const firstKey = window === null ? 0 : Math.floor(Math.max(0, firstQuery + 1 - window) / PANEL) * PANEL;
    let end = Math.min(firstQuery + PANEL, length);
    while (end < length) {
      const next = Math.min(end + PANEL, length);
      // Counted in whole panels: a prefix of a sequence is cut where the sequence is, so their sums are the same.
      if (headCount * panelBytes(next - firstQuery, panelsOf(next) * PANEL - firstKey) > SCORE_BYTES) break;
      end = next;
    }
    // Whole panels of keys: the transposed product reads and writes them so.
    const keys = panelsOf(end) * PANEL - firstKey;
    blocks.push({ heads: headCount, firstRow, firstQuery, queries: end - firstQuery, firstKey, keys, window });
    firstQuery = end;
  }
  return blocks;
}
