import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InputError } from "../../errors.ts";
import { makeTokenizer } from "../tokenizer.ts";
import type { GgufValue } from "./reader.ts";
import { endIds, ggufTokenizerJson, tokenizerHashOf } from "./tokenizer.ts";

interface Golden {
  readonly name: string;
  readonly metadata: Readonly<Record<string, GgufValue>>;
  readonly vectors: readonly (readonly [text: string, ids: readonly number[]])[];
}
// Written by test/reference/gguf_tokenizers.py with tokenizers and sentencepiece.
const golden = JSON.parse(
  readFileSync(new URL("../../../test/data/gguf/tokenizers.json", import.meta.url), "utf8"),
) as readonly Golden[];

const fileOf = (metadata: Readonly<Record<string, GgufValue>>) => ({
  metadata: new Map(Object.entries(metadata)),
  paths: ["model.gguf"],
});

describe.each(golden)("$name", ({ metadata, vectors }) => {
  const { tokenizer: json, config } = ggufTokenizerJson(fileOf(metadata));
  const path = "model.gguf";
  const tokenizer = makeTokenizer({ json, path, config, configPath: path, templates: new Map(), hash: "" });

  test.each(vectors)("%j", (text, ids) => {
    expect(tokenizer.encode(text)).toEqual(ids);
  });
});

describe("what a file says beside its tokens", () => {
  const metadata = { ...golden[0]!.metadata, "tokenizer.ggml.bos_token_id": 0, "tokenizer.ggml.eos_token_id": 1 };

  test("special tokens by name, and the template", () => {
    const read = ggufTokenizerJson(fileOf({ ...metadata, "tokenizer.chat_template": "{{ messages }}" }));
    expect(read.config).toEqual({ bos_token: "<|start|>", eos_token: "<|end|>" });
    expect(read.template).toBe("{{ messages }}");
    expect(ggufTokenizerJson(fileOf(metadata)).template).toBeUndefined();
  });

  test("an answer ends with eos, eot, eom and the control tokens that end one in any file", () => {
    const tokens = ["a", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>"];
    const ends = endIds(fileOf({
      "tokenizer.ggml.tokens": tokens,
      "tokenizer.ggml.token_type": [1, 3, 3, 1, 3],
      "tokenizer.ggml.eos_token_id": 4,
      "tokenizer.ggml.eot_token_id": 2,
    }));
    expect(ends).toEqual([4, 2, 1]);
  });

  test("the hash follows what the tokenizer is made of, and nothing else", () => {
    const hash = tokenizerHashOf(fileOf(metadata));
    expect(tokenizerHashOf(fileOf({ ...metadata, "general.name": "other" }))).toBe(hash);
    expect(tokenizerHashOf(fileOf({ ...metadata, "tokenizer.ggml.pre": "gpt-2" }))).not.toBe(hash);
    expect(tokenizerHashOf(fileOf({}))).toBeNull();
  });

  test.each<[string, Readonly<Record<string, GgufValue>>, RegExp]>([
    ["no tokens", { "tokenizer.ggml.tokens": 3 }, /has no list of tokens/],
    ["types for fewer tokens", { "tokenizer.ggml.token_type": [1] }, /a number for each token/],
    ["another kind", { "tokenizer.ggml.model": "bert" }, /of the kind "bert"/],
    ["an unknown way to cut", { "tokenizer.ggml.pre": "tekken" }, /not known: "tekken"/],
    ["no merges", { "tokenizer.ggml.merges": [1] }, /no list of merges/],
    ["no scores", { "tokenizer.ggml.model": "llama" }, /a score for each token/],
  ])("%s is refused", (_, changes, message) => {
    const read = () => ggufTokenizerJson(fileOf({ ...metadata, ...changes }));
    expect(read).toThrow(InputError);
    expect(read).toThrow(message);
  });
});
