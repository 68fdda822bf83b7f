/** The decoder of tokenizer.json: the bytes that a vocabulary entry stands for, and what goes before a whole text. */
import { InputError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import { readBytes } from "./bytes.ts";
import { replacedIn } from "./growth.ts";

export interface Decoder {
  /** Bytes of a vocabulary entry. Throws InputError when they are more than any token's. */
  readonly bytesOf: (token: string) => Uint8Array;
  /** Spaces at the start of a whole text that stand for none in it (sentencepiece's dummy prefix). */
  readonly strippedSpaces: number;
}

const encoder = new TextEncoder();
const BYTE = /^<0x([0-9A-F]{2})>$/;

/** Throws InputError at `where` for kinds that are not supported. `isByteLevel`: the text was cut into bytes before. */
export function readDecoder(json: unknown, isByteLevel: boolean, where: string): Decoder {
  const parts = partsOf(json);
  const kinds = parts.map((part) => part["type"]);
  const unknown = kinds.find((kind) => !KINDS.includes(kind as string));
  if (unknown !== undefined || kinds.length === 0 && !isByteLevel) {
    throw new InputError(
      `the decoder ${JSON.stringify(unknown ?? null)} is not supported`,
      where,
      `use a model with one of: ${KINDS.join(", ")}`,
    );
  }
  if (isByteLevel || kinds.includes("ByteLevel")) return { bytesOf: readBytes, strippedSpaces: 0 };
  const replacements = parts.flatMap(replacementOf);
  const hasBytes = kinds.includes("ByteFallback");
  const bytesOf = (token: string): Uint8Array => {
    const byte = hasBytes ? BYTE.exec(token) : null;
    if (byte) return Uint8Array.of(Number.parseInt(byte[1]!, 16));
    return encoder.encode(replacements.reduce((text, [from, to]) => replacedIn(text, from, to, where), token));
  };
  return { bytesOf, strippedSpaces: parts.reduce((sum, part) => sum + stripped(part), 0) };
}

const KINDS: readonly string[] = ["ByteLevel", "Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"];

function partsOf(json: unknown): readonly JsonObject[] {
  if (!isJsonObject(json)) return [];
  return json["type"] === "Sequence" && Array.isArray(json["decoders"]) ? json["decoders"].flatMap(partsOf) : [json];
}

function replacementOf(part: JsonObject): readonly (readonly [string, string])[] {
  if (part["type"] === "Metaspace") {
    return [[typeof part["replacement"] === "string" ? part["replacement"] : "\u2581", " "]];
  }
  const { pattern, content } = part;
  const from = isJsonObject(pattern) ? pattern["String"] : undefined;
  return part["type"] === "Replace" && typeof from === "string" && typeof content === "string" ? [[from, content]] : [];
}

function stripped(part: JsonObject): number {
  if (part["type"] === "Strip") return part["content"] === " " && typeof part["start"] === "number" ? part["start"] : 0;
  if (part["type"] !== "Metaspace") return 0;
  return part["prepend_scheme"] === "never" || part["add_prefix_space"] === false ? 0 : 1;
}
