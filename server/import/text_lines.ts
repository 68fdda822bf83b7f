/** Lines of a file with their places in it, read in pieces: a file may be larger than memory. */
import type { FileHandle } from "node:fs/promises";

export interface TextLine {
  /** The line without its end; undefined when it is too long to be read. */
  readonly text: string | undefined;
  /** Where the next line begins, in bytes. */
  readonly end: number;
}

const PIECE_BYTES = 1 << 18;
/** Longest line that is read, in bytes. */
export const MAX_LINE_BYTES = 32 << 20;
const NEWLINE = 10;

/** The lines from a byte position on. The last one needs no newline; nothing follows a final newline. */
export async function* readLines(file: FileHandle, from = 0): AsyncGenerator<TextLine> {
  const decoder = new TextDecoder();
  const piece = new Uint8Array(PIECE_BYTES);
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let position = from;
  const take = (end: number): TextLine => {
    const text = bytes > MAX_LINE_BYTES ? undefined : decoder.decode(joined(parts, bytes));
    parts = [];
    bytes = 0;
    return { text, end };
  };
  const keep = (part: Uint8Array): void => {
    bytes += part.length;
    if (bytes <= MAX_LINE_BYTES) parts.push(part.slice());
    else parts = [];
  };
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, position);
    if (bytesRead === 0) break;
    const read = piece.subarray(0, bytesRead);
    let start = 0;
    for (let at = read.indexOf(NEWLINE); at >= 0; at = read.indexOf(NEWLINE, start)) {
      keep(read.subarray(start, at));
      start = at + 1;
      yield take(position + start);
    }
    keep(read.subarray(start));
    position += bytesRead;
  }
  if (bytes > 0) yield take(position);
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
