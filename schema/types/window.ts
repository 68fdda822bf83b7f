/** Windows over long vectors: bounded, so that no answer grows with the context. */
import { InputError } from "./input_error.ts";

/** Past every context: keeps the arithmetic of windows inside PostgreSQL's integers. */
const MAX_POSITION = 100_000_000;

/** Throws InputError unless 0 <= from and 1 <= count <= most. A window past the end is empty, not wrong. */
export function checkWindow(from: number, count: number, most: number, where: string): void {
  if (from < 0 || from > MAX_POSITION) {
    throw new InputError(`from is ${from}`, where, `give a position from 0 to ${MAX_POSITION}`);
  }
  if (count < 1 || count > most) {
    throw new InputError(`count is ${count}`, where, `give a count from 1 to ${most}`);
  }
}

/** Little-endian f32 in base64. */
export function decodeFloats(base64: string): number[] {
  const bytes = Uint8Array.from(atob(base64.replaceAll("\n", "")), (character) => character.charCodeAt(0));
  return Array.from(new Float32Array(bytes.buffer));
}
