/** The shape of a decoder as the engine needs it, read from a Hugging Face `config.json`. */
import { InputError } from "../errors.ts";
import { isJsonObject, type JsonObject } from "./json.ts";

/** The architectures that the engine computes, by the `model_type` of `config.json`. */
export const ARCHITECTURES = ["qwen3"] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

export interface ModelConfig {
  /** Block layout: qwen3 = pre-norm with q/k norm per head. */
  readonly architecture: Architecture;
  readonly vocabulary: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
  readonly normEpsilon: number;
  readonly ropeTheta: number;
  readonly tiedEmbeddings: boolean;
  /** Context limit in tokens. */
  readonly maxPositions: number;
  /** Ids that end a generation; may be empty. */
  readonly eosIds: readonly number[];
}

/** A parsed JSON file and its path for errors. */
export interface JsonFile {
  readonly json: unknown;
  readonly where: string;
}

/**
 * Reads `config.json` as transformers writes it, in the style of version 4 (`rope_theta`, `rope_scaling`) and of
 * version 5 (`rope_parameters`). Fields that may be missing get the defaults of transformers' Qwen3Config, but for
 * `head_dim`, which is then hidden / heads, and `rope_theta`, which must be there. The ids that end a generation are those of `generation_config.json`, when
 * given, and those of `config.json`.
 * Throws InputError, naming the field, for what is missing, of a wrong type, or asks for what the engine cannot compute.
 */
export function parseConfig(json: unknown, where: string, generation?: JsonFile): ModelConfig {
  if (!isJsonObject(json)) {
    throw new InputError("is not a JSON object", where, "give the config.json of a Hugging Face model");
  }
  const architecture = parseArchitecture(json, where);
  refuseUnsupported(json, where);
  const hidden = count(json, "hidden_size", where);
  const heads = count(json, "num_attention_heads", where);
  const keyValueHeads = count(json, "num_key_value_heads", where, heads);
  if (heads % keyValueHeads !== 0) {
    throw new InputError(
      `num_attention_heads ${heads} is not a multiple of num_key_value_heads ${keyValueHeads}`,
      where,
      "correct one of them",
    );
  }
  const headDimension = count(json, "head_dim", where, hidden / heads);
  if (!Number.isInteger(headDimension) || headDimension % 2 !== 0) {
    throw new InputError(
      `head_dim is ${headDimension}, where rotary embeddings need an even whole number`,
      where,
      "correct head_dim",
    );
  }
  return {
    architecture,
    vocabulary: count(json, "vocab_size", where),
    hidden,
    intermediate: count(json, "intermediate_size", where),
    layers: count(json, "num_hidden_layers", where),
    heads,
    keyValueHeads,
    headDimension,
    normEpsilon: positive(json, "rms_norm_eps", where, 1e-6),
    ropeTheta: parseRopeTheta(json, where),
    tiedEmbeddings: flag(json, "tie_word_embeddings", where),
    maxPositions: count(json, "max_position_embeddings", where, 32_768),
    eosIds: [...new Set([...(generation ? eosIds(generation.json, generation.where) : []), ...eosIds(json, where)])],
  };
}

function parseArchitecture(json: JsonObject, where: string): Architecture {
  const type = json["model_type"];
  const classes = json["architectures"];
  const known = ARCHITECTURES.find((name) => name === type);
  if (!known) {
    throw new InputError(
      `the architecture ${JSON.stringify(type ?? classes ?? null)} (model_type) is not supported`,
      where,
      `use a model of one of: ${ARCHITECTURES.join(", ")}`,
    );
  }
  if (Array.isArray(classes) && classes.length > 0 && !classes.includes("Qwen3ForCausalLM")) {
    throw new InputError(
      `the model class ${JSON.stringify(classes)} (architectures) is not supported`,
      where,
      "use a language model: Qwen3ForCausalLM",
    );
  }
  return known;
}

/** What Qwen3's config can ask for and the engine does not compute: a wrong answer would go unnoticed. */
function refuseUnsupported(json: JsonObject, where: string): void {
  const refuse = (field: string, supported: string): never => {
    throw new InputError(`${field} ${JSON.stringify(json[field])} is not supported`, where, `use a model ${supported}`);
  };
  if (flag(json, "attention_bias", where)) refuse("attention_bias", "without attention biases");
  if (flag(json, "use_sliding_window", where)) refuse("use_sliding_window", "with full attention");
  const layerTypes = json["layer_types"] ?? [];
  if (!Array.isArray(layerTypes) || layerTypes.some((type) => type !== "full_attention")) {
    refuse("layer_types", "with full attention in each layer");
  }
  if ((json["hidden_act"] ?? "silu") !== "silu") refuse("hidden_act", "with hidden_act silu");
  if (json["quantization_config"] != null) refuse("quantization_config", "with weights in F32, F16 or BF16");
}

function parseRopeTheta(json: JsonObject, where: string): number {
  for (const field of ["rope_parameters", "rope_scaling"]) {
    const rope = json[field];
    if (rope == null) continue;
    const type = isJsonObject(rope) ? rope["rope_type"] ?? rope["type"] ?? "default" : rope;
    const partial = isJsonObject(rope) ? rope["partial_rotary_factor"] ?? 1 : 1;
    if (type !== "default" || partial !== 1) {
      throw new InputError(
        `${field} ${JSON.stringify(rope)} is not supported`,
        where,
        'use a model with rope_type "default"',
      );
    }
  }
  const parameters = json["rope_parameters"];
  if (isJsonObject(parameters) && parameters["rope_theta"] != null) {
    return positive(parameters, "rope_theta", `${where} (rope_parameters)`);
  }
  // Without a default: a theta in a place not known here must not pass for a missing one.
  return positive(json, "rope_theta", where);
}

/** A field's value; null counts as missing, as in transformers. */
function field(json: JsonObject, name: string, where: string, fallback?: unknown): unknown {
  const value = json[name] ?? fallback;
  if (value === undefined) throw new InputError(`${name} is missing`, where, `add ${name}`);
  return value;
}

function count(json: JsonObject, name: string, where: string, fallback?: number): number {
  const value = field(json, name, where, fallback);
  // A fallback is computed here, and checked by the caller.
  if (value === fallback && json[name] == null) return fallback!;
  if (typeof value === "number" && Number.isInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw new InputError(`${name} is ${JSON.stringify(value)}`, where, "use a positive whole number below 2^31");
}

function positive(json: JsonObject, name: string, where: string, fallback?: number): number {
  const value = field(json, name, where, fallback);
  if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value;
  throw new InputError(`${name} is ${JSON.stringify(value)}`, where, "use a positive number");
}

function flag(json: JsonObject, name: string, where: string): boolean {
  const value = field(json, name, where, false);
  if (typeof value === "boolean") return value;
  throw new InputError(`${name} is ${JSON.stringify(value)}`, where, "use true or false");
}

function eosIds(json: unknown, where: string): number[] {
  if (!isJsonObject(json)) {
    throw new InputError("is not a JSON object", where, "give a JSON object, or remove the file");
  }
  const ids = [json["eos_token_id"] ?? []].flat();
  if (ids.every((id) => typeof id === "number" && Number.isInteger(id) && id >= 0)) return ids as number[];
  throw new InputError(
    `eos_token_id is ${JSON.stringify(json["eos_token_id"])}`,
    where,
    "use a token id or a list of them",
  );
}
