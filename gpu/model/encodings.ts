/**
 * How weights are stored: plain numbers, and the block types of GGUF. A block is a formula from bytes to float32: codes of
 * a few bits, and a scale (and an addend) for each group of them. The formulas are ggml's (ggml-quants.c), in float32
 * arithmetic, operation by operation as the `gguf` Python package computes them.
 */

/** What a block's bytes say, before it is computed with. Filled in place, so that millions of blocks share one. */
export interface BlockParts {
  /** [elements], unsigned; the value that stands for zero is the encoding's `zero`. */
  readonly codes: Uint8Array;
  /** The block's own scale, and what scales the addends; float16 bits. */
  scale: number;
  addend: number;
  /** For each group its whole-number factor of `scale` and of `addend`; ones where a block is one group. */
  readonly scales: Int8Array;
  readonly addends: Int8Array;
}

/**
 * A block type. An element is `scale scales[group] (code - zero)`, and `addendSign addend addends[group]` added where
 * there is an addend.
 */
export interface BlockEncoding {
  readonly kind: "block";
  /** Elements and bytes of a block; a row is whole blocks. */
  readonly elements: number;
  readonly bytes: number;
  /** Elements that share a scale. */
  readonly group: number;
  /** Bits of a code, the lower ones first, as the planes in which the device holds them. */
  readonly planes: readonly (1 | 2 | 4 | 8)[];
  readonly zero: number;
  readonly addendSign: 1 | -1 | null;
  /** Reads the block that begins at a byte. */
  readonly read: (bytes: Uint8Array, at: number, parts: BlockParts) => void;
}

/** Elements that stand alone, as IEEE or brain floats. */
export interface PlainEncoding {
  readonly kind: "plain";
  readonly elements: 1;
  readonly bytes: 2 | 4;
  /** All bits of the exponent: infinite or not a number. */
  readonly exponent: number;
  readonly toNumber: (bits: number) => number;
}

export type Encoding = BlockEncoding | PlainEncoding;

const word = new Uint32Array(1);
const wordAsFloat = new Float32Array(word.buffer);

function floatOf(bits: number): number {
  word[0] = bits;
  return wordAsFloat[0] as number;
}

/** An IEEE half's bits as a number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | bytes[at + 1]! << 8;

/** 32 codes of 4 bits in 16 bytes: the lower halves, then the upper ones. */
function readNibbles(bytes: Uint8Array, at: number, codes: Uint8Array): void {
  for (let i = 0; i < 16; i++) {
    const byte = bytes[at + i]!;
    codes[i] = byte & 15;
    codes[i + 16] = byte >> 4;
  }
}

/** The fifth bits of 32 codes, in 4 bytes. */
function addFifthBits(bytes: Uint8Array, at: number, codes: Uint8Array): void {
  for (let i = 0; i < 32; i++) codes[i]! |= (bytes[at + (i >> 3)]! >> (i & 7) & 1) << 4;
}

/** The scales and addends of Q4_K and Q5_K: 8 of 6 bits each in 12 bytes. */
function readScalesAndAddends(bytes: Uint8Array, at: number, { scales, addends }: BlockParts): void {
  for (let i = 0; i < 4; i++) {
    const [first, second, third] = [bytes[at + i]!, bytes[at + 4 + i]!, bytes[at + 8 + i]!];
    scales[i] = first & 63;
    addends[i] = second & 63;
    scales[i + 4] = third & 15 | first >> 2 & 48;
    addends[i + 4] = third >> 4 | second >> 2 & 48;
  }
}

/** 256 codes of 4 bits in 128 bytes: of each 32 bytes the lower halves, then the upper ones. */
function readLongNibbles(bytes: Uint8Array, at: number, codes: Uint8Array): void {
  for (let i = 0; i < 128; i++) {
    const byte = bytes[at + i]!;
    const to = (i >> 5) * 64 + (i & 31);
    codes[to] = byte & 15;
    codes[to + 32] = byte >> 4;
  }
}

/** 256 codes of 2 bits in 64 bytes: of each 32 bytes four times 32. */
function readPairs(bytes: Uint8Array, at: number, codes: Uint8Array): void {
  for (let i = 0; i < 64; i++) {
    const byte = bytes[at + i]!;
    const to = (i >> 5) * 128 + (i & 31);
    for (let part = 0; part < 4; part++) codes[to + 32 * part] = byte >> 2 * part & 3;
  }
}

/** One more bit of 256 codes in 32 bytes: bit n of a byte belongs to the n-th 32 codes. */
function addTransposedBits(bytes: Uint8Array, at: number, codes: Uint8Array, bit: number): void {
  for (let i = 0; i < 256; i++) codes[i]! |= (bytes[at + (i & 31)]! >> (i >> 5) & 1) << bit;
}

function readQ2K(bytes: Uint8Array, at: number, parts: BlockParts): void {
  for (let i = 0; i < 16; i++) {
    parts.scales[i] = bytes[at + i]! & 15;
    parts.addends[i] = bytes[at + i]! >> 4;
  }
  readPairs(bytes, at + 16, parts.codes);
  parts.scale = u16(bytes, at + 80);
  parts.addend = u16(bytes, at + 82);
}

function readQ3K(bytes: Uint8Array, at: number, parts: BlockParts): void {
  readPairs(bytes, at + 32, parts.codes);
  addTransposedBits(bytes, at, parts.codes, 2);
  for (let i = 0; i < 16; i++) {
    const low = bytes[at + 96 + (i & 7)]! >> 4 * (i >> 3) & 15;
    const high = bytes[at + 104 + (i & 3)]! >> 2 * (i >> 2) & 3;
    parts.scales[i] = (low | high << 4) - 32;
  }
  parts.scale = u16(bytes, at + 108);
}

function readQ6K(bytes: Uint8Array, at: number, parts: BlockParts): void {
  for (let i = 0; i < 256; i++) {
    // Of each 128 codes: 64 bytes hold their lower 4 bits, first those of 64, then of 64; 32 bytes their upper 2.
    const half = i >> 7;
    const within = i & 127;
    const low = bytes[at + half * 64 + (within & 63)]! >> 4 * (within >> 6) & 15;
    const high = bytes[at + 128 + half * 32 + (within & 31)]! >> 2 * (within >> 5) & 3;
    parts.codes[i] = low | high << 4;
  }
  for (let i = 0; i < 16; i++) parts.scales[i] = bytes[at + 192 + i]! << 24 >> 24;
  parts.scale = u16(bytes, at + 208);
}

const plain = (bytes: 2 | 4, exponent: number, toNumber: (bits: number) => number): PlainEncoding => ({
  kind: "plain",
  elements: 1,
  bytes,
  exponent,
  toNumber,
});

const block = (encoding: Omit<BlockEncoding, "kind">): BlockEncoding => ({ kind: "block", ...encoding });

/** Blocks of 32, which are one group. */
const short = (
  bytes: number,
  planes: BlockEncoding["planes"],
  zero: number,
  addendSign: 1 | null,
  read: BlockEncoding["read"],
): BlockEncoding => block({ elements: 32, bytes, group: 32, planes, zero, addendSign, read });

/** Every encoding of weights that is read, by the name that files give it. */
export const ENCODINGS = {
  F32: plain(4, 0x7f800000, floatOf),
  BF16: plain(2, 0x7f80, (bits) => floatOf(bits << 16)),
  F16: plain(2, 0x7c00, halfToNumber),
  Q8_0: short(34, [8], 128, null, (bytes, at, parts) => {
    parts.scale = u16(bytes, at);
    for (let i = 0; i < 32; i++) parts.codes[i] = bytes[at + 2 + i]! ^ 128;
  }),
  Q4_0: short(18, [4], 8, null, (bytes, at, parts) => {
    parts.scale = u16(bytes, at);
    readNibbles(bytes, at + 2, parts.codes);
  }),
  Q4_1: short(20, [4], 0, 1, (bytes, at, parts) => {
    parts.scale = u16(bytes, at);
    parts.addend = u16(bytes, at + 2);
    readNibbles(bytes, at + 4, parts.codes);
  }),
  Q5_0: short(22, [4, 1], 16, null, (bytes, at, parts) => {
    parts.scale = u16(bytes, at);
    readNibbles(bytes, at + 6, parts.codes);
    addFifthBits(bytes, at + 2, parts.codes);
  }),
  Q5_1: short(24, [4, 1], 0, 1, (bytes, at, parts) => {
    parts.scale = u16(bytes, at);
    parts.addend = u16(bytes, at + 2);
    readNibbles(bytes, at + 8, parts.codes);
    addFifthBits(bytes, at + 4, parts.codes);
  }),
  Q2_K: block({ elements: 256, bytes: 84, group: 16, planes: [2], zero: 0, addendSign: -1, read: readQ2K }),
  Q3_K: block({ elements: 256, bytes: 110, group: 16, planes: [2, 1], zero: 4, addendSign: null, read: readQ3K }),
  Q4_K: block({
    elements: 256,
    bytes: 144,
    group: 32,
    planes: [4],
    zero: 0,
    addendSign: -1,
    read: (bytes, at, parts) => {
      parts.scale = u16(bytes, at);
      parts.addend = u16(bytes, at + 2);
      readScalesAndAddends(bytes, at + 4, parts);
      readLongNibbles(bytes, at + 16, parts.codes);
    },
  }),
  Q5_K: block({
    elements: 256,
    bytes: 176,
    group: 32,
    planes: [4, 1],
    zero: 0,
    addendSign: -1,
    read: (bytes, at, parts) => {
      parts.scale = u16(bytes, at);
      parts.addend = u16(bytes, at + 2);
      readScalesAndAddends(bytes, at + 4, parts);
      readLongNibbles(bytes, at + 48, parts.codes);
      addTransposedBits(bytes, at + 16, parts.codes, 4);
    },
  }),
  Q6_K: block({ elements: 256, bytes: 210, group: 16, planes: [4, 2], zero: 32, addendSign: null, read: readQ6K }),
} as const satisfies Readonly<Record<string, Encoding>>;

export type EncodingName = keyof typeof ENCODINGS;
export type BlockEncodingName = {
  [Name in EncodingName]: (typeof ENCODINGS)[Name] extends BlockEncoding ? Name : never;
}[EncodingName];

export function isEncoding(dtype: string): dtype is EncodingName {
  return Object.hasOwn(ENCODINGS, dtype);
}

export function isBlockEncoding(dtype: string): dtype is BlockEncodingName {
  return isEncoding(dtype) && ENCODINGS[dtype].kind === "block";
}

/** The encoding of a dtype that `isEncoding` knows. */
export const encodingOf = (name: EncodingName): Encoding => ENCODINGS[name];

/** Bytes of a row of so many elements; a row of a block type is whole blocks. */
export function rowBytes(name: EncodingName, columns: number): number {
  const { elements, bytes } = ENCODINGS[name];
  return columns / elements * bytes;
}

/** Room for the parts of a block. */
export function openBlock({ elements, group }: BlockEncoding): BlockParts {
  const groups = elements / group;
  return {
    codes: new Uint8Array(elements),
    scale: 0,
    addend: 0,
    scales: new Int8Array(groups).fill(1),
    addends: new Int8Array(groups).fill(1),
  };
}

/**
 * Whole rows (or blocks) of an encoding as float32 numbers, `target.length` of them. NaN and infinite ones come out as
 * they are.
 */
export function expand(name: EncodingName, bytes: Uint8Array, target: Float32Array): void {
  const encoding: Encoding = ENCODINGS[name];
  if (encoding.kind === "plain") {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < target.length; i++) {
      target[i] = encoding.toNumber(encoding.bytes === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true));
    }
    return;
  }
  const parts = openBlock(encoding);
  for (let first = 0, at = 0; first < target.length; first += encoding.elements, at += encoding.bytes) {
    encoding.read(bytes, at, parts);
    expandBlock(encoding, parts, target, first);
  }
}

function expandBlock(
  { elements, group, zero, addendSign }: BlockEncoding,
  parts: BlockParts,
  target: Float32Array,
  first: number,
): void {
  const { codes, scales, addends } = parts;
  const scale = halfToNumber(parts.scale);
  const addend = addendSign === null ? 0 : halfToNumber(parts.addend);
  for (let start = 0, index = 0; start < elements; start += group, index++) {
    const factor = Math.fround(scale * scales[index]!);
    const added = Math.fround(addend * addends[index]!);
    for (let i = start; i < start + group; i++) {
      const product = Math.fround(factor * (codes[i]! - zero));
      target[first + i] = addendSign === null ? product : addendSign === 1 ? product + added : product - added;
    }
  }
}
