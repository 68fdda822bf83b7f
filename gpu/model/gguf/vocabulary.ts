/** The tokens of a GGUF file's tokenizer, whatever its kind. */
import type { JsonObject } from "../json.ts";
import type { GgufValue } from "./reader.ts";

/** Kinds of tokens, `tokenizer.ggml.token_type`. */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface GgufVocabulary {
  readonly path: string;
  readonly tokens: readonly string[];
  /** [tokens], see TOKEN_TYPE. */
  readonly types: readonly number[];
  readonly metadata: ReadonlyMap<string, GgufValue>;
}

/** Whether a metadata value is a list of texts, or of numbers. */
export function isListOf(value: GgufValue | undefined, type: "string"): value is readonly string[];
export function isListOf(value: GgufValue | undefined, type: "number"): value is readonly number[];
export function isListOf(value: GgufValue | undefined, type: string): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === type);
}

/** Tokens that are found in a text before anything else. */
export function addedTokens({ tokens, types }: GgufVocabulary): readonly JsonObject[] {
  return tokens.flatMap((content, id) => {
    const special = types[id] === TOKEN_TYPE.control || types[id] === TOKEN_TYPE.unknown;
    if (!special && types[id] !== TOKEN_TYPE.userDefined) return [];
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
  });
}
