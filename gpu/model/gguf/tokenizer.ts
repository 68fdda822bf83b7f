/** The tokenizer in a GGUF file's metadata, as the tokenizer.json and tokenizer_config.json that would stand beside a model. */
import { createHash } from "node:crypto";
import { InputError } from "../../errors.ts";
import type { JsonObject } from "../json.ts";
import type { GgufFile } from "./file.ts";
import type { GgufValue } from "./reader.ts";
import { sentencePieceJson } from "./sentencepiece.ts";
import { addedTokens, type GgufVocabulary, isListOf, TOKEN_TYPE } from "./vocabulary.ts";

export interface TokenizerJson {
  /** As tokenizer.json. */
  readonly tokenizer: JsonObject;
  /** As tokenizer_config.json: special tokens by name. */
  readonly config: JsonObject;
  readonly template: string | undefined;
}

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const split = (regex: string): JsonObject => ({
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false },
    { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
  ],
});
const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
const byDigits = { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel] };

const words = (digits: string, letters = "\\p{L}+") =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?${letters}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const GPT_4O = `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${CONTRACTIONS}?|` +
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${CONTRACTIONS}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|` +
  "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

interface Kind {
  readonly pre_tokenizer: JsonObject;
  readonly normalizer?: JsonObject;
  /** Whether a word that is a token needs no merges. */
  readonly ignoreMerges?: boolean;
}

const LLAMA_3: Kind = { pre_tokenizer: split(words("\\p{N}{1,3}")), ignoreMerges: true };
const CL100K: Kind = { pre_tokenizer: split(words("\\p{N}{1,3}")) };
const QWEN_2: Kind = { pre_tokenizer: split(words("\\p{N}")), normalizer: { type: "NFC" } };
const GPT_2: Kind = { pre_tokenizer: byteLevel };

/** How text is cut into words, by `tokenizer.ggml.pre`: the pre-tokenizers of the models that the names stand for. */
const KINDS: Readonly<Record<string, Kind>> = {
  "llama-bpe": LLAMA_3,
  "llama3": LLAMA_3,
  "llama-v3": LLAMA_3,
  "smaug-bpe": LLAMA_3,
  "dbrx": CL100K,
  "qwen2": QWEN_2,
  "deepseek-r1-qwen": QWEN_2,
  "smollm": { pre_tokenizer: byDigits },
  "gpt-2": GPT_2,
  "phi-2": GPT_2,
  "olmo": { pre_tokenizer: byteLevel, normalizer: { type: "NFC" } },
  "gpt-4o": { pre_tokenizer: split(GPT_4O) },
};

/** Reads the tokenizer. Throws InputError where there is none, or one of another kind. */
export function ggufTokenizerJson({ metadata, paths }: Pick<GgufFile, "metadata" | "paths">): TokenizerJson {
  const path = paths[0]!;
  const vocabulary = vocabularyOf(metadata, path);
  const model = metadata.get("tokenizer.ggml.model");
  const text = metadata.get("tokenizer.chat_template");
  const config = specialTokens(vocabulary);
  const template = typeof text === "string" ? text : undefined;
  if (model === "gpt2") return { tokenizer: bytePairJson(vocabulary), config, template };
  if (model === "llama") return { tokenizer: sentencePieceJson(vocabulary), config, template };
  throw new InputError(
    `its tokenizer is of the kind ${JSON.stringify(model ?? null)} (tokenizer.ggml.model), which is not supported`,
    path,
    'use a model whose tokenizer is "gpt2" or "llama", or give token ids',
  );
}

function vocabularyOf(metadata: ReadonlyMap<string, GgufValue>, path: string): GgufVocabulary {
  const tokens = metadata.get("tokenizer.ggml.tokens");
  if (!isListOf(tokens, "string")) {
    throw new InputError(
      "has no list of tokens (tokenizer.ggml.tokens)",
      path,
      "convert the file again, or give token ids",
    );
  }
  const types = metadata.get("tokenizer.ggml.token_type") ?? tokens.map(() => TOKEN_TYPE.normal);
  if (!isListOf(types, "number") || types.length !== tokens.length) {
    throw new InputError(
      "tokenizer.ggml.token_type does not have a number for each token",
      path,
      "convert the file again",
    );
  }
  return { path, tokens, types, metadata };
}

function bytePairJson(vocabulary: GgufVocabulary): JsonObject {
  const { metadata, path, tokens } = vocabulary;
  const pre = metadata.get("tokenizer.ggml.pre");
  if (typeof pre !== "string" || !Object.hasOwn(KINDS, pre)) {
    throw new InputError(
      `cuts text into words in a way that is not known: ${JSON.stringify(pre ?? null)} (tokenizer.ggml.pre)`,
      path,
      `use a file with one of: ${Object.keys(KINDS).join(", ")}, or give token ids`,
    );
  }
  const merges = metadata.get("tokenizer.ggml.merges");
  if (!isListOf(merges, "string")) {
    throw new InputError(
      "has no list of merges (tokenizer.ggml.merges)",
      path,
      "convert the file again, or give token ids",
    );
  }
  const { pre_tokenizer, normalizer = null, ignoreMerges = false } = KINDS[pre]!;
  return {
    version: "1.0",
    added_tokens: addedTokens(vocabulary),
    normalizer,
    pre_tokenizer,
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      unk_token: null,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      // A space separates the two parts, which have none: in this alphabet it is another character.
      merges: merges.map((merge) => merge.split(" ")),
    },
  };
}

/** The special tokens that templates call by name. */
function specialTokens({ metadata, tokens }: GgufVocabulary): JsonObject {
  const named = [["bos_token", "bos"], ["eos_token", "eos"], ["unk_token", "unknown"], [
    "pad_token",
    "padding",
  ]] as const;
  const known = named.flatMap(([name, key]) => {
    const token = tokens[metadata.get(`tokenizer.ggml.${key}_token_id`) as number];
    return token === undefined ? [] : [[name, token]];
  });
  return Object.fromEntries(known);
}

/** Texts of control tokens that end an answer, whatever the file's eos is: as llama.cpp finds them. */
const END_TEXTS = new Set([
  "<|eot_id|>",
  "<|eom_id|>",
  "<|im_end|>",
  "<|end|>",
  "<end_of_turn>",
  "<|endoftext|>",
  "<|end_of_text|>",
]);

/** Ids that end a generation. */
export function endIds({ metadata }: Pick<GgufFile, "metadata">): readonly number[] {
  const ids = ["eos", "eot", "eom"]
    .map((name) => metadata.get(`tokenizer.ggml.${name}_token_id`))
    .filter((id): id is number => typeof id === "number" && Number.isInteger(id) && id >= 0);
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const types = metadata.get("tokenizer.ggml.token_type");
  const ends = isListOf(tokens, "string") && isListOf(types, "number")
    ? tokens.flatMap((token, id) => types[id] === TOKEN_TYPE.control && END_TEXTS.has(token) ? [id] : [])
    : [];
  return [...new Set([...ids, ...ends])];
}

/** SHA-256, hexadecimal, over all that the file says of its tokenizer; null when it says nothing. */
export function tokenizerHashOf({ metadata }: Pick<GgufFile, "metadata">): string | null {
  if (!metadata.has("tokenizer.ggml.tokens")) return null;
  const hash = createHash("sha256");
  for (const name of [...metadata.keys()].filter((key) => key.startsWith("tokenizer.")).sort()) {
    hash.update(JSON.stringify([name, metadata.get(name)]));
  }
  return hash.digest("hex");
}
