/** Elements of a JSON list with their places in the file, read in pieces: the list may be larger than memory. */
import type { FileHandle } from "node:fs/promises";
import { MAX_LINE_BYTES, type TextLine } from "./text_lines.ts";

const PIECE_BYTES = 1 << 18;
const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [34, 92, 44, 91, 93, 123, 125];
const SPACES: ReadonlySet<number> = new Set([9, 10, 13, 32]);

/**
 * The elements of the list that a file holds, each as its text and the place where it ends. Broken JSON inside an
 * element is the reader's to find; a list that ends early ends the elements. Throws nothing.
 */
export async function* readElements(file: FileHandle): AsyncGenerator<TextLine> {
  const piece = new Uint8Array(PIECE_BYTES);
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let depth = 0;
  let inText = false;
  let escaped = false;
  let begun = false;
  let position = 0;
  const keep = (part: Uint8Array): void => {
    bytes += part.length;
    if (bytes <= MAX_LINE_BYTES) parts.push(part.slice());
    else parts = [];
  };
  const take = (end: number): TextLine => {
    const text = bytes > MAX_LINE_BYTES ? undefined : new TextDecoder().decode(joined(parts, bytes));
    parts = [];
    bytes = 0;
    begun = false;
    return { text, end };
  };
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, position);
    if (bytesRead === 0) break;
    let start = 0;
    for (let at = 0; at < bytesRead; at++) {
      const byte = piece[at]!;
      if (inText) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inText = false;
        continue;
      }
      if (SPACES.has(byte)) continue;
      const ends = depth === 1 && (byte === COMMA || byte === CLOSE_LIST);
      if (ends) {
        keep(piece.subarray(start, at));
        if (begun) yield take(position + at + 1);
        else take(0);
        start = at + 1;
        if (byte === CLOSE_LIST) return;
        continue;
      }
      if (depth === 0) {
        // What stands before the list's bracket is a byte order mark at most.
        if (byte === OPEN_LIST) depth = 1;
        start = at + 1;
        continue;
      }
      begun = true;
      if (byte === QUOTE) inText = true;
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth++;
      else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
    }
    keep(piece.subarray(start, bytesRead));
    position += bytesRead;
  }
  if (begun) yield take(position);
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
