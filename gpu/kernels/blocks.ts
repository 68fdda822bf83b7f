/**
 * Weights that stay in their blocks on the device (gpu/model/encodings.ts), in panels of 16 rows as all matrices, so that
 * kernels read four neighbours of a row, along either dimension. A panel is one block of each of its rows after another;
 * such a strip of 16 blocks is
 *
 *     the blocks' scales, and addends where there are some: float16, two rows a word
 *     where a block has several groups, for each group the rows' factors of them: a byte each, four rows a word
 *     for each plane of bits [chunks of 4 columns][4 times 4 rows]: the codes' bits of 4 rows x 4 columns
 *
 * Codes of 8 bits take a word a row, those of 4 half a word, of 2 a byte, of 1 half a byte. So a weight takes no more
 * than it does in the file, but for Q4_K and Q5_K, whose factors of 6 bits take a byte.
 */
import {
  type BlockEncoding,
  type BlockEncodingName,
  type BlockParts,
  ENCODINGS,
  openBlock,
} from "../model/encodings.ts";
import type { Constants } from "../device/source.ts";

/** Rows of a panel, and of the smaller groups whose bits share words. */
const PANEL = 16;
const ROWS = 4;

/** Words where the parts of a strip begin, and of all of it. */
interface Strip {
  readonly encoding: BlockEncoding;
  readonly addends: number;
  readonly factors: number;
  /** By bits of a plane. */
  readonly planes: ReadonlyMap<number, number>;
  readonly words: number;
}

const strips = new Map<BlockEncodingName, Strip>();

function stripOf(type: BlockEncodingName): Strip {
  const known = strips.get(type);
  if (known) return known;
  const encoding: BlockEncoding = ENCODINGS[type];
  const perRow = encoding.addendSign === null ? 1 : 2;
  const groups = encoding.elements / encoding.group;
  const addends = PANEL / 2;
  const factors = perRow * PANEL / 2;
  let words = factors + (groups > 1 ? perRow * groups * PANEL / 4 : 0);
  const planes = new Map<number, number>();
  for (const bits of encoding.planes) {
    planes.set(bits, words);
    words += encoding.elements * PANEL * bits / 32;
  }
  const strip = { encoding, addends, factors, planes, words };
  strips.set(type, strip);
  return strip;
}

/** Bytes of a [rows, columns] matrix; a row is whole blocks. */
export function blockBytes(rows: number, columns: number, type: BlockEncodingName): number {
  const { encoding, words } = stripOf(type);
  return Math.ceil(rows / PANEL) * columns / encoding.elements * words * 4;
}

/** What blocks.inc.wgsl needs to know of a type. */
export function blockConstants(type: BlockEncodingName): Constants {
  const { encoding, addends, factors, planes, words } = stripOf(type);
  const groups = encoding.elements / encoding.group;
  const plane = (bits: number) => ({
    [`P${bits}`]: planes.has(bits) ? "yes" : "no",
    [`P${bits}_AT`]: planes.get(bits) ?? 0,
  });
  let shift = 0;
  const shifts: Record<string, number> = {};
  for (const bits of encoding.planes) {
    shifts[`P${bits}_SHIFT`] = shift;
    shift += bits;
  }
  return {
    STRIP_WORDS: words,
    BLOCK_CHUNKS: encoding.elements / 4,
    GROUP_CHUNKS: encoding.group / 4,
    GROUPS: groups,
    FACTORS: groups > 1 ? "yes" : "no",
    ADDEND: encoding.addendSign === null ? "no" : encoding.addendSign === 1 ? "plus" : "minus",
    ADDENDS_AT: addends,
    FACTORS_AT: factors,
    ADDEND_FACTORS_AT: factors + groups * PANEL / 4,
    ZERO: encoding.zero,
    ...plane(8),
    ...plane(4),
    ...plane(2),
    ...plane(1),
    P8_SHIFT: 0,
    P4_SHIFT: 0,
    P2_SHIFT: 0,
    P1_SHIFT: 0,
    ...shifts,
  };
}

/**
 * Packs rows of blocks as they lie in the file, [rows, columns], into `packed`, which must be zeroed. `refuse` is called
 * for a block whose scale or addend is infinite or no number.
 */
export function packBlocks(
  type: BlockEncodingName,
  source: Uint8Array,
  rows: number,
  columns: number,
  packed: Uint32Array,
  refuse: (row: number, column: number) => never,
): void {
  const strip = stripOf(type);
  const { encoding, words } = strip;
  const blocks = columns / encoding.elements;
  const parts = openBlock(encoding);
  for (let row = 0, from = 0; row < rows; row++) {
    const panel = Math.floor(row / PANEL) * blocks * words;
    for (let block = 0; block < blocks; block++, from += encoding.bytes) {
      encoding.read(source, from, parts);
      const infinite = (parts.scale & 0x7c00) === 0x7c00 ||
        encoding.addendSign !== null && (parts.addend & 0x7c00) === 0x7c00;
      if (infinite) refuse(row, block * encoding.elements);
      packBlock(strip, parts, packed, panel + block * words, row % PANEL);
    }
  }
}

/** Writes one row's block into a strip that begins at word `at`. */
function packBlock(
  { encoding, addends, factors, planes }: Strip,
  parts: BlockParts,
  packed: Uint32Array,
  at: number,
  row: number,
) {
  const { codes, scales } = parts;
  const half = row >> 1;
  packed[at + half]! |= parts.scale << 16 * (row & 1);
  if (encoding.addendSign !== null) packed[at + addends + half]! |= parts.addend << 16 * (row & 1);
  if (scales.length > 1) {
    const quarter = row >> 2;
    const shift = 8 * (row & 3);
    for (let group = 0; group < scales.length; group++) {
      packed[at + factors + group * PANEL / 4 + quarter]! |= (scales[group]! & 255) << shift;
      if (encoding.addendSign === null) continue;
      packed[at + factors + (scales.length + group) * PANEL / 4 + quarter]! |= (parts.addends[group]! & 255) << shift;
    }
  }
  let low = 0;
  for (const bits of encoding.planes) {
    packPlane(codes, low, bits, packed, at + planes.get(bits)!, row);
    low += bits;
  }
}

function packPlane(codes: Uint8Array, low: number, bits: number, packed: Uint32Array, at: number, row: number): void {
  const mask = (1 << bits) - 1;
  // Bits of 4 rows x 4 columns follow each other: those of a row are 4 neighbours of `bits` bits.
  const firstBit = (row >> 2) * 16 * bits + (row & 3) * 4 * bits;
  for (let chunk = 0; chunk < codes.length / 4; chunk++) {
    const bit = planeBit(chunk, firstBit, bits);
    const shift = bit & 31;
    const i = 4 * chunk;
    const four = (codes[i]! >> low & mask) | (codes[i + 1]! >> low & mask) << bits |
      (codes[i + 2]! >> low & mask) << 2 * bits | (codes[i + 3]! >> low & mask) << 3 * bits;
    packed[at + (bit >> 5)]! |= four << shift;
  }
}

/** The bit of a plane where four codes of a row begin. Single bits of two neighbouring chunks share a word. */
function planeBit(chunk: number, firstBit: number, bits: number): number {
  if (bits > 1) return chunk * PANEL * 4 * bits + firstBit;
  const rows = Math.floor(firstBit / (ROWS * 4));
  return ((chunk >> 1) * (PANEL / ROWS) + rows) * 32 + (chunk & 1) * 16 + firstBit % (ROWS * 4);
}
