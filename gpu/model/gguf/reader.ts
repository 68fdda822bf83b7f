/** Reads the numbers and texts of a GGUF header one after another from disk, in pieces: a header is never held whole. */
import { readSync } from "node:fs";
import { InputError } from "../../errors.ts";

/** A value of the metadata; 64-bit integers that a number cannot hold are refused. */
export type GgufValue = number | boolean | string | GgufArray;
export type GgufArray = readonly GgufValue[];

export interface HeaderReader {
  u32(what: string): number;
  /** A 64-bit unsigned integer up to `most`. Throws InputError naming `what`. */
  count(what: string, most: number): number;
  text(what: string, mostBytes: number): string;
  /** A type and the value of it. */
  value(what: string): GgufValue;
  /** Bytes read so far. */
  position(): number;
}

const PIECE_BYTES = 2 ** 18;
/** Chat templates and tokenizers' tables come nowhere near. */
export const MOST_TEXT_BYTES = 2 ** 24;
const MOST_ITEMS = 2 ** 22;
const MOST_DEPTH = 3;
const MOST_HEADER_BYTES = 2 ** 28;
export const NEW_COPY = "download or convert the file again";

type Scalar = { readonly bytes: number; readonly read: (view: DataView, at: number) => number | bigint };

const SCALARS: Readonly<Record<number, Scalar>> = {
  0: { bytes: 1, read: (view, at) => view.getUint8(at) },
  1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  2: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  3: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  4: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  5: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  6: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  10: { bytes: 8, read: (view, at) => view.getBigUint64(at, true) },
  11: { bytes: 8, read: (view, at) => view.getBigInt64(at, true) },
  12: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;

/** The fewest bytes that one value of a type takes. */
const leastBytes = (type: number): number => SCALARS[type]?.bytes ?? (type === BOOL ? 1 : type === STRING ? 8 : 12);

/** Reads from the start of an open file of so many bytes. */
export function openHeader(descriptor: number, fileBytes: number, path: string): HeaderReader {
  let piece = new DataView(new ArrayBuffer(0));
  let pieceStart = 0;
  let position = 0;

  const fail = (what: string, mend = NEW_COPY): never => {
    throw new InputError(what, path, mend);
  };

  /** Makes `bytes` from the position on lie in the piece; gives where. */
  function need(bytes: number, what: string): number {
    if (position + bytes > MOST_HEADER_BYTES) fail(`has a header of more than ${MOST_HEADER_BYTES} bytes`);
    if (position + bytes > fileBytes) fail(`ends inside ${what}: the file has only ${fileBytes} bytes`);
    if (position < pieceStart || position + bytes > pieceStart + piece.byteLength) {
      const next = new Uint8Array(Math.min(Math.max(bytes, PIECE_BYTES), fileBytes - position));
      let done = 0;
      while (done < next.length) {
        const count = readSync(descriptor, next, done, next.length - done, position + done);
        if (count === 0) fail(`ends inside ${what}, though it was longer when opened`);
        done += count;
      }
      piece = new DataView(next.buffer);
      pieceStart = position;
    }
    const at = position - pieceStart;
    position += bytes;
    return at;
  }

  function u32(what: string): number {
    const at = need(4, what);
    return piece.getUint32(at, true);
  }

  function count(what: string, most: number): number {
    const at = need(8, what);
    const value = piece.getBigUint64(at, true);
    if (value > BigInt(most)) fail(`${what} is ${value}, of ${most} at most`);
    return Number(value);
  }

  function text(what: string, mostBytes: number): string {
    const bytes = count(`the length of ${what}`, mostBytes);
    const at = need(bytes, what);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        .decode(new Uint8Array(piece.buffer, at, bytes));
    } catch {
      return fail(`${what} is not valid UTF-8`);
    }
  }

  function scalar({ bytes, read }: Scalar, what: string): number {
    const at = need(bytes, what);
    const value = read(piece, at);
    if (typeof value === "number") return value;
    if (BigInt.asIntN(53, value) !== value) fail(`${what} is ${value}, more than a number holds exactly`);
    return Number(value);
  }

  function typed(type: number, what: string, depth: number): GgufValue {
    const known = SCALARS[type];
    if (known) return scalar(known, what);
    if (type === STRING) return text(what, MOST_TEXT_BYTES);
    if (type === BOOL) {
      const at = need(1, what);
      const byte = piece.getUint8(at);
      return byte > 1 ? fail(`${what} is ${byte}, neither true nor false`) : byte === 1;
    }
    if (type !== ARRAY) return fail(`${what} has the unknown value type ${type}`);
    if (depth >= MOST_DEPTH) return fail(`${what} is a list inside lists, deeper than ${MOST_DEPTH}`);
    const itemType = u32(what);
    // Said before anything is made: a length that the rest of the file cannot hold must cost nothing.
    const most = Math.min(MOST_ITEMS, Math.floor((fileBytes - position) / leastBytes(itemType)));
    const length = count(`the length of ${what}`, most);
    const items: GgufValue[] = [];
    for (let index = 0; index < length; index++) items.push(typed(itemType, what, depth + 1));
    return items;
  }

  return { u32, count, text, value: (what) => typed(u32(what), what, 0), position: () => position };
}
