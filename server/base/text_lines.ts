/** Lines of a text with their places in it, read in pieces: a file may be larger than memory. */

export interface TextLine {
  /** The line without its end; undefined when it cannot be read. */
  readonly text: string | undefined;
  /** Why there is no text. */
  readonly fault?: TextFault;
  /** The text was no UTF-8 and was read as Latin-1 (Windows-1252). */
  readonly latin1?: true;
  /** Where the next line begins, in bytes. */
  readonly end: number;
}

export type TextFault = "too_long" | "not_utf8";

/** Longest line that is read, in bytes. */
export const MAX_LINE_BYTES = 32 << 20;
const NEWLINE = 10;

/** The lines of a text. The last one needs no newline; nothing follows a final newline. */
export async function* readLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<TextLine> {
  const gathered = gatherBytes();
  let position = 0;
  for await (const piece of pieces) {
    let start = 0;
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, start)) {
      gathered.keep(piece.subarray(start, at));
      start = at + 1;
      yield { ...gathered.take(), end: position + start };
    }
    gathered.keep(piece.subarray(start));
    position += piece.length;
  }
  if (gathered.bytes() > 0) yield { ...gathered.take(), end: position };
}

/** Bytes of one record, gathered from pieces that hold for a moment only; those of one that is too long are let go. */
export function gatherBytes() {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  return {
    bytes: () => bytes,
    keep: (part: Uint8Array): void => {
      bytes += part.length;
      if (bytes <= MAX_LINE_BYTES) parts.push(part.slice());
      else parts = [];
    },
    /** The record's text; what comes next is another's. */
    take: (): Omit<TextLine, "end"> => {
      const read = bytes > MAX_LINE_BYTES
        ? { text: undefined, fault: "too_long" as const }
        : decodeText(joined(parts, bytes));
      parts = [];
      bytes = 0;
      return read;
    },
  };
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });
const LATIN1 = new TextDecoder("windows-1252");

/**
 * Text from bytes: UTF-8, else Latin-1 where no character of several bytes says that it was meant to be UTF-8. Text with
 * both is broken, and would be read wrongly either way.
 */
export function decodeText(bytes: Uint8Array): Omit<TextLine, "end"> {
  try {
    return { text: UTF8.decode(bytes) };
  } catch {
    return hasUtf8Character(bytes)
      ? { text: undefined, fault: "not_utf8" }
      : { text: LATIN1.decode(bytes), latin1: true };
  }
}

function hasUtf8Character(bytes: Uint8Array): boolean {
  const follows = (at: number) => (bytes[at] ?? 0) >> 6 === 0b10;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    const length = byte >= 0xc2 && byte < 0xe0
      ? 2
      : byte >= 0xe0 && byte < 0xf0
      ? 3
      : byte >= 0xf0 && byte < 0xf5
      ? 4
      : 0;
    if (length === 0) continue;
    let whole = true;
    for (let next = 1; next < length; next++) whole &&= follows(at + next);
    if (whole) return true;
  }
  return false;
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
