/** Small models for tests, written as Hugging Face directories. */
import { Buffer } from "node:buffer";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../gpu/model/config.ts";
import { requiredTensors } from "../gpu/model/layout.ts";

/** A Qwen3 of some 1,000 parameters, in the style of transformers 4. */
export const TINY_CONFIG: Readonly<Record<string, unknown>> = {
  architectures: ["Qwen3ForCausalLM"],
  model_type: "qwen3",
  vocab_size: 12,
  hidden_size: 8,
  intermediate_size: 6,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 8,
  rms_norm_eps: 1e-6,
  rope_theta: 10_000,
  rope_scaling: null,
  max_position_embeddings: 16,
  tie_word_embeddings: true,
  torch_dtype: "float32",
};

/** The notes that test/data/configs.json keeps beside a model's own fields are no part of a config.json. */
export function plainFields(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const notes = ["sources", "qk_norm", "rope_scaling_applies_to", "norm", "confidence"];
  return Object.fromEntries(Object.entries(config).filter(([name]) => !notes.includes(name)));
}

/** A tensor to write; its data are its own position repeated, so that tensors differ. */
export interface TestTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Each of its bytes; default: by its position. */
  readonly fill?: number;
}

/** The F32 tensors that a config needs. */
export function tinyTensors(config: Readonly<Record<string, unknown>> = TINY_CONFIG): readonly TestTensor[] {
  return requiredTensors(parseConfig(config, "config.json")).map(({ name, shape }) => ({ name, dtype: "F32", shape }));
}

/** Writes a safetensors file of these tensors; F32 takes four bytes an element, all else two. */
export function writeSafetensors(path: string, tensors: readonly TestTensor[], seed = 1): void {
  const header: Record<string, unknown> = {};
  let end = 0;
  const parts = tensors.map(({ name, dtype, shape, fill }, index) => {
    const size = shape.reduce((product, length) => product * length, 1) * (dtype === "F32" ? 4 : 2);
    header[name] = { dtype, shape, data_offsets: [end, end += size] };
    return new Uint8Array(size).fill(fill ?? (seed * 31 + index) % 64);
  });
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  writeFileSync(path, Buffer.concat([length, text, ...parts]));
}

export interface TinyModel {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tensors?: readonly TestTensor[];
  readonly seed?: number;
  /** Cuts the tensors into this many shards with an index. */
  readonly shards?: number;
}

/** Writes a model directory, which must not exist yet, and returns its path. */
export function writeTinyModel(
  directory: string,
  { config = TINY_CONFIG, tensors = tinyTensors(), seed = 1, shards }: TinyModel = {},
): string {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "config.json"), JSON.stringify(config, null, 2));
  if (shards === undefined) {
    writeSafetensors(join(directory, "model.safetensors"), tensors, seed);
    return directory;
  }
  const map: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-0000${shard + 1}-of-0000${shards}.safetensors`;
    const part = tensors.filter((_, index) => index % shards === shard);
    for (const { name } of part) map[name] = file;
    writeSafetensors(join(directory, file), part, seed);
  }
  writeFileSync(join(directory, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
  return directory;
}

/** A byte-level tokenizer of twelve tokens: a to h, "ab", a space, a special token and a lone byte F0. */
export const TINY_TOKENIZER = {
  version: "1.0",
  added_tokens: [{ id: 10, content: "<|end|>", special: true }],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: true },
  post_processor: null,
  decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
  model: {
    type: "BPE",
    vocab: { a: 0, b: 1, c: 2, d: 3, e: 4, f: 5, g: 6, h: 7, ab: 8, "\u0120": 9, "\u00f0": 11 },
    merges: [["a", "b"]],
  },
} as const;

/** Adds the tokenizer of TINY_TOKENIZER with this chat template to a directory. */
export function writeTinyTokenizer(directory: string, chatTemplate?: string): void {
  writeFileSync(join(directory, "tokenizer.json"), JSON.stringify(TINY_TOKENIZER));
  if (chatTemplate !== undefined) writeFileSync(join(directory, "chat_template.jinja"), chatTemplate);
}
