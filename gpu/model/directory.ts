/** A Hugging Face style model directory: its config, and its weights as one set of tensors over one or more files. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { InputError } from "../errors.ts";
import { type ModelConfig, parseConfig } from "./config.ts";
import { isJsonObject, type JsonObject, parseJson, readTextFile } from "./json.ts";
import { requiredTensors } from "./layout.ts";
import { openSafetensors, type SafetensorsFile, tensorOf } from "./safetensors.ts";
import { elements, type ModelTensor } from "./tensor.ts";

/** The dtypes of weights that the engine reads. */
export const WEIGHT_DTYPES = ["F32", "F16", "BF16"] as const;

export interface ModelDirectory {
  /** Absolute path. */
  readonly directory: string;
  /** The folder's own name. */
  readonly name: string;
  readonly config: ModelConfig;
  /** `config.json` as it stands in the directory. */
  readonly configJson: JsonObject;
  /** Paths of the files that hold the weights: `model.safetensors`, or the shards in the order of their names. */
  readonly files: readonly string[];
  /** All tensors of the files, in the order of their data; by the index's choice where two shards hold one name. */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  /** Elements of all tensors. */
  readonly parameters: number;
  /** Bytes of all tensors. */
  readonly weightBytes: number;
  /**
   * SHA-256, hexadecimal, over config.json, the tensors' names, types, shapes and sizes, and samples of each tensor's
   * data: tells checkpoints of one training run apart without reading the weights whole.
   */
  readonly hash: string;
  /** SHA-256, hexadecimal, of tokenizer.json; null when there is none. */
  readonly tokenizerHash: string | null;
  /** The tensor of this name. Throws RangeError when there is none; the architecture's own tensors are always there. */
  tensor(name: string): ModelTensor;
  /** Fills `target` with the tensor's bytes from `byteOffset` on, as ModelTensor.readInto. */
  readInto(name: string, byteOffset: number, target: Uint8Array): void;
  /** What was decided for the user while reading, for them to know: one plain line each. */
  readonly notes: readonly string[];
  /** Closes all files. */
  close(): void;
}

/** What is read of a folder or a file before its tensors are checked. */
export interface ModelSource extends
  Pick<
    ModelDirectory,
    "directory" | "config" | "configJson" | "files" | "tensors" | "tokenizerHash" | "notes" | "close"
  > {
  /** The file that holds the config, for errors. */
  readonly configPath: string;
  /** What stands for the config in the model's hash: the text of config.json. */
  readonly configText: string;
}

const CONFIG = "config.json";
const GENERATION_CONFIG = "generation_config.json";
const WEIGHTS = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const TOKENIZER = "tokenizer.json";
const GET_FILE = "download it into the model's folder";
/** Bytes of each sample that the hash takes from the start and from the middle of a tensor. */
const SAMPLE_BYTES = 1024;

/**
 * Opens a model directory, and checks that each tensor which its architecture needs is there with the right shape and a
 * dtype that the engine reads. Only headers and samples of the weights are read.
 * Throws InputError, naming the file and the mend, for what is missing, broken or not supported.
 */
export async function openModelDirectory(dir: string): Promise<ModelDirectory> {
  const directory = resolve(dir);
  await requireFolder(directory);
  const configPath = join(directory, CONFIG);
  const configText = await readTextFile(configPath);
  if (configText === undefined) throw new InputError("there is no such file", configPath, GET_FILE);
  const configJson = parseJson(configText, configPath);
  const generationPath = join(directory, GENERATION_CONFIG);
  const generationText = await readTextFile(generationPath);
  const generation = generationText === undefined
    ? undefined
    : { json: parseJson(generationText, generationPath), where: generationPath };
  const config = parseConfig(configJson, configPath, generation);
  const tokenizerHash = await hashFile(join(directory, TOKENIZER));
  const { files, tensors } = await openWeights(directory);
  return checkedModel({
    directory,
    config,
    configJson: configJson as JsonObject,
    configPath,
    configText,
    files: files.map(({ path }) => path),
    tensors,
    tokenizerHash,
    notes: [],
    close: () => files.forEach((file) => file.close()),
  });
}

/**
 * The model of a source, whose tensors are those that its config needs. Closes the source and throws InputError when
 * they are not.
 */
export function checkedModel(source: ModelSource): ModelDirectory {
  const { directory, config, configJson, tensors, files, tokenizerHash, notes, close } = source;
  try {
    checkTensors(config, tensors, files[0] ?? directory, source.configPath);
    const tensor = (name: string): ModelTensor => {
      const found = tensors.get(name);
      if (!found) throw new RangeError(`${directory} has no tensor ${JSON.stringify(name)}`);
      return found;
    };
    const infos = [...tensors.values()].map(({ info }) => info);
    return {
      directory,
      name: basename(directory),
      config,
      configJson,
      files,
      tensors,
      parameters: infos.reduce((sum, info) => sum + elements(info), 0),
      weightBytes: infos.reduce((sum, { bytes }) => sum + bytes, 0),
      hash: hashModel(source.configText, tensors),
      tokenizerHash,
      tensor,
      readInto: (name, byteOffset, target) => tensor(name).readInto(byteOffset, target),
      notes,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

async function requireFolder(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (!found) throw new InputError("there is no such folder", directory, "give the path of a model directory");
  if (!found.isDirectory()) {
    throw new InputError("is not a folder", directory, "give the model directory that holds config.json");
  }
}

interface Weights {
  readonly files: readonly SafetensorsFile[];
  readonly tensors: ReadonlyMap<string, ModelTensor>;
}

async function openWeights(directory: string): Promise<Weights> {
  const single = join(directory, WEIGHTS);
  const hasSingle = await stat(single).then(() => true, () => false);
  const indexPath = join(directory, INDEX);
  // As in transformers: one whole file goes before an index that stands beside it.
  const indexText = hasSingle ? undefined : await readTextFile(indexPath);
  if (indexText === undefined) {
    if (!hasSingle) {
      throw new InputError(`there is no such file, nor ${INDEX} beside it`, single, GET_FILE);
    }
    const file = openSafetensors(single);
    return { files: [file], tensors: new Map([...file.tensors].map(([name, info]) => [name, tensorOf(file, info)])) };
  }
  return openShards(directory, parseIndex(indexText, indexPath), indexPath);
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

function openShards(directory: string, index: ReadonlyMap<string, string>, indexPath: string): Weights {
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

function checkTensors(
  config: ModelConfig,
  tensors: ReadonlyMap<string, ModelTensor>,
  firstPath: string,
  configPath: string,
): void {
  for (const { name, shape } of requiredTensors(config)) {
    const found = tensors.get(name);
    if (!found) {
      throw new InputError(
        `tensor ${name} of shape [${shape}] is missing, which ${config.architecture} needs`,
        firstPath,
        `use weights that belong to ${configPath}`,
      );
    }
    const { path, info } = found;
    if (info.shape.length !== shape.length || info.shape.some((size, axis) => size !== shape[axis])) {
      throw new InputError(
        `tensor ${name} has shape [${info.shape}], expected [${shape}]`,
        path,
        `use weights that belong to ${configPath}`,
      );
    }
    if (!WEIGHT_DTYPES.some((dtype) => dtype === info.dtype)) {
      throw new InputError(
        `tensor ${name} has dtype ${info.dtype}, expected one of ${WEIGHT_DTYPES.join(", ")}`,
        path,
        "use weights that are not quantized",
      );
    }
  }
}

function hashModel(configText: string, tensors: ReadonlyMap<string, ModelTensor>): string {
  const hash = createHash("sha256").update(configText);
  // By name, so that another cut into shards is the same model.
  for (const name of [...tensors.keys()].sort()) {
    const { info, readInto } = tensors.get(name)!;
    hash.update(JSON.stringify([name, info.dtype, info.shape, info.bytes]));
    const sample = new Uint8Array(Math.min(SAMPLE_BYTES, info.bytes));
    for (const start of [0, Math.min(Math.floor(info.bytes / 2), info.bytes - sample.length)]) {
      readInto(start, sample);
      hash.update(sample);
    }
  }
  return hash.digest("hex");
}

async function hashFile(path: string): Promise<string | null> {
  if (!await stat(path).then((found) => found.isFile(), () => false)) return null;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
