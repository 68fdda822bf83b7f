/** What lies in a model folder: its weights, in one file or in shards; or what lies there instead, and what helps. */
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { InputError } from "../errors.ts";
import { isJsonObject, parseJson, readTextFile } from "./json.ts";
import { openSafetensors, type SafetensorsFile, tensorOf } from "./safetensors.ts";
import type { ModelTensor } from "./tensor.ts";

export const CONFIG = "config.json";
const WEIGHTS = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const ADAPTER_CONFIG = "adapter_config.json";
export const GET_FILE = "download it into the model's folder";

export interface FolderWeights {
  readonly files: readonly SafetensorsFile[];
  /** In the order of their data; by the index's choice where two shards hold one name. */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
}

/** Throws InputError when there is no such folder. */
export async function requireFolder(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (!found) throw new InputError("there is no such folder", directory, "give the path of a model directory");
  if (!found.isDirectory()) {
    throw new InputError("is not a folder", directory, "give the model directory that holds config.json");
  }
}

/** The error for a folder without config.json: what it seems to be. */
export async function withoutConfig(directory: string): Promise<InputError> {
  const names = await namesIn(directory);
  const adapter = await readTextFile(join(directory, ADAPTER_CONFIG));
  if (adapter !== undefined) {
    const base = baseOf(adapter, join(directory, ADAPTER_CONFIG));
    return new InputError(
      `holds a LoRA adapter${base === undefined ? "" : ` of ${base}`} and no model`,
      directory,
      `give the base model and the adapter: --model ${base ?? "MODEL"} --lora ${directory}`,
    );
  }
  const gguf = names.find((name) => name.endsWith(".gguf"));
  if (gguf !== undefined) {
    return new InputError("holds GGUF files", directory, `give the file: ${join(directory, gguf)}`);
  }
  if (names.includes("params.json") && names.some((name) => name.startsWith("consolidated."))) {
    return new InputError(
      "is in the format of Meta's or Mistral's own code (params.json, consolidated)",
      directory,
      "use the model in the format of Hugging Face transformers",
    );
  }
  const inside = await foldersWithConfig(directory, names);
  if (inside.length > 0) {
    return new InputError(`has no ${CONFIG}, but models inside`, directory, `give one of: ${inside.join(", ")}`);
  }
  return new InputError("there is no such file", join(directory, CONFIG), GET_FILE);
}

/** An adapter beside a whole model would be merged by transformers: refused, so that nobody takes one for the other. */
export async function refuseStrayAdapter(directory: string): Promise<void> {
  const path = join(directory, ADAPTER_CONFIG);
  if (await readTextFile(path) === undefined) return;
  throw new InputError(
    "a LoRA adapter lies beside the model, which would not be merged into it",
    path,
    "move the adapter to a folder of its own and name that with --lora, or remove it",
  );
}

const LISTED = 5;

async function foldersWithConfig(directory: string, names: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of names) {
    if (await stat(join(directory, name, CONFIG)).then(() => true, () => false)) found.push(join(directory, name));
  }
  return found.length > LISTED ? [...found.slice(0, LISTED), "..."] : found;
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return (await readdir(directory)).sort();
}

function baseOf(text: string, where: string): string | undefined {
  const json = parseJson(text, where);
  const base = isJsonObject(json) ? json["base_model_name_or_path"] : undefined;
  return typeof base === "string" && base !== "" ? base : undefined;
}

/** Opens the weights of a folder. Throws InputError, naming the file, for what is missing or broken. */
export async function openWeights(directory: string): Promise<FolderWeights> {
  const single = join(directory, WEIGHTS);
  const hasSingle = await stat(single).then(() => true, () => false);
  // As in transformers: one whole file goes before an index that stands beside it.
  if (hasSingle) return openFiles([single]);
  const indexPath = join(directory, INDEX);
  const indexText = await readTextFile(indexPath);
  if (indexText !== undefined) return openShards(directory, parseIndex(indexText, indexPath), indexPath);
  const names = await namesIn(directory);
  const shards = shardsOf(names);
  if (shards.length > 0) return openFiles(completeShards(directory, shards));
  throw withoutWeights(directory, names);
}

const SHARD = /^model-(\d{5})-of-(\d{5})\.safetensors$/;

function shardsOf(names: readonly string[]): readonly string[] {
  return names.filter((name) => SHARD.test(name));
}

/** Paths of all shards of a model without an index. */
function completeShards(directory: string, shards: readonly string[]): readonly string[] {
  const [, , count = ""] = SHARD.exec(shards[0]!)!;
  const expected = Array.from(
    { length: Math.max(1, Number(count)) },
    (_, shard) => `model-${String(shard + 1).padStart(5, "0")}-of-${count}.safetensors`,
  );
  const missing = expected.find((name) => !shards.includes(name));
  if (missing !== undefined) {
    throw new InputError(`the shard is missing, and ${INDEX}`, join(directory, missing), GET_FILE);
  }
  const odd = shards.find((name) => !expected.includes(name));
  if (odd !== undefined) {
    throw new InputError(
      `shards of two models lie here, and no ${INDEX} tells which to read`,
      join(directory, odd),
      "remove those of the other model",
    );
  }
  return expected.map((name) => join(directory, name));
}

function openFiles(paths: readonly string[]): FolderWeights {
  const files: SafetensorsFile[] = [];
  const tensors = new Map<string, ModelTensor>();
  try {
    for (const path of paths) {
      const file = openSafetensors(path);
      files.push(file);
      for (const [name, info] of file.tensors) {
        if (tensors.has(name)) {
          throw new InputError(
            `holds tensor ${name}, which ${basename(tensors.get(name)!.path)} holds too`,
            path,
            `add ${INDEX}, which says where to read it`,
          );
        }
        tensors.set(name, tensorOf(file, info));
      }
    }
    return { files, tensors };
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
}

/** Weights of other kinds, and how to make safetensors of them. */
const OTHER_WEIGHTS: readonly (readonly [RegExp, string, (directory: string) => string])[] = [
  [/^pytorch_model.*\.bin(\.index\.json)?$/, "PyTorch's own format (pickle), which can run code", convertCommand],
  [/^(tf_model.*\.h5|flax_model.*\.msgpack)$/, "TensorFlow's or Flax's format", convertCommand],
  [/\.gguf$/, "GGUF", (directory) => `give the .gguf file itself instead of ${directory}`],
  [/^global_step\d+$|_states\.pt$/, "DeepSpeed's checkpoint format", () => ZERO_COMMAND],
  [/\.distcp$|^pytorch_model_fsdp/, "PyTorch's distributed checkpoint format", () => FSDP_COMMAND],
  [/^consolidated.*\.(safetensors|pth)$/, "the format of Meta's or Mistral's own code", () => HF_FORMAT],
  [/\.(pt|pth|ckpt|bin)$/, "PyTorch's own format (pickle), which can run code", convertCommand],
];
const ZERO_COMMAND = "run `python zero_to_fp32.py . . --safe_serialization` in the folder";
const FSDP_COMMAND = "run `accelerate merge-weights CHECKPOINT OUTPUT`";
const HF_FORMAT = "use the model in the format of Hugging Face transformers";

/** Loads and saves a folder by transformers. */
function convertCommand(directory: string): string {
  const folder = JSON.stringify(directory);
  return `convert it: python -c 'from transformers import AutoModelForCausalLM as M; ` +
    `M.from_pretrained(${folder}, dtype="auto").save_pretrained(${folder})'`;
}

function withoutWeights(directory: string, names: readonly string[]): InputError {
  for (const [pattern, format, mend] of OTHER_WEIGHTS) {
    const name = names.find((one) => pattern.test(one));
    if (name === undefined) continue;
    return new InputError(`the weights are in ${format}, not in safetensors`, join(directory, name), mend(directory));
  }
  const other = names.find((name) => name.endsWith(".safetensors") && !name.startsWith("adapter_model"));
  if (other !== undefined) {
    return new InputError(`is not called ${WEIGHTS}`, join(directory, other), `rename it, if it is the whole model`);
  }
  return new InputError(`there is no such file, nor ${INDEX} beside it`, join(directory, WEIGHTS), GET_FILE);
}

/** Shard names by tensor name. */
function parseIndex(text: string, indexPath: string): ReadonlyMap<string, string> {
  const json = parseJson(text, indexPath);
  const map = isJsonObject(json) ? json["weight_map"] : undefined;
  if (!isJsonObject(map) || Object.keys(map).length === 0) {
    throw new InputError("has no weight_map of tensor names to shards", indexPath, "download the index again");
  }
  for (const [name, shard] of Object.entries(map)) {
    // A shard is a file of this folder: an index must not lead elsewhere.
    if (typeof shard !== "string" || !/^[^/\\]+\.safetensors$/.test(shard)) {
      throw new InputError(
        `weight_map gives tensor ${JSON.stringify(name)} the shard ${JSON.stringify(shard)}`,
        indexPath,
        "name a .safetensors file of the same folder",
      );
    }
  }
  return new Map(Object.entries(map as Record<string, string>));
}

function openShards(directory: string, index: ReadonlyMap<string, string>, indexPath: string): FolderWeights {
  const files = new Map<string, SafetensorsFile>();
  try {
    for (const shard of [...new Set(index.values())].sort()) {
      files.set(shard, openShard(join(directory, shard), indexPath));
    }
    for (const [name, shard] of index) {
      if (files.get(shard)?.tensors.has(name)) continue;
      throw new InputError(
        `has no tensor ${JSON.stringify(name)}, which ${INDEX} says it holds`,
        join(directory, shard),
        "download shard and index again, from one revision",
      );
    }
  } catch (error) {
    for (const file of files.values()) file.close();
    throw error;
  }
  const tensors = new Map<string, ModelTensor>();
  for (const [shard, file] of files) {
    for (const [name, info] of file.tensors) {
      if ((index.get(name) ?? shard) === shard) tensors.set(name, tensorOf(file, info));
    }
  }
  return { files: [...files.values()], tensors };
}

function openShard(path: string, indexPath: string): SafetensorsFile {
  try {
    return openSafetensors(path);
  } catch (error) {
    if (error instanceof InputError && error.what === "there is no such file") {
      throw new InputError(`the shard is missing, though ${basename(indexPath)} names it`, path, GET_FILE);
    }
    throw error;
  }
}
