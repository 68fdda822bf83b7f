/** The shape of a decoder as the engine needs it, read from a Hugging Face `config.json` by the row of its family. */
import { InputError } from "../errors.ts";
import {
  type Activation,
  ACTIVATIONS,
  type Architecture,
  type ArchitectureRow,
  ARCHITECTURES,
  IGNORED_FIELDS,
  MISSING,
  PARALLEL_FIELD,
  rowOf,
} from "./architectures.ts";
import { count, flag, positive } from "./fields.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import { LAYER_TYPES, type LayerType, readRotations, ROTARY_FIELDS, type Rotation } from "./rotary.ts";

/** How a block attends. */
export interface LayerAttention {
  /** A query sees itself and the window - 1 tokens before it; null: all before it. */
  readonly window: number | null;
  /** Layers that turn alike share one object; one of no dimensions where nothing turns. */
  readonly rotation: Rotation;
  /** Factor of <q, k>: the one place where the scale of scores comes from. */
  readonly scale: number;
  /** Scores S become cap tanh(S / cap); null: they stay. */
  readonly cap: number | null;
}

/** What a block's MLP is. */
export type LayerMlp =
  | { readonly kind: "gated" | "plain"; readonly activation: Activation; readonly width: number }
  | {
    readonly kind: "experts";
    readonly activation: Activation;
    /** Of each expert. */
    readonly width: number;
    readonly experts: number;
    /** Experts that a token is sent to. */
    readonly chosen: number;
    /** Whether the shares of those chosen are divided by their sum. */
    readonly normalised: boolean;
  };

export interface ModelConfig {
  readonly architecture: Architecture;
  readonly vocabulary: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
  readonly normEpsilon: number;
  /** [layers] */
  readonly attention: readonly LayerAttention[];
  /** [layers] */
  readonly mlp: readonly LayerMlp[];
  readonly biases: { readonly queryKeyValue: boolean; readonly output: boolean; readonly mlp: boolean };
  /** Attention and MLP read the same input. */
  readonly isParallel: boolean;
  /** Factor of the embedding where it enters the residual stream. */
  readonly embeddingScale: number;
  /** Logits z are cap tanh(z / cap); null: they stay. */
  readonly logitCap: number | null;
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

/** Columns that a head takes on the device: its dimensions, rounded up for whole vec4 in both rotated halves. */
export const headColumns = ({ headDimension }: Pick<ModelConfig, "headDimension">): number =>
  Math.ceil(headDimension / 8) * 8;

/** More than any model has: what is read of each layer takes memory before a single weight is seen. */
const MOST_LAYERS = 10_000;

/** More than any model has: what is read of each head takes memory before a single weight is seen. */
const MOST_HEADS = 1024;

/** Experts of a block that the kernels have room for. */
const MOST_EXPERTS = 1024;

/** Widest head that the kernels have room for. */
const MAX_HEAD_DIMENSION = 256;

/**
 * Reads `config.json` as transformers writes it, in the style of version 4 (`rope_theta`, `rope_scaling`) and of
 * version 5 (`rope_parameters`). Fields that may be missing get the defaults of the family's row, but for `head_dim`,
 * which is then hidden / heads. The ids that end a generation are those of `generation_config.json`, when it
 * names any, else those of `config.json`.
 * Throws InputError, naming the field, for what is missing, of a wrong type, or asks for what the engine cannot compute.
 */
export function parseConfig(given: unknown, where: string, generation?: JsonFile): ModelConfig {
  if (!isJsonObject(given)) {
    throw new InputError("is not a JSON object", where, "give the config.json of a Hugging Face model");
  }
  const architecture = parseArchitecture(given, where);
  const row = rowOf(architecture);
  const decoder = decoderConfig(given, row, where);
  refuseUnsupported(decoder, row, where);
  const json = { ...decoder };
  for (const [name, value] of Object.entries(row.defaults)) json[name] ??= value;
  const { fields } = row;
  const layers = count(json, fields.layers, where);
  if (layers > MOST_LAYERS) {
    throw new InputError(`${fields.layers} is ${layers}`, where, `use a model of at most ${MOST_LAYERS} layers`);
  }
  const hidden = count(json, fields.hidden, where);
  const heads = count(json, fields.heads, where);
  if (heads > MOST_HEADS) {
    throw new InputError(`${fields.heads} is ${heads}`, where, `use a model of at most ${MOST_HEADS} heads`);
  }
  const keyValueHeads = count(json, "num_key_value_heads", where, heads);
  if (heads % keyValueHeads !== 0) {
    throw new InputError(
      `${fields.heads} ${heads} is not a multiple of num_key_value_heads ${keyValueHeads}`,
      where,
      "correct one of them",
    );
  }
  const headDimension = count(json, "head_dim", where, hidden / heads);
  checkHeadDimension(headDimension, row, where);
  const maxPositions = count(json, fields.positions, where);
  const rotations = row.rotary
    ? readRotations({ json, where, row: row.rotary, headDimension, maxPositions })
    : { ofType: { full_attention: UNTURNED, sliding_attention: UNTURNED }, notes: [] };
  return {
    architecture,
    vocabulary: count(json, "vocab_size", where),
    hidden,
    layers,
    heads,
    keyValueHeads,
    headDimension,
    normEpsilon: positive(json, fields.normEpsilon, where),
    attention: parseAttention({ json, where, row, layers, headDimension, rotations: rotations.ofType }),
    mlp: parseMlp(json, where, row, { layers, hidden }),
    biases: parseBiases(json, where, row),
    isParallel: row.reads.includes(PARALLEL_FIELD) && flag(json, PARALLEL_FIELD, where),
    embeddingScale: row.scalesEmbedding ? Math.fround(Math.sqrt(hidden)) : 1,
    logitCap: row.reads.includes("final_logit_softcapping") ? capOf(json, "final_logit_softcapping", where) : null,
    tiedEmbeddings: flag(json, "tie_word_embeddings", where),
    maxPositions,
    // A model with other parts names them itself, or its text part does.
    eosIds: endIds({ ...decoder, ...given }, where, generation),
    notes: rotations.notes,
  };
}

function parseArchitecture(json: JsonObject, where: string): Architecture {
  const type = json["model_type"];
  const classes = json["architectures"];
  const known = ARCHITECTURES.find((name) => name === type);
  if (!known) {
    const missing = typeof type === "string" && Object.hasOwn(MISSING, type) ? `: ${MISSING[type]}` : "";
    throw new InputError(
      `the architecture ${JSON.stringify(type ?? classes ?? null)} (model_type) is not supported${missing}`,
      where,
      `use a model of one of: ${ARCHITECTURES.join(", ")}`,
    );
  }
  const { modelClasses } = rowOf(known);
  if (Array.isArray(classes) && classes.length > 0 && !classes.some((name) => modelClasses.includes(name))) {
    throw new InputError(
      `the model class ${JSON.stringify(classes)} (architectures) is not supported`,
      where,
      `use a language model: ${modelClasses.join(", ")}`,
    );
  }
  return known;
}

/** The part of a config that is the decoder's: all of it, or one field where a model has other parts beside. */
function decoderConfig(json: JsonObject, { within }: ArchitectureRow, where: string): JsonObject {
  if (!within) return json;
  const { [within.field]: decoder, quantization_config = null, tie_word_embeddings = null } = json;
  if (!isJsonObject(decoder)) {
    throw new InputError(
      `${within.field} is ${JSON.stringify(decoder)}`,
      where,
      "give the config of the language model",
    );
  }
  return {
    ...decoder,
    ...(quantization_config === null ? {} : { quantization_config }),
    ...(tie_word_embeddings === null ? {} : { tie_word_embeddings }),
  };
}

/** Fields that every family has. */
const COMMON_FIELDS = [
  "vocab_size",
  "num_key_value_heads",
  "head_dim",
  "layer_types",
  "sliding_window",
  "tie_word_embeddings",
  "quantization_config",
  ...ROTARY_FIELDS,
] as const;

/** What a config can ask for and the engine does not compute: a wrong answer would go unnoticed. */
function refuseUnsupported(json: JsonObject, row: ArchitectureRow, where: string): void {
  const read = new Set<string>([...COMMON_FIELDS, ...Object.values(row.fields), ...row.reads]);
  for (const [name, value] of Object.entries(json)) {
    // What is null asks for nothing, nor does what is false.
    if (value === null || value === undefined) continue;
    if (name === "quantization_config") {
      throw new InputError(
        `quantization_config ${JSON.stringify(value)} is not supported`,
        where,
        "use a model with weights in F32, F16 or BF16",
      );
    }
    const only = Object.hasOwn(row.only, name) ? row.only[name] : undefined;
    const understood = only ? only.includes(value) : read.has(name) || IGNORED_FIELDS.has(name) || value === false;
    if (understood) continue;
    throw new InputError(
      `${name} ${JSON.stringify(value)} is not supported`,
      where,
      only
        ? `use a model with ${name} ${only.map((one) => JSON.stringify(one)).join(" or ")}`
        : "nobody reads this field: remove it, if the model is right without it",
    );
  }
}

function checkHeadDimension(headDimension: number, row: ArchitectureRow, where: string): void {
  const even = row.rotary === null || headDimension % 2 === 0;
  if (!Number.isInteger(headDimension) || !even) {
    throw new InputError(
      `head_dim is ${headDimension}, where rotary embeddings need an even whole number`,
      where,
      "correct head_dim",
    );
  }
  if (headDimension <= MAX_HEAD_DIMENSION) return;
  throw new InputError(
    `head_dim is ${headDimension}, and the engine's kernels take at most ${MAX_HEAD_DIMENSION}`,
    where,
    "use a model with another head_dim",
  );
}

interface AttentionSource {
  readonly json: JsonObject;
  readonly where: string;
  readonly row: ArchitectureRow;
  readonly layers: number;
  readonly headDimension: number;
  readonly rotations: Readonly<Record<LayerType, Rotation>>;
}

/** A layer whose queries and keys do not turn. */
const UNTURNED: Rotation = { dimension: 0, frequencies: [], attentionFactor: 1, long: null };

function parseAttention(source: AttentionSource): readonly LayerAttention[] {
  const { json, where, row, layers, headDimension, rotations } = source;
  const turns = turningLayers(source);
  const types = layerTypes(source, turns);
  const window = types.includes("sliding_attention") ? count(json, "sliding_window", where) : null;
  const scalar = row.reads.includes("query_pre_attn_scalar")
    ? positive(json, "query_pre_attn_scalar", where)
    : headDimension;
  const unscaled = row.reads.includes("scale_attn_weights") && !flag(json, "scale_attn_weights", where);
  const scale = unscaled ? 1 : 1 / Math.sqrt(scalar);
  const byLayer = row.reads.includes("scale_attn_by_inverse_layer_idx") &&
    flag(json, "scale_attn_by_inverse_layer_idx", where);
  const cap = row.reads.includes("attn_logit_softcapping") ? capOf(json, "attn_logit_softcapping", where) : null;
  const kinds = new Map<string, LayerAttention>();
  return Array.from({ length: layers }, (_, layer) => {
    const type = types[layer] as LayerType;
    const divisor = byLayer ? layer + 1 : 1;
    const key = `${type} ${turns[layer]} ${divisor}`;
    const kind = kinds.get(key) ?? {
      window: type === "sliding_attention" ? window : null,
      rotation: turns[layer] ? rotations[type] : UNTURNED,
      scale: scale / divisor,
      cap,
    };
    kinds.set(key, kind);
    return kind;
  });
}

function capOf(json: JsonObject, name: string, where: string): number | null {
  return json[name] == null ? null : positive(json, name, where);
}

/** Which layers have rotary embedding: all, or those with a 1 in `no_rope_layers`. */
function turningLayers({ json, where, row, layers }: AttentionSource): readonly boolean[] {
  if (!row.reads.includes("no_rope_layers")) return new Array<boolean>(layers).fill(true);
  const given = json["no_rope_layers"] ?? undefined;
  if (given === undefined) {
    const every = count(json, "no_rope_layer_interval", where);
    return Array.from({ length: layers }, (_, layer) => (layer + 1) % every !== 0);
  }
  if (Array.isArray(given) && given.length === layers && given.every((one) => one === 0 || one === 1)) {
    return given.map((one) => one === 1);
  }
  throw new InputError(
    `no_rope_layers is ${JSON.stringify(given)}`,
    where,
    `list ${layers} numbers, 1 with rotary embedding, 0 without`,
  );
}

function layerTypes({ json, where, row, layers }: AttentionSource, turns: readonly boolean[]): LayerType[] {
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
  const { windows } = row;
  const used = () => flag(json, "use_sliding_window", where);
  const slides = (layer: number): boolean => {
    if (windows === "none") return false;
    if (windows === "all") return json["sliding_window"] != null;
    if (windows === "all-when-used") return used();
    if (windows === "upper-when-used") return used() && layer >= count(json, "max_window_layers", where);
    if (windows === "unrotated-when-used") return used() && json["sliding_window"] != null && !turns[layer];
    const every = windows.field !== undefined && json[windows.field] != null
      ? count(json, windows.field, where)
      : windows.allBut;
    return (layer + 1) % every !== 0;
  };
  return Array.from({ length: layers }, (_, layer) => slides(layer) ? "sliding_attention" : "full_attention");
}

function parseActivation(json: JsonObject, where: string, row: ArchitectureRow): Activation {
  const name = row.fields.activation;
  const value = json[name] ?? "silu";
  // A gate is silu or gelu's tanh form where the row says nothing else.
  if (typeof value === "string" && Object.hasOwn(ACTIVATIONS, value)) return ACTIVATIONS[value] as Activation;
  throw new InputError(
    `${name} ${JSON.stringify(value)} is not supported`,
    where,
    `use a model with ${name} ${Object.keys(ACTIVATIONS).join(", ")}`,
  );
}

function parseMlp(
  json: JsonObject,
  where: string,
  row: ArchitectureRow,
  { layers, hidden }: { readonly layers: number; readonly hidden: number },
): readonly LayerMlp[] {
  const activation = parseActivation(json, where, row);
  const { mlp, experts } = row.tensors;
  const width = count(json, row.fields.intermediate, where, mlp.kind === "plain" ? 4 * hidden : undefined);
  const dense: LayerMlp = { kind: mlp.kind, activation, width };
  if (!experts) return new Array<LayerMlp>(layers).fill(dense);
  const number = json["num_experts"] != null ? "num_experts" : "num_local_experts";
  const sparse: LayerMlp = {
    kind: "experts",
    activation,
    width: count(json, "moe_intermediate_size", where),
    experts: count(json, number, where),
    chosen: count(json, "num_experts_per_tok", where),
    normalised: flag(json, "norm_topk_prob", where),
  };
  if (sparse.chosen > sparse.experts || sparse.experts > MOST_EXPERTS) {
    throw new InputError(
      `${number} is ${sparse.experts} where num_experts_per_tok is ${sparse.chosen}`,
      where,
      `use from num_experts_per_tok to ${MOST_EXPERTS} experts`,
    );
  }
  const step = count(json, "decoder_sparse_step", where);
  const only = json["mlp_only_layers"] ?? [];
  if (!Array.isArray(only) || !only.every((layer) => Number.isInteger(layer))) {
    throw new InputError(`mlp_only_layers is ${JSON.stringify(only)}`, where, "list numbers of layers");
  }
  return Array.from(
    { length: layers },
    (_, layer) => only.includes(layer) || (layer + 1) % step !== 0 ? dense : sparse,
  );
}

function parseBiases(json: JsonObject, where: string, { biases }: ArchitectureRow): ModelConfig["biases"] {
  const has = (bias: boolean | string) => typeof bias === "string" ? flag(json, bias, where) : bias;
  return { queryKeyValue: has(biases.queryKeyValue), output: has(biases.output), mlp: has(biases.mlp) };
}

/** As transformers: those of generation_config.json, where it names any. */
function endIds(json: JsonObject, where: string, generation: JsonFile | undefined): readonly number[] {
  const own = eosIds(json, where);
  const named = generation ? eosIds(generation.json, generation.where) : [];
  return [...new Set(named.length > 0 ? named : own)];
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
