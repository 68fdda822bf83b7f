/** Elements of a JSON list with their places in the text, read in pieces: the list may be larger than memory. */
import { gatherBytes, type TextLine } from "./text_lines.ts";

const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [34, 92, 44, 91, 93, 123, 125];
const SPACES: ReadonlySet<number> = new Set([9, 10, 13, 32]);

/**
 * The elements of the list that a text holds, each as its text and the place where it ends. Broken JSON inside an
 * element is the reader's to find; a list that ends early ends the elements. Throws nothing.
 */
export async function* readElements(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<TextLine> {
  const gathered = gatherBytes();
  let depth = 0;
  let inText = false;
  let escaped = false;
  let begun = false;
  let position = 0;
  for await (const piece of pieces) {
    let start = 0;
    for (let at = 0; at < piece.length; at++) {
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
        gathered.keep(piece.subarray(start, at));
        const element = gathered.take();
        if (begun) yield { ...element, end: position + at + 1 };
        begun = false;
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
    gathered.keep(piece.subarray(start));
    position += piece.length;
  }
  if (begun) yield { ...gathered.take(), end: position };
}
