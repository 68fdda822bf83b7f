/** The shape of a decoder as the engine needs it, read from a Hugging Face `config.json`. */
import { InputError } from "../errors.ts";
import { isJsonObject, type JsonObject } from "./json.ts";

/** What tells the architectures apart that the engine computes, by the `model_type` of `config.json`. */
const DESCRIPTIONS = {
  qwen3: {
    modelClass: "Qwen3ForCausalLM",
    blockNorms: "input",
    headNorms: "head",
    defaults: { rms_norm_eps: 1e-6, sliding_window: undefined },
  },
  olmo3: {
    modelClass: "Olmo3ForCausalLM",
    blockNorms: "output",
    headNorms: "projection",
    defaults: { rms_norm_eps: 1e-5, sliding_window: 4096 },
  },
} as const;
export type Architecture = keyof typeof DESCRIPTIONS;
export const ARCHITECTURES = Object.keys(DESCRIPTIONS) as readonly Architecture[];

/** YaRN's stretching of rotary embeddings (arXiv 2309.00071), as transformers computes it. */
export interface Yarn {
  readonly factor: number;
  readonly originalPositions: number;
  readonly betaFast: number;
  readonly betaSlow: number;
  /** Factor of cosines and sines. */
  readonly attentionFactor: number;
  /** Whether the range of stretched dimensions is rounded outwards. */
  readonly truncate: boolean;
}

/** Rotary position embedding of a layer. */
export interface Rotation {
  readonly theta: number;
  readonly yarn: Yarn | null;
}

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
    attention: parseAttention(json, where, architecture, layers),
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

const LAYER_TYPES = ["full_attention", "sliding_attention"] as const;
type LayerType = typeof LAYER_TYPES[number];

function parseAttention(
  json: JsonObject,
  where: string,
  architecture: Architecture,
  layers: number,
): readonly LayerAttention[] {
  const types = layerTypes(json, where, architecture, layers);
  const window = types.includes("sliding_attention")
    ? count(json, "sliding_window", where, DESCRIPTIONS[architecture].defaults.sliding_window)
    : null;
  const kinds = new Map<LayerType, LayerAttention>();
  for (const type of new Set(types)) {
    const rotation = parseRotation(json, where, architecture, type);
    kinds.set(type, { window: type === "sliding_attention" ? window : null, rotation });
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

/**
 * The rotation of one kind of layer. `rope_parameters` may hold an object for each kind; the older `rope_scaling` of
 * Olmo-3 stretches full attention only, that of Qwen3 every layer.
 */
function parseRotation(json: JsonObject, where: string, architecture: Architecture, type: LayerType): Rotation {
  const parameters = json["rope_parameters"] ?? undefined;
  const nested = isJsonObject(parameters) ? parameters[type] : undefined;
  const own = isJsonObject(nested) ? nested : isJsonObject(parameters) ? parameters : undefined;
  if (parameters !== undefined && !own) {
    throw new InputError(`rope_parameters ${JSON.stringify(parameters)} is not supported`, where, "use a JSON object");
  }
  const whereOwn = own ? `${where} (rope_parameters)` : where;
  const theta = own?.["rope_theta"] != null
    ? positive(own, "rope_theta", whereOwn)
    : positive(json, "rope_theta", where);
  const stretched = architecture !== "olmo3" || type === "full_attention" || isJsonObject(nested);
  const older = stretched ? json["rope_scaling"] ?? undefined : undefined;
  const yarns = [["rope_parameters", own], ["rope_scaling", older]] as const;
  for (const [name, scaling] of yarns) {
    const yarn = scaling === undefined ? null : parseScaling(scaling, name, where);
    if (yarn) return { theta, yarn };
  }
  return { theta, yarn: null };
}

function parseScaling(scaling: unknown, name: string, where: string): Yarn | null {
  const json = isJsonObject(scaling) ? scaling : {};
  const type = isJsonObject(scaling) ? json["rope_type"] ?? json["type"] ?? "default" : scaling;
  if ((json["partial_rotary_factor"] ?? 1) === 1 && type === "default") return null;
  const unsupported = ["mscale", "mscale_all_dim"].some((field) => json[field] != null);
  if ((json["partial_rotary_factor"] ?? 1) !== 1 || type !== "yarn" || unsupported) {
    throw new InputError(
      `${name} ${JSON.stringify(scaling)} is not supported`,
      where,
      'use a model with rope_type "default" or "yarn"',
    );
  }
  const inside = `${where} (${name})`;
  const factor = positive(json, "factor", inside);
  return {
    factor,
    originalPositions: count(json, "original_max_position_embeddings", inside),
    betaFast: positive(json, "beta_fast", inside, 32),
    betaSlow: positive(json, "beta_slow", inside, 1),
    attentionFactor: positive(json, "attention_factor", inside, factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1),
    truncate: json["truncate"] == null ? true : flag(json, "truncate", inside),
  };
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
