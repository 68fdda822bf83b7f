/**
 * Rotary position embedding (arXiv 2104.09864): from the rope block of a config to the angle that a position adds to
 * each pair of dimensions. Types and arithmetic are those of transformers (modeling_rope_utils.py, 5.24), rounded to
 * float32 where it rounds, since the angle's rounding error grows with the position:
 * default; linear (kaiokendev); llama3 (Llama 3.1); yarn (arXiv 2309.00071); longrope (arXiv 2402.13753).
 */
import { InputError } from "../errors.ts";
import { count, flag, positive, positives } from "./fields.ts";
import { isJsonObject, type JsonObject } from "./json.ts";

/** How a layer turns its queries and keys. */
export interface Rotation {
  /** Dimensions of a head that turn, the first ones; even. Dimension d is paired with d + dimension / 2. */
  readonly dimension: number;
  /** Angle that a position adds to each pair, [dimension / 2]. */
  readonly frequencies: readonly number[];
  /** Factor of cosines and sines. */
  readonly attentionFactor: number;
  /** longrope: other frequencies for contexts of more than `beyond` tokens; null where length changes nothing. */
  readonly long: { readonly beyond: number; readonly frequencies: readonly number[] } | null;
}

/**
 * The frequencies of a context of so many tokens. As transformers computes a whole context at once, all its positions
 * turn by one set: longrope's short factors up to the original context, its long factors for a longer one, whatever the
 * position. A context that grows past the border (generation) has to be computed again from its first token.
 */
export function frequenciesFor({ frequencies, long }: Rotation, tokens: number): readonly number[] {
  return long && tokens > long.beyond ? long.frequencies : frequencies;
}

/** The context lengths past which some rotation turns by other frequencies, ascending; none for most models. */
export const bordersOf = (rotations: readonly Rotation[]): readonly number[] =>
  [...new Set(rotations.flatMap(({ long }) => long ? [long.beyond] : []))].sort((a, b) => a - b);

/** Whether contexts of two lengths turn by the same frequencies: only then is one's beginning what the other is. */
export const turnAlike = (borders: readonly number[], tokens: number, others: number): boolean =>
  borders.every((border) => (tokens > border) === (others > border));

/** The unscaled rotation of whole heads. */
export function plainRotation(theta: number, dimension: number): Rotation {
  return { dimension, frequencies: inverse(wavelengths(theta, dimension)), attentionFactor: 1, long: null };
}

export const LAYER_TYPES = ["full_attention", "sliding_attention"] as const;
export type LayerType = typeof LAYER_TYPES[number];

/** Where a family keeps what its rotations are made of. */
export interface RotaryRow {
  /** The field of the base, and its value where the config has none; undefined: it must be there. */
  readonly theta: { readonly field: "rope_theta" | "rotary_emb_base"; readonly fallback?: number };
  /** The field that says which share of a head turns, and its value where the config has none; null: whole heads do. */
  readonly share: { readonly field: "partial_rotary_factor" | "rotary_pct"; readonly fallback: number } | null;
  /**
   * How sliding layers turn where the block is one for all layers: like the others; without its stretching (Olmo-3);
   * without it and by a base of their own, from this field (Gemma 3).
   */
  readonly sliding: "same" | "plain" | { readonly field: "rope_local_base_freq"; readonly fallback: number };
}

/** Most families. */
export const COMMON_ROTARY: RotaryRow = {
  theta: { field: "rope_theta" },
  share: null,
  sliding: "same",
};

/** Fields of a config that `readRotations` reads. */
export const ROTARY_FIELDS = [
  "rope_parameters",
  "rope_scaling",
  "rope_theta",
  "rotary_emb_base",
  "rope_local_base_freq",
  "partial_rotary_factor",
  "rotary_pct",
  "original_max_position_embeddings",
] as const;

/** Keys of a rope block that each type reads, besides the type itself, `rope_theta` and `partial_rotary_factor`. */
const KEYS = {
  default: [],
  linear: ["factor"],
  llama3: ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
  yarn: [
    "factor",
    "original_max_position_embeddings",
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "mscale",
    "mscale_all_dim",
    "truncate",
  ],
  longrope: ["factor", "original_max_position_embeddings", "attention_factor", "short_factor", "long_factor"],
} as const satisfies Readonly<Record<string, readonly string[]>>;
type RopeType = keyof typeof KEYS;

/** What a model's rotations are read from. */
export interface RotarySource {
  readonly json: JsonObject;
  readonly where: string;
  readonly row: RotaryRow;
  readonly headDimension: number;
  readonly maxPositions: number;
}

export interface Rotations {
  readonly ofType: Readonly<Record<LayerType, Rotation>>;
  /** What the user should know: one plain line each. */
  readonly notes: readonly string[];
}

/**
 * The rotation of each kind of layer, from `rope_parameters` (transformers 5; one block, or one for each kind) or from
 * `rope_theta` and `rope_scaling` (transformers 4). Layers that are stretched alike share one object.
 * Throws InputError for a type that is not computed (`dynamic` changes with every token), for a key that nobody reads,
 * and for values that are missing or make no sense.
 */
export function readRotations(source: RotarySource): Rotations {
  const notes: string[] = [];
  const known = new Map<string, Rotation>();
  const rotation = (type: LayerType): Rotation => {
    const block = blockOf(source, type);
    const key = JSON.stringify([block.theta, block.json]);
    const made = known.get(key) ?? makeRotation(source, block, notes);
    known.set(key, made);
    return made;
  };
  const ofType = { full_attention: rotation("full_attention"), sliding_attention: rotation("sliding_attention") };
  return { ofType, notes: [...new Set(notes)] };
}

/** What one kind of layer turns by. */
interface Block {
  readonly json: JsonObject;
  readonly where: string;
  readonly theta: number;
}

function blockOf(source: RotarySource, type: LayerType): Block {
  const { json, where, row } = source;
  const [name, block] = chosenBlock(json, where);
  const nested = LAYER_TYPES.some((kind) => isJsonObject(block[kind]));
  if (nested) {
    // transformers writes a plain block around those of the layers, and does not read it.
    const known = [...LAYER_TYPES, "rope_theta", "rope_type"];
    refuseUnknownKeys(block, known, `${where} (${name})`, "keep one block for each kind of layer");
    const own = block[type];
    if (isJsonObject(own)) return { json: own, where: `${where} (${name}, ${type})`, theta: baseOf(source, own, type) };
    return { json: {}, where, theta: baseOf(source, {}, type) };
  }
  if (type === "sliding_attention" && row.sliding !== "same") {
    const theta = row.sliding === "plain" ? baseOf(source, block, type) : baseOf(source, {}, type);
    // Which share of a head turns is no stretching.
    const { partial_rotary_factor } = block;
    return { json: partial_rotary_factor === undefined ? {} : { partial_rotary_factor }, where, theta };
  }
  return { json: block, where: `${where} (${name})`, theta: baseOf(source, block, type) };
}

/** `rope_scaling` goes before `rope_parameters`, as in transformers, which then misses the other's `rope_theta`. */
function chosenBlock(json: JsonObject, where: string): readonly [string, JsonObject] {
  const blocks = (["rope_scaling", "rope_parameters"] as const).map((name) => {
    const block = json[name] ?? {};
    if (isJsonObject(block)) return [name, block] as const;
    throw new InputError(`${name} ${JSON.stringify(block)} is not supported`, where, "use a JSON object");
  });
  const [older, newer] = blocks as [readonly [string, JsonObject], readonly [string, JsonObject]];
  if (Object.keys(older[1]).length === 0) return newer;
  const { rope_theta, rope_type: type, ...others } = newer[1];
  const same = Object.entries(others).every(([key, value]) => Object.is(value, older[1][key]));
  if (!same || (type ?? "default") !== "default" && type !== (older[1]["rope_type"] ?? older[1]["type"])) {
    throw new InputError("rope_scaling and rope_parameters ask for different rotations", where, "keep one of them");
  }
  return [older[0], rope_theta == null ? older[1] : { rope_theta, ...older[1] }];
}

function baseOf({ json, where, row }: RotarySource, block: JsonObject, type: LayerType): number {
  if (block["rope_theta"] != null) return positive(block, "rope_theta", where);
  if (type === "sliding_attention" && typeof row.sliding === "object") {
    return positive(json, row.sliding.field, where, row.sliding.fallback);
  }
  // Both names, since older files of a family may be converted by hand.
  return positive(json, row.theta.field, where, row.theta.fallback);
}

function refuseUnknownKeys(block: JsonObject, known: readonly string[], where: string, mend: string): void {
  for (const [key, value] of Object.entries(block)) {
    if (value === null || known.includes(key)) continue;
    throw new InputError(`nobody reads the key ${JSON.stringify(key)} (${JSON.stringify(value)})`, where, mend);
  }
}

function ropeType(block: JsonObject, where: string): RopeType {
  const type = block["rope_type"] ?? block["type"] ?? "default";
  // Early files of Phi-3 call longrope "su" or "yarn".
  const named = type === "su" || type === "yarn" && block["short_factor"] != null ? "longrope" : type;
  if (typeof named === "string" && Object.hasOwn(KEYS, named)) return named as RopeType;
  const reason = type === "dynamic" ? ", whose frequencies change with every token," : "";
  throw new InputError(
    `rope_type ${JSON.stringify(type)}${reason} is not supported`,
    where,
    `use a model with one of: ${Object.keys(KEYS).join(", ")}`,
  );
}

function makeRotation(source: RotarySource, { json: block, where, theta }: Block, notes: string[]): Rotation {
  const type = ropeType(block, where);
  const { attn_factor: other, ...rest } = block;
  if (other != null) notes.push(attnFactorNote(other, block, type, where));
  const general = ["rope_type", "type", "rope_theta", "partial_rotary_factor"];
  refuseUnknownKeys(rest, [...general, ...KEYS[type]], where, `remove it, if rope_type ${type} is right without it`);
  const dimension = rotaryDimension(source, block, where);
  const waves = wavelengths(theta, dimension);
  if (type === "default") return { dimension, frequencies: inverse(waves), attentionFactor: 1, long: null };
  if (type === "linear") {
    const factor = positive(block, "factor", where);
    const frequencies = inverse(waves).map((frequency) => Math.fround(frequency / factor));
    return { dimension, frequencies, attentionFactor: 1, long: null };
  }
  if (type === "llama3") {
    return { dimension, frequencies: llama3(block, where, source, waves), attentionFactor: 1, long: null };
  }
  return type === "yarn"
    ? yarn(block, where, source, { theta, dimension, waves })
    : longrope(block, where, source, { dimension, waves });
}

/** DeepSeek-R1-0528-Qwen3-8B has this key: vLLM reads it, transformers does not (deepseek-ai/DeepSeek-R1#684). */
function attnFactorNote(value: unknown, block: JsonObject, type: RopeType, where: string): string {
  const factor = typeof block["factor"] === "number" ? block["factor"] : 1;
  const asVllm = type === "yarn" && typeof value === "number" && block["attention_factor"] == null
    ? `; vLLM reads it: for its numbers add "attention_factor": ${Number((value * magnitude(factor)).toPrecision(6))}`
    : "";
  return `${where}: attn_factor ${JSON.stringify(value)} is not read, as in transformers${asVllm}`;
}

/** Dimensions of a head that turn. */
function rotaryDimension(source: RotarySource, block: JsonObject, whereBlock: string): number {
  const { json, where, row, headDimension } = source;
  const own = block["partial_rotary_factor"] != null;
  const field = own ? "partial_rotary_factor" : row.share?.field ?? "partial_rotary_factor";
  const share = positive(own ? block : json, field, own ? whereBlock : where, row.share?.fallback ?? 1);
  const dimension = Math.trunc(headDimension * share);
  if (row.share === null && dimension !== headDimension) {
    // transformers reads it there with some types of rotation and ignores it with others.
    throw new InputError(`${field} is ${share}, where whole heads turn`, own ? whereBlock : where, `remove ${field}`);
  }
  if (dimension > 0 && dimension <= headDimension && dimension % 2 === 0) return dimension;
  throw new InputError(
    `${dimension} of a head's ${headDimension} dimensions turn (${field} ${share})`,
    own ? whereBlock : where,
    "use a share that gives an even number of them",
  );
}

/** [dimension / 2], in positions over 2 pi. */
function wavelengths(theta: number, dimension: number): readonly number[] {
  return Array.from({ length: dimension / 2 }, (_, pair) => Math.fround(theta ** Math.fround(2 * pair / dimension)));
}

function inverse(waves: readonly number[]): readonly number[] {
  return waves.map((wave) => Math.fround(1 / wave));
}

/** The context that a model was trained with before it was stretched. Phi-3 has it outside the block, and means that. */
function originalPositions({ json, where }: RotarySource, block: JsonObject, whereBlock: string): number {
  const name = "original_max_position_embeddings";
  return json[name] == null ? count(block, name, whereBlock) : count(json, name, where);
}

function llama3(block: JsonObject, where: string, source: RotarySource, waves: readonly number[]): readonly number[] {
  const factor = positive(block, "factor", where);
  const low = positive(block, "low_freq_factor", where);
  const high = positive(block, "high_freq_factor", where);
  const original = originalPositions(source, block, where);
  if (high <= low) {
    throw new InputError(`high_freq_factor ${high} is not above low_freq_factor ${low}`, where, "correct one of them");
  }
  return inverse(waves).map((frequency) => {
    // A number over a tensor is the tensor's reciprocal times the number, in torch.
    const turn = Math.fround(Math.fround(1 / frequency) * Math.fround(2 * Math.PI));
    if (turn > original / low) return Math.fround(frequency / factor);
    if (turn < original / high) return frequency;
    const smooth = Math.fround(Math.fround(Math.fround(Math.fround(1 / turn) * original) - low) / (high - low));
    const stretched = Math.fround(Math.fround(Math.fround(1 - smooth) * frequency) / factor);
    return Math.fround(stretched + Math.fround(smooth * frequency));
  });
}

/** YaRN's scale of cosines and sines for a stretching by `factor`. */
function magnitude(factor: number, weight = 1): number {
  return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
}

function yarn(
  block: JsonObject,
  where: string,
  source: RotarySource,
  { theta, dimension, waves }: { theta: number; dimension: number; waves: readonly number[] },
): Rotation {
  const factor = positive(block, "factor", where);
  const original = originalPositions(source, block, where);
  const betaFast = positive(block, "beta_fast", where, 32);
  const betaSlow = positive(block, "beta_slow", where, 1);
  const [mscale, all] = ["mscale", "mscale_all_dim"].map((name) => block[name] ? positive(block, name, where) : null);
  const usual = mscale != null && all != null ? magnitude(factor, mscale) / magnitude(factor, all) : magnitude(factor);
  const truncate = block["truncate"] == null || flag(block, "truncate", where);
  // The dimension that turns this often over the original context.
  const turning = (turns: number) => dimension * Math.log(original / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
  const round = (value: number, to: (value: number) => number) => truncate ? to(value) : value;
  const low = Math.max(round(turning(betaFast), Math.floor), 0);
  const high = Math.min(round(turning(betaSlow), Math.ceil), dimension - 1);
  const span = low === high ? 0.001 : high - low;
  const frequencies = waves.map((wave, pair) => {
    // Fast dimensions keep their frequency, slow ones are stretched by the factor, those between are mixed.
    const keep = Math.fround(1 - Math.min(1, Math.max(0, Math.fround((pair - low) / span))));
    const stretched = Math.fround(1 / Math.fround(factor * wave));
    return Math.fround(Math.fround(stretched * Math.fround(1 - keep)) + Math.fround(Math.fround(1 / wave) * keep));
  });
  return { dimension, frequencies, attentionFactor: positive(block, "attention_factor", where, usual), long: null };
}

function longrope(
  block: JsonObject,
  where: string,
  source: RotarySource,
  { dimension, waves }: { dimension: number; waves: readonly number[] },
): Rotation {
  const original = originalPositions(source, block, where);
  const factor = positive(block, "factor", where, source.maxPositions / original);
  const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  const stretched = (name: "short_factor" | "long_factor") =>
    positives(block, name, where, dimension / 2)
      .map((stretch, pair) => Math.fround(1 / Math.fround(Math.fround(stretch) * (waves[pair] as number))));
  return {
    dimension,
    frequencies: stretched("short_factor"),
    attentionFactor: positive(block, "attention_factor", where, usual),
    long: { beyond: original, frequencies: stretched("long_factor") },
  };
}
