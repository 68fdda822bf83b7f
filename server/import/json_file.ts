/** A file that is one JSON value, read whole: for formats that keep all their records inside of it. */
import { InputError } from "../../gpu/mod.ts";
import { containerOf, readPieces } from "../base/container.ts";
import { parseText } from "./parse_record.ts";
import { decodeText } from "../base/text_lines.ts";

/** Largest such file, in bytes of its text. */
export const MAX_JSON_BYTES = 128 << 20;

/** The file's value. Throws InputError for a file that is too large, no text, or no JSON. */
export async function readJsonFile(path: string, name: string): Promise<unknown> {
  const container = await containerOf(path, name);
  if (container.kind !== "text") throw new InputError(`it is no text, but ${container.kind}`, name, "give its JSON");
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of readPieces(path, name, container)) {
    bytes += piece.length;
    if (bytes > MAX_JSON_BYTES) {
      throw new InputError(`it is larger than ${MAX_JSON_BYTES >> 20} MiB in one value`, name, "split it");
    }
    pieces.push(piece.slice());
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  const { text } = decodeText(whole);
  if (text === undefined) throw new InputError("it is not UTF-8", name, "save the file as UTF-8");
  return parseText(text, name);
}
