/**
 * How a file comes, told by its first bytes and never by its name: packed with gzip, in UTF-16, as lines, as a list, or
 * as one value. Whoever reads records gets them as UTF-8; what is no text at all is named.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { InputError } from "../../gpu/mod.ts";
import { parseJsonText } from "./json_text.ts";
import { MAX_LINE_BYTES } from "./text_lines.ts";

/** How a file is cut into records. */
export type Cut = "lines" | "elements" | "whole";

/** How text is packed and written. */
export interface TextContainer {
  readonly kind: "text";
  readonly gzip: boolean;
  readonly encoding: "utf-8" | "utf-16le" | "utf-16be";
}

/** Files that hold no text: some formats read them by themselves. */
export type BinaryKind = "zip" | "parquet" | "zstd" | "xz" | "bzip2" | "arrow";

export type Container = TextContainer | { readonly kind: BinaryKind };

const PIECE_BYTES = 1 << 18;
/** Bytes that tell how a file comes. */
const HEAD_BYTES = 16;
/** Largest file that is read as one record, in bytes. */
export const MAX_WHOLE_BYTES = 64 << 20;

const SIGNATURES: readonly (readonly [BinaryKind, readonly number[]])[] = [
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  ["parquet", [0x50, 0x41, 0x52, 0x31]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["arrow", [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31]],
];

/** Looks at a file's first bytes. Throws InputError when it cannot be read, or is no whole gzip file. */
export async function containerOf(path: string, name: string): Promise<Container> {
  const head = await headOf(path);
  const binary = SIGNATURES.find(([, signature]) => signature.every((byte, at) => head[at] === byte));
  if (binary) return { kind: binary[0] };
  if (head[0] !== 0x1f || head[1] !== 0x8b) return { kind: "text", gzip: false, encoding: encodingOf(head) };
  for await (const piece of unpacked(path, name)) {
    return { kind: "text", gzip: true, encoding: encodingOf(piece.subarray(0, HEAD_BYTES)) };
  }
  return { kind: "text", gzip: true, encoding: "utf-8" };
}

async function headOf(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const head = new Uint8Array(HEAD_BYTES);
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** UTF-16 is told by its mark, or by the zero beside the first character, which is ASCII in JSON. */
function encodingOf([first, second]: Uint8Array): TextContainer["encoding"] {
  if ((first === 0xff && second === 0xfe) || (first !== 0 && second === 0)) return "utf-16le";
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== undefined && second !== 0)) return "utf-16be";
  return "utf-8";
}

/** The text as UTF-8, in pieces that hold until the next one is asked for. Throws InputError for a broken gzip file. */
export async function* readPieces(path: string, name: string, container: TextContainer): AsyncGenerator<Uint8Array> {
  const { gzip, encoding } = container;
  const bytes = gzip ? unpacked(path, name) : plain(path);
  if (encoding === "utf-8") {
    yield* bytes;
    return;
  }
  const decoder = new TextDecoder(encoding);
  const encoder = new TextEncoder();
  for await (const piece of bytes) yield encoder.encode(decoder.decode(piece, { stream: true }));
  const rest = encoder.encode(decoder.decode());
  if (rest.length > 0) yield rest;
}

/** Bytes of the text as UTF-8: of packed files and UTF-16 only reading tells. Counting stops beyond `limit`. */
export async function textBytes(path: string, name: string, container: TextContainer, limit: number): Promise<number> {
  let bytes = 0;
  for await (const piece of readPieces(path, name, container)) {
    bytes += piece.length;
    if (bytes > limit) break;
  }
  return bytes;
}

async function* plain(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path);
  try {
    const piece = new Uint8Array(PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, null);
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function* unpacked(path: string, name: string): AsyncGenerator<Uint8Array> {
  const packed = createReadStream(path, { highWaterMark: PIECE_BYTES });
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES });
  // An error of reading would be nobody's else.
  packed.on("error", (error) => gunzip.destroy(error));
  try {
    for await (const piece of packed.pipe(gunzip)) yield piece as Uint8Array;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (typeof code !== "string" || !code.startsWith("Z_")) throw error;
    throw new InputError("it is no whole gzip file", name, "download it again, or unpack it");
  } finally {
    packed.destroy();
    gunzip.destroy();
  }
}

/** What may stand before a value, beside spaces: the byte order mark. */
const MARK = "\uFEFF";

/**
 * How text is cut into records, by its beginning: a list by its elements, one value that takes several lines (or is all
 * of a file) as a whole, everything else by its lines.
 */
export async function cutOf(pieces: AsyncIterable<Uint8Array>): Promise<Cut> {
  const scan = firstValue();
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    const cut = scan.read(piece);
    if (cut !== undefined) return cut;
    bytes += piece.length;
    // A line that is longer is said to be too long when it is read.
    if (bytes > MAX_WHOLE_BYTES) return scan.isList() ? "elements" : "lines";
    if (!scan.isList()) kept.push(piece.slice());
  }
  if (scan.isList()) return "elements";
  if (!scan.severalLines()) return bytes > MAX_LINE_BYTES ? "whole" : "lines";
  return isJson(kept, bytes) ? "whole" : "lines";
}

function isJson(pieces: readonly Uint8Array[], bytes: number): boolean {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return parseJsonText(new TextDecoder().decode(whole)) !== undefined;
}

/** Follows the brackets of a text's first value, to see whether it is a list, and whether it ends with its first line. */
function firstValue() {
  let opened: number | undefined;
  let depth = 0;
  let inText = false;
  let escaped = false;
  let lines = false;
  let closed = false;
  let bytes = 0;
  const list = () => opened === OPEN_LIST;
  const step = (byte: number): Cut | undefined => {
    if (inText) {
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) escaped = true;
      else if (byte === QUOTE) inText = false;
      return undefined;
    }
    if (byte === NEWLINE && depth > 0) {
      lines = true;
      // A list that goes on behind its first line has its elements there.
      return list() ? "elements" : undefined;
    }
    if (SPACES.has(byte) || MARK_BYTES.has(byte)) return undefined;
    // More follows the first value: each line is a value.
    if (closed) return lines ? undefined : "lines";
    if (opened === undefined && byte !== OPEN_LIST && byte !== OPEN_OBJECT) return "lines";
    opened ??= byte;
    if (byte === QUOTE) inText = true;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
    else if ((byte === CLOSE_LIST || byte === CLOSE_OBJECT) && --depth === 0) closed = true;
    return undefined;
  };
  return {
    isList: list,
    severalLines: () => lines,
    /** The cut, once it is known. */
    read: (piece: Uint8Array): Cut | undefined => {
      for (const byte of piece) {
        const cut = step(byte);
        if (cut !== undefined) return cut;
        if (++bytes > MAX_LINE_BYTES && list()) return "elements";
      }
      return undefined;
    },
  };
}

const [NEWLINE, QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [10, 34, 92, 91, 93, 123, 125];
const SPACES: ReadonlySet<number> = new Set([9, 10, 13, 32]);
const MARK_BYTES: ReadonlySet<number> = new Set(new TextEncoder().encode(MARK));
