/** The shape of a decoder as the engine needs it, read from a Hugging Face `config.json`. */
import { InputError } from "../errors.ts";
import { count, flag, positive } from "./fields.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import { COMMON_ROTARY, LAYER_TYPES, type LayerType, readRotations, type RotaryRow, type Rotation } from "./rotary.ts";

/** What tells the architectures apart that the engine computes, by the `model_type` of `config.json`. */
const DESCRIPTIONS = {
  qwen3: {
    modelClass: "Qwen3ForCausalLM",
    blockNorms: "input",
    headNorms: "head",
    rotary: COMMON_ROTARY,
    defaults: { rms_norm_eps: 1e-6, sliding_window: undefined },
  },
  olmo3: {
    modelClass: "Olmo3ForCausalLM",
    blockNorms: "output",
    headNorms: "projection",
    rotary: { ...COMMON_ROTARY, sliding: "plain" },
    defaults: { rms_norm_eps: 1e-5, sliding_window: 4096 },
  },
} as const satisfies Readonly<Record<string, { readonly rotary: RotaryRow; readonly [part: string]: unknown }>>;
export type Architecture = keyof typeof DESCRIPTIONS;
export const ARCHITECTURES = Object.keys(DESCRIPTIONS) as readonly Architecture[];

export interface LayerAttention {
  /** A query sees itself and the window - 1 tokens before it; null: all before it. */
  readonly window: number | null;
  readonly rotation: Rotation;
}

export interface ModelConfig {
  readonly architecture: Architecture;
  /** Where a block's two norms stand: on what attention and MLP read (pre-norm), or on what they write (post-norm). */
  readonly blockNorms: "input" | "output";
  /** What the norms of q and k run over: each head, or the whole projection. */
  readonly headNorms: "head" | "projection";
  readonly vocabulary: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
  readonly normEpsilon: number;
  /** [layers]; layers of one kind share one Rotation object. */
  readonly attention: readonly LayerAttention[];
  readonly tiedEmbeddings: boolean;
  /** Context limit in tokens. */
  readonly maxPositions: number;
  /** Ids that end a generation; may be empty. */
  readonly eosIds: readonly number[];
  /** What the user should know about how the config was read: one plain line each. */
  readonly notes: readonly string[];
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
  const { blockNorms, headNorms, defaults } = DESCRIPTIONS[architecture];
  refuseUnsupported(json, where);
  const layers = count(json, "num_hidden_layers", where);
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
  const maxPositions = count(json, "max_position_embeddings", where, 32_768);
  const row = DESCRIPTIONS[architecture].rotary;
  const { ofType, notes } = readRotations({ json, where, row, headDimension, maxPositions });
  for (const { dimension, long } of Object.values(ofType)) {
    if (dimension === headDimension && !long) continue;
    throw new InputError("partial rotary embeddings and longrope are not supported", where, "use another model");
  }
  return {
    architecture,
    blockNorms,
    headNorms,
    vocabulary: count(json, "vocab_size", where),
    hidden,
    intermediate: count(json, "intermediate_size", where),
    layers,
    heads,
    keyValueHeads,
    headDimension,
    normEpsilon: positive(json, "rms_norm_eps", where, defaults.rms_norm_eps),
    attention: parseAttention(json, where, architecture, layers, ofType),
    tiedEmbeddings: flag(json, "tie_word_embeddings", where),
    maxPositions,
    eosIds: [...new Set([...(generation ? eosIds(generation.json, generation.where) : []), ...eosIds(json, where)])],
    notes,
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
  const { modelClass } = DESCRIPTIONS[known];
  if (Array.isArray(classes) && classes.length > 0 && !classes.includes(modelClass)) {
    throw new InputError(
      `the model class ${JSON.stringify(classes)} (architectures) is not supported`,
      where,
      `use a language model: ${modelClass}`,
    );
  }
  return known;
}

/** What a config can ask for and the engine does not compute: a wrong answer would go unnoticed. */
function refuseUnsupported(json: JsonObject, where: string): void {
  const refuse = (field: string, supported: string): never => {
    throw new InputError(`${field} ${JSON.stringify(json[field])} is not supported`, where, `use a model ${supported}`);
  };
  if (flag(json, "attention_bias", where)) refuse("attention_bias", "without attention biases");
  if ((json["hidden_act"] ?? "silu") !== "silu") refuse("hidden_act", "with hidden_act silu");
  if (json["quantization_config"] != null) refuse("quantization_config", "with weights in F32, F16 or BF16");
}

function parseAttention(
  json: JsonObject,
  where: string,
  architecture: Architecture,
  layers: number,
  rotations: Readonly<Record<LayerType, Rotation>>,
): readonly LayerAttention[] {
  const types = layerTypes(json, where, architecture, layers);
  const window = types.includes("sliding_attention")
    ? count(json, "sliding_window", where, DESCRIPTIONS[architecture].defaults.sliding_window)
    : null;
  const kinds = new Map<LayerType, LayerAttention>();
  for (const type of new Set(types)) {
    kinds.set(type, { window: type === "sliding_attention" ? window : null, rotation: rotations[type] });
  }
  return types.map((type) => kinds.get(type)!);
}

function layerTypes(json: JsonObject, where: string, architecture: Architecture, layers: number): LayerType[] {
  const given = json["layer_types"] ?? undefined;
  if (given !== undefined) {
    const known = (type: unknown): type is LayerType => LAYER_TYPES.some((name) => name === type);
    if (Array.isArray(given) && given.length === layers && given.every(known)) return given;
    throw new InputError(
      `layer_types ${JSON.stringify(given)} is not supported`,
      where,
      `list ${layers} layers, each one of: ${LAYER_TYPES.join(", ")}`,
    );
  }
  if (architecture === "olmo3") {
    return Array.from({ length: layers }, (_, layer) => (layer + 1) % 4 === 0 ? "full_attention" : "sliding_attention");
  }
  const firstSliding = flag(json, "use_sliding_window", where) ? count(json, "max_window_layers", where, 28) : layers;
  return Array.from({ length: layers }, (_, layer) => layer < firstSliding ? "full_attention" : "sliding_attention");
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
