/** Byte-level vocabularies: each byte is written as one printable character (GPT-2's `bytes_to_unicode`). */

/** Printable Latin-1 as itself, the others as U+0100 and on, in their order; [256]. */
const CHARACTER_OF_BYTE: readonly string[] = (() => {
  const isPrintable = (byte: number) =>
    byte >= 0x21 && byte <= 0x7e || byte >= 0xa1 && byte <= 0xac || byte >= 0xae && byte <= 0xff;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
})();

const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  CHARACTER_OF_BYTE.map((character, byte) => [character, byte]),
);

const encoder = new TextEncoder();

/** The text's UTF-8, a character for each byte. */
export function writeBytes(text: string): string {
  let written = "";
  for (const byte of encoder.encode(text)) written += CHARACTER_OF_BYTE[byte];
  return written;
}

/** The bytes of a vocabulary entry; an entry outside the byte alphabet stands for its own text. */
export function readBytes(token: string): Uint8Array {
  const bytes = Array.from(token, (character) => BYTE_OF_CHARACTER.get(character));
  return bytes.includes(undefined) ? encoder.encode(token) : Uint8Array.from(bytes as number[]);
}

export function decodeUtf8(parts: readonly Uint8Array[]): string {
  // Streamed, so that characters which lie across tokens come out whole.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes as text; those that are no whole character by themselves as `<0xF0>`, one each. */
export function showBytes(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = characterLength(bytes, at);
    text += length > 0
      ? strictUtf8.decode(bytes.subarray(at, at + length))
      : `<0x${bytes[at]!.toString(16).toUpperCase().padStart(2, "0")}>`;
    at += Math.max(1, length);
  }
  return text;
}

/** Bytes of the whole character that begins here, or 0 when none does. */
function characterLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + length > bytes.length) return 0;
  try {
    strictUtf8.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}
