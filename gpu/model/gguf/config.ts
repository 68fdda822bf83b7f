/** The metadata of a GGUF file as the config that Hugging Face transformers would have beside the same weights. */
import { InputError } from "../../errors.ts";
import { readNumbers } from "../derived_tensor.ts";
import type { JsonObject } from "../json.ts";
import type { ModelTensor } from "../tensor.ts";
import type { GgufFile } from "./file.ts";
import type { GgufValue } from "./reader.ts";

/** Metadata of one architecture: `ARCHITECTURE.NAME` by NAME, checked when it is asked for. */
export interface Fields {
  readonly architecture: string;
  readonly path: string;
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  number(name: string): number;
  optionalNumber(name: string): number | undefined;
  has(name: string): boolean;
  value(name: string): GgufValue | undefined;
}

/** Throws InputError when the file names no architecture. */
export function fieldsOf({ metadata, tensors, paths }: GgufFile): Fields {
  const path = paths[0]!;
  const architecture = metadata.get("general.architecture");
  if (typeof architecture !== "string") {
    throw new InputError("has no general.architecture", path, "give the GGUF file of a language model");
  }
  const value = (name: string) => metadata.get(`${architecture}.${name}`);
  const optionalNumber = (name: string): number | undefined => {
    const found = value(name);
    if (found === undefined) return undefined;
    // A number for each layer, all the same, is that number.
    const single = Array.isArray(found) && new Set(found).size === 1 ? found[0] : found;
    if (typeof single === "number" && Number.isFinite(single)) return shortest(single);
    throw new InputError(
      `${architecture}.${name} is ${JSON.stringify(found)?.slice(0, 80)}, no number`,
      path,
      "use a model in which it is one number for all layers",
    );
  };
  return {
    architecture,
    path,
    tensors,
    value,
    has: (name) => value(name) !== undefined,
    optionalNumber,
    number: (name) => {
      const found = optionalNumber(name);
      if (found !== undefined) return found;
      throw new InputError(`${architecture}.${name} is missing`, path, "download or convert the file again");
    },
  };
}

/** The decimal number that was meant: 1e-5 is stored as a float32 of 9.999999747378752e-6. */
function shortest(value: number): number {
  if (Number.isInteger(value) || Math.fround(value) !== value) return value;
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}

/** What every family's config is made of. */
export function commonConfig(fields: Fields): JsonObject {
  const heads = fields.number("attention.head_count");
  const hidden = fields.number("embedding_length");
  const keyLength = fields.optionalNumber("attention.key_length") ?? hidden / heads;
  const valueLength = fields.optionalNumber("attention.value_length") ?? keyLength;
  if (valueLength !== keyLength) refuse(fields, "attention.value_length", `the heads' key length ${keyLength}`);
  return {
    vocab_size: vocabulary(fields),
    hidden_size: hidden,
    intermediate_size: fields.optionalNumber("feed_forward_length") ?? 4 * hidden,
    num_hidden_layers: fields.number("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: fields.optionalNumber("attention.head_count_kv") ?? heads,
    head_dim: keyLength,
    max_position_embeddings: fields.number("context_length"),
    tie_word_embeddings: !fields.tensors.has("output.weight"),
  };
}

function vocabulary({ tensors, path }: Fields): number {
  const rows = tensors.get("token_embd.weight")?.info.shape[0];
  if (rows !== undefined) return rows;
  throw new InputError("has no tensor token_embd.weight", path, "give the GGUF file of a language model");
}

function refuse(fields: Fields, name: string, expected: string): never {
  throw new InputError(
    `${fields.architecture}.${name} is ${JSON.stringify(fields.value(name))}, which is not supported`,
    fields.path,
    `use a model where it is ${expected}`,
  );
}

/** The epsilon of RMS norms. */
export const rmsNorm = (fields: Fields): JsonObject => ({
  rms_norm_eps: fields.number("attention.layer_norm_rms_epsilon"),
  hidden_act: "silu",
});

/** Rotary embedding of whole heads, stretched or not. */
export function rotary(fields: Fields, defaultTheta = 10_000): JsonObject {
  const rotated = fields.optionalNumber("rope.dimension_count");
  const headDimension = commonConfig(fields)["head_dim"];
  if (rotated !== undefined && rotated !== headDimension) {
    refuse(fields, "rope.dimension_count", `the heads' length ${headDimension}`);
  }
  const scaling = fields.tensors.has("rope_freqs.weight") ? llama3Scaling(fields) : ropeScaling(fields);
  return {
    rope_theta: fields.optionalNumber("rope.freq_base") ?? defaultTheta,
    ...(scaling ? { rope_scaling: scaling } : {}),
  };
}

function ropeScaling(fields: Fields): JsonObject | undefined {
  const type = fields.value("rope.scaling.type") ?? (fields.has("rope.scaling.factor") ? "linear" : "none");
  if (type === "none") return undefined;
  if (type !== "linear" && type !== "yarn") refuse(fields, "rope.scaling.type", '"none", "linear" or "yarn"');
  const factor = fields.number("rope.scaling.factor");
  if (type === "linear") return { rope_type: "linear", factor };
  const optional = [
    ["beta_fast", "rope.scaling.yarn_beta_fast"],
    ["beta_slow", "rope.scaling.yarn_beta_slow"],
  ].flatMap(([name, field]) => {
    const value = fields.optionalNumber(field!);
    return value === undefined ? [] : [[name, value]];
  });
  for (const name of ["rope.scaling.yarn_log_multiplier", "rope.scaling.yarn_ext_factor"]) {
    if (fields.has(name)) refuse(fields, name, "left out");
  }
  // llama.cpp's factor comes on top of the usual one.
  const onTop = fields.optionalNumber("rope.scaling.yarn_attn_factor") ??
    fields.optionalNumber("rope.scaling.attn_factor");
  return {
    rope_type: "yarn",
    factor,
    original_max_position_embeddings: fields.number("rope.scaling.original_context_length"),
    ...Object.fromEntries(optional),
    ...(onTop === undefined || onTop === 1 ? {} : { attention_factor: onTop * (0.1 * Math.log(factor) + 1) }),
  };
}

/**
 * Llama 3's stretching, of which the file has only what it does to each frequency. Every released model has the same
 * bounds, so the factor says all; other factors are refused.
 */
function llama3Scaling(fields: Fields): JsonObject {
  const factors = readNumbers(fields.tensors.get("rope_freqs.weight")!);
  const theta = fields.optionalNumber("rope.freq_base") ?? 10_000;
  const factor = Math.max(...factors);
  const originals = [8192, fields.optionalNumber("rope.scaling.original_context_length")];
  for (const original of originals) {
    if (original === undefined) continue;
    const scaling = {
      rope_type: "llama3",
      factor,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: original,
    };
    const expected = llama3Factors(theta, 2 * factors.length, scaling);
    if (factors.every((value, i) => Math.abs(value - expected[i]!) <= 1e-4 * expected[i]!)) return scaling;
  }
  throw new InputError(
    "rope_freqs.weight stretches rotary embedding in a way that is not Llama 3's",
    fields.path,
    "use the model's Hugging Face folder",
  );
}

/** By how much each frequency of a rotated head is divided (transformers, `_compute_llama3_parameters`). */
function llama3Factors(
  theta: number,
  dimension: number,
  scaling: Readonly<
    Record<"factor" | "low_freq_factor" | "high_freq_factor" | "original_max_position_embeddings", number>
  >,
): readonly number[] {
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = scaling;
  return Array.from({ length: dimension / 2 }, (_, i) => {
    const turns = original / (2 * Math.PI * theta ** (2 * i / dimension));
    if (turns > high) return 1;
    if (turns < low) return factor;
    const smooth = (turns - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/** Phi-3's stretching: two lists of factors, for short and for long contexts. */
export function longRope(fields: Fields): JsonObject {
  const [short, long] = ["rope_factors_short.weight", "rope_factors_long.weight"]
    .map((name) => fields.tensors.get(name));
  const rotated = fields.number("rope.dimension_count");
  const original = fields.number("rope.scaling.original_context_length");
  return {
    rope_theta: fields.optionalNumber("rope.freq_base") ?? 10_000,
    partial_rotary_factor: rotated / (commonConfig(fields)["head_dim"] as number),
    original_max_position_embeddings: original,
    ...(short && long
      ? {
        rope_scaling: {
          rope_type: "longrope",
          short_factor: [...readNumbers(short)].map(shortest),
          long_factor: [...readNumbers(long)].map(shortest),
          original_max_position_embeddings: original,
        },
      }
      : {}),
  };
}

/** Fields of a sliding window on every layer; none where there is none. */
export function window(fields: Fields): JsonObject {
  const size = fields.optionalNumber("attention.sliding_window");
  return size ? { sliding_window: size } : {};
}
