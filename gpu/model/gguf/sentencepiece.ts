/**
 * A SentencePiece tokenizer (BPE with byte fallback) as tokenizer.json. GGUF files keep a score for each piece; merges
 * follow from the scores, as transformers' converter makes them (`generate_merges` of convert_slow_tokenizer.py).
 */
import { InputError } from "../../errors.ts";
import type { JsonObject } from "../json.ts";
import { addedTokens, type GgufVocabulary, isListOf, TOKEN_TYPE } from "./vocabulary.ts";

const SPACE = "▁";

/** Throws InputError where the scores are missing. */
export function sentencePieceJson(vocabulary: GgufVocabulary): JsonObject {
  const { metadata, path, tokens, types } = vocabulary;
  const scores = metadata.get("tokenizer.ggml.scores");
  if (!isListOf(scores, "number") || scores.length !== tokens.length) {
    throw new InputError(
      "does not have a score for each token (tokenizer.ggml.scores)",
      path,
      "convert the file again, or give token ids",
    );
  }
  const prefix = metadata.get("tokenizer.ggml.add_space_prefix") !== false;
  const unknown = types.indexOf(TOKEN_TYPE.unknown);
  const spaced = { type: "Replace", pattern: { String: " " }, content: SPACE };
  return {
    version: "1.0",
    added_tokens: addedTokens(vocabulary),
    normalizer: {
      type: "Sequence",
      normalizers: [...(prefix ? [{ type: "Prepend", prepend: SPACE }] : []), spaced],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: SPACE }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      unk_token: unknown < 0 ? null : tokens[unknown],
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: mergesOf(tokens, types, scores),
    },
  };
}

/**
 * Every way of making a piece of two others: the best score first, of one piece the longest left part. As transformers
 * orders them.
 */
function mergesOf(tokens: readonly string[], types: readonly number[], scores: readonly number[]): readonly string[][] {
  const known = new Set(tokens);
  const merges: { readonly parts: readonly [string, string]; readonly score: number }[] = [];
  tokens.forEach((token, id) => {
    if (types[id] !== TOKEN_TYPE.normal && types[id] !== TOKEN_TYPE.userDefined) return;
    const characters = Array.from(token);
    for (let cut = characters.length - 1; cut > 0; cut--) {
      const [left, right] = [characters.slice(0, cut).join(""), characters.slice(cut).join("")];
      if (known.has(left) && known.has(right)) merges.push({ parts: [left, right], score: scores[id]! });
    }
  });
  return merges.sort((a, b) => b.score - a.score).map(({ parts }) => [...parts]);
}
