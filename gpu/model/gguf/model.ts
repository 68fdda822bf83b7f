/** A GGUF file as a model: its tensors under Hugging Face's names, its metadata as config and tokenizer. */
import { resolve } from "node:path";
import { InputError } from "../../errors.ts";
import { type ModelConfig, parseConfig } from "../config.ts";
import type { JsonObject } from "../json.ts";
import type { ModelTensor } from "../tensor.ts";
import { commonConfig, type Fields, fieldsOf } from "./config.ts";
import { type Family, familyOf, GGUF_ARCHITECTURES, targetOf } from "./families.ts";
import { type GgufFile, openGguf } from "./file.ts";
import type { GgufValue } from "./reader.ts";
import { endIds, tokenizerHashOf } from "./tokenizer.ts";

/** What is read of a GGUF file before its tensors are checked. */
export interface GgufSource {
  /** Absolute path of the file. */
  readonly directory: string;
  readonly config: ModelConfig;
  /** The config.json that would stand beside the same weights. */
  readonly configJson: JsonObject;
  readonly configPath: string;
  /** What stands for the config in the model's hash. */
  readonly configText: string;
  readonly files: readonly string[];
  /** By Hugging Face's names. */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  readonly tokenizerHash: string | null;
  readonly notes: readonly string[];
  close(): void;
}

/** Opens a GGUF file, or the first of its shards, as a model. Throws InputError for what is broken or not supported. */
export function openGgufSource(file: string): GgufSource {
  const path = resolve(file);
  const gguf = openGguf(path);
  try {
    const fields = fieldsOf(gguf);
    const family = supportedFamily(fields);
    refuseUnread(gguf, fields, family);
    const configJson: JsonObject = {
      architectures: [family.modelClass],
      model_type: family.modelType,
      ...Object.fromEntries(Object.entries(commonConfig(fields)).filter(([name]) => !family.without?.includes(name))),
      ...family.config(fields),
      eos_token_id: endIds(gguf),
    };
    const config = parseConfig(configJson, path);
    const tensors = namedTensors(gguf, family, configJson);
    return {
      directory: path,
      config,
      configJson,
      configPath: path,
      configText: identityOf(gguf),
      files: gguf.paths,
      tensors,
      tokenizerHash: tokenizerHashOf(gguf),
      notes: [],
      close: gguf.close,
    };
  } catch (error) {
    gguf.close();
    throw error;
  }
}

function supportedFamily(fields: Fields): Family {
  const family = familyOf(fields);
  if (family) return family;
  throw new InputError(
    `the architecture ${JSON.stringify(fields.architecture)} is not supported in GGUF files`,
    fields.path,
    `use a model of one of: ${GGUF_ARCHITECTURES.join(", ")}`,
  );
}

/** Settings that every family's config takes account of, or that change nothing that is computed. */
const KNOWN_SETTINGS = [
  "vocab_size",
  "context_length",
  "embedding_length",
  "block_count",
  "feed_forward_length",
  "attention.head_count",
  "attention.head_count_kv",
  "attention.key_length",
  "attention.value_length",
  "attention.layer_norm_rms_epsilon",
  "attention.layer_norm_epsilon",
  "rope.freq_base",
  "rope.dimension_count",
  "rope.scaling.type",
  "rope.scaling.factor",
  "rope.scaling.original_context_length",
  "rope.scaling.attn_factor",
  "rope.scaling.finetuned",
  "rope.scaling.yarn_log_multiplier",
  "rope.scaling.yarn_ext_factor",
  "rope.scaling.yarn_attn_factor",
  "rope.scaling.yarn_beta_fast",
  "rope.scaling.yarn_beta_slow",
  "tensor_data_layout",
];

/** A setting that nobody takes account of might change what the model computes. Those that are off change nothing. */
function refuseUnread({ metadata, paths }: GgufFile, { architecture }: Fields, { settings = [] }: Family): void {
  const known = new Set([...KNOWN_SETTINGS, ...settings].map((name) => `${architecture}.${name}`));
  for (const [name, value] of metadata) {
    const isOff = value === 0 || value === false || value === "none";
    if (!name.startsWith(`${architecture}.`) || known.has(name) || isOff) continue;
    throw new InputError(
      `the setting ${name} ${JSON.stringify(value).slice(0, 80)} is not understood`,
      paths[0]!,
      "use the model's Hugging Face folder, or a model without it",
    );
  }
}

/** Tensors that the config has taken account of. */
const READ_ELSEWHERE = /^(rope_freqs|rope_factors_short|rope_factors_long|blk\.\d+\.attn_rot_embd)\.weight$/;

function namedTensors(gguf: GgufFile, family: Family, config: JsonObject): ReadonlyMap<string, ModelTensor> {
  const named = new Map<string, ModelTensor>();
  for (const [name, tensor] of gguf.tensors) {
    if (READ_ELSEWHERE.test(name)) continue;
    const [, stem = name, kind = ""] = /^(.*)(\.(?:weight|bias))$/.exec(name) ?? [];
    const [, block] = /^blk\.(\d+)\./.exec(stem) ?? [];
    const target = family.tensors[stem.replace(/^blk\.\d+\./, "blk.#.")];
    if (target === undefined || kind === "") {
      throw new InputError(
        `the tensor ${name} is not understood in a model of the family ${family.modelType}`,
        tensor.path,
        "use the model's Hugging Face folder",
      );
    }
    const { name: hubName, change } = targetOf(target);
    for (const changed of change(tensor, hubName.replace("#", block ?? "") + kind, config)) {
      named.set(changed.info.name, changed);
    }
  }
  return named;
}

/** What stands for config.json in the model's hash: every setting of the architecture, as the file has it. */
function identityOf({ metadata }: GgufFile): string {
  const architecture = metadata.get("general.architecture") as string;
  const settings = [...metadata].filter(([name]) => name.startsWith(`${architecture}.`)).sort(byName);
  return JSON.stringify([architecture, settings, endIdSettings(metadata)]);
}

const endIdSettings = (metadata: ReadonlyMap<string, GgufValue>) =>
  [...metadata].filter(([name]) => /^tokenizer\.ggml\.(eos|eot|eom)_token_id$/.test(name)).sort(byName);

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => a < b ? -1 : a > b ? 1 : 0;
