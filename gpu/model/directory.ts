/** A Hugging Face style model directory: its config, and its weights as one set of tensors over one or more files. */
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { InputError } from "../errors.ts";
import { rowOf } from "./architectures.ts";
import { type ModelConfig, parseConfig } from "./config.ts";
import { CONFIG, openWeights, refuseStrayAdapter, requireFolder, withoutConfig } from "./folder.ts";
import { renamed } from "./derived_tensor.ts";
import { isEncoding } from "./encodings.ts";
import { isGgufPath } from "./gguf/file.ts";
import { openGgufSource } from "./gguf/model.ts";
import { isJsonObject, type JsonObject, parseJson, readTextFile } from "./json.ts";
import { eachRequiredTensor, outerLayout, type RequiredTensor } from "./layout.ts";
import { type Adapter, mergeAdapter, openAdapter } from "./lora.ts";
import { modelPath, parseModelPath, resolveModelPath } from "./model_path.ts";
import { plainNames, unreadTensors } from "./names.ts";
import { expandQuantised, quantisationOf, withoutQuantisation } from "./quantised/methods.ts";
import type { Quantisation } from "./quantised/quantisation.ts";
import { elements, type ModelTensor } from "./tensor.ts";

export interface ModelDirectory {
  /** Absolute path of the folder, or of the GGUF file; with those of its adapters, as model_path.ts writes them. */
  readonly directory: string;
  /** The folder's or file's own name. */
  readonly name: string;
  readonly config: ModelConfig;
  /** `config.json` as it stands in the directory; of a GGUF file the one that would stand beside the same weights. */
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
   * data, and over the same of each adapter: tells checkpoints of one training run apart without reading the weights whole.
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
  /** How matrices are stored that are to be expanded. */
  readonly quantisation?: Quantisation | null;
}

const GENERATION_CONFIG = "generation_config.json";
const TOKENIZER = "tokenizer.json";
/** Bytes of each sample that the hash takes from the start and from the middle of a tensor. */
const SAMPLE_BYTES = 1024;

/**
 * Opens a model directory or a GGUF file, with the adapters that its path names (model_path.ts), and checks that each
 * tensor which its architecture needs is there with the right shape and a dtype that the engine reads, and that no other
 * is there. Only headers and samples of the weights are read.
 * Throws InputError, naming the file and the mend, for what is missing, broken or not supported.
 */
export async function openModelDirectory(path: string): Promise<ModelDirectory> {
  const { base, adapters: folders } = resolveModelPath(parseModelPath(path));
  const source = isGgufPath(base) ? openGgufSource(base) : await openFolder(base);
  const adapters: Adapter[] = [];
  try {
    for (const folder of folders) adapters.push(await openAdapter(folder));
  } catch (error) {
    [source, ...adapters].forEach((opened) => opened.close());
    throw error;
  }
  return checkedModel(source, adapters);
}

async function openFolder(dir: string): Promise<ModelSource> {
  const directory = resolve(dir);
  await requireFolder(directory);
  const configPath = join(directory, CONFIG);
  const configText = await readTextFile(configPath);
  if (configText === undefined) throw await withoutConfig(directory);
  const configJson = parseJson(configText, configPath);
  refuseMlx(configJson, configPath);
  const generationPath = join(directory, GENERATION_CONFIG);
  const generationText = await readTextFile(generationPath);
  const generation = generationText === undefined
    ? undefined
    : { json: parseJson(generationText, generationPath), where: generationPath };
  const quantisation = quantisationOf(configJson, configPath);
  const plain = quantisation ? withoutQuantisation(configJson as JsonObject) : configJson;
  const config = parseConfig(plain, configPath, generation);
  await refuseStrayAdapter(directory);
  const tokenizerHash = await hashFile(join(directory, TOKENIZER));
  const { files, tensors } = await openWeights(directory);
  return {
    directory,
    config,
    configJson: configJson as JsonObject,
    configPath,
    configText,
    files: files.map(({ path }) => path),
    tensors,
    tokenizerHash,
    quantisation,
    notes: [],
    close: () => files.forEach((file) => file.close()),
  };
}

/** MLX packs weights in a way of its own, under a field that nobody else has. */
function refuseMlx(json: unknown, where: string): void {
  const quantization = isJsonObject(json) ? json["quantization"] : undefined;
  if (!isJsonObject(quantization)) return;
  const bits = typeof quantization["bits"] === "number" ? ` to ${quantization["bits"]} bits` : "";
  throw new InputError(`the weights are quantised${bits} by MLX, which is not read`, where, "use the original model");
}

/**
 * The model of a source, whose tensors are those that its config needs, under the names that transformers gives them.
 * Closes the source and throws InputError when they are not.
 */
function checkedModel(source: ModelSource, adapters: readonly Adapter[]): ModelDirectory {
  const close = () => [source, ...adapters].forEach((opened) => opened.close());
  try {
    return { ...checked(source, adapters), close };
  } catch (error) {
    close();
    throw error;
  }
}

function checked(source: ModelSource, adapters: readonly Adapter[]): Omit<ModelDirectory, "close"> {
  const { configJson, files, tokenizerHash } = source;
  const directory = modelPath({ base: source.directory, adapters: adapters.map((adapter) => adapter.directory) });
  const firstPath = files[0] ?? directory;
  const { tensors: own, notes } = underPlainNames(source, firstPath);
  const { tensors: numbers, notes: expanded } = withoutBlocks(own, source.quantisation, firstPath);
  const tensors = withAdapters(numbers, adapters, source.config);
  const { config, notes: headNotes } = withOwnHead(source.config, tensors);
  checkTensors(config, tensors, firstPath, source.configPath);
  const tensor = (name: string): ModelTensor => {
    const found = tensors.get(name);
    if (!found) throw new RangeError(`${directory} has no tensor ${JSON.stringify(name)}`);
    return found;
  };
  const infos = [...tensors.values()].map(({ info }) => info);
  return {
    directory,
    name: [source.directory, ...adapters.map((adapter) => adapter.directory)].map(nameOf).join("+"),
    config,
    configJson,
    files,
    tensors,
    parameters: infos.reduce((sum, info) => sum + elements(info), 0),
    weightBytes: infos.reduce((sum, { bytes }) => sum + bytes, 0),
    hash: hashModel(source.configText, own, adapters),
    tokenizerHash,
    tensor,
    readInto: (name, byteOffset, target) => tensor(name).readInto(byteOffset, target),
    notes: [...source.notes, ...config.notes, ...notes, ...expanded, ...headNotes],
  };
}

/** The name of the head's tensor. */
const headOf = ({ architecture }: ModelConfig) => `${rowOf(architecture).tensors.unembedding}.weight`;

/** The name of the embedding's tensor. */
const embeddingOf = (config: ModelConfig) => outerLayout(config).embedding.sources[0]!.name;

const nameOf = (path: string): string => basename(path).replace(/(-00001-of-\d{5})?\.gguf$/i, "");

function withoutBlocks(
  own: ReadonlyMap<string, ModelTensor>,
  quantisation: Quantisation | null | undefined,
  path: string,
) {
  if (!quantisation) return { tensors: own, notes: [] };
  const { tensors, count } = expandQuantised(own, quantisation);
  return { tensors, notes: [`${path}: ${count} matrices of ${quantisation.name} are expanded to float32`] };
}

/** The tensors with all adapters merged, in order. A head that was tied keeps the embedding as it was before. */
function withAdapters(
  own: ReadonlyMap<string, ModelTensor>,
  adapters: readonly Adapter[],
  config: ModelConfig,
): ReadonlyMap<string, ModelTensor> {
  const head = headOf(config);
  const name = embeddingOf(config);
  let tensors = own;
  for (const adapter of adapters) {
    const merged = mergeAdapter(tensors, adapter, head);
    const before = tensors.get(name);
    if (config.tiedEmbeddings && before && merged.get(name) !== before && !merged.has(head) && !adapter.keepsTies) {
      merged.set(head, renamed(before, head));
    }
    tensors = merged;
  }
  return tensors;
}

function underPlainNames({ config, tensors: all }: ModelSource, path: string) {
  const embedding = embeddingOf(config);
  const head = headOf(config);
  const tensors = ofDecoder(config, all);
  const { stored, notes } = plainNames(tensors.keys(), embedding, (name) => name === head);
  const renamed = [...stored].map(([name, from]): [string, ModelTensor] => {
    const tensor = tensors.get(from)!;
    return [name, name === from ? tensor : { ...tensor, info: { ...tensor.info, name } }];
  });
  return { tensors: new Map(renamed), notes: notes.map((note) => `${path}: ${note}`) };
}

/** The tensors of a decoder that has other parts beside it, under the names that it has alone. */
function ofDecoder({ architecture }: ModelConfig, tensors: ReadonlyMap<string, ModelTensor>) {
  const { within } = rowOf(architecture);
  if (!within) return tensors;
  const prefixes = Object.entries(within.prefixes);
  return new Map(
    [...tensors].filter(([name]) => !within.beside.some((prefix) => name.startsWith(prefix))).map(([name, tensor]) => {
      const [prefix, plain] = prefixes.find(([prefix]) => name.startsWith(prefix)) ?? ["", ""];
      return [`${plain}${name.slice(prefix.length)}`, tensor];
    }),
  );
}

/**
 * Some fine-tunes say that embedding and head are tied and hold a head of their own. Their bytes are compared: a head
 * that differs is the one that was trained (LlamaFactory#10560); transformers 5 uses it too.
 */
function withOwnHead(config: ModelConfig, tensors: ReadonlyMap<string, ModelTensor>) {
  const name = headOf(config);
  const head = tensors.get(name);
  const embedding = tensors.get(embeddingOf(config));
  if (!config.tiedEmbeddings || !head || !embedding || sameBytes(head, embedding)) return { config, notes: [] };
  const note =
    `${head.path}: ${name} differs from ${embedding.info.name}, though tie_word_embeddings is true: it is used`;
  return { config: { ...config, tiedEmbeddings: false }, notes: [note] };
}

const COMPARED_BYTES = 2 ** 20;

function sameBytes(one: ModelTensor, other: ModelTensor): boolean {
  const { bytes } = one.info;
  if (bytes !== other.info.bytes || one.info.dtype !== other.info.dtype) return false;
  for (let at = 0; at < bytes; at += COMPARED_BYTES) {
    const [first, second] = [one, other].map((tensor) => {
      const part = new Uint8Array(Math.min(COMPARED_BYTES, bytes - at));
      tensor.readInto(at, part);
      return part;
    }) as [Uint8Array, Uint8Array];
    if (!Buffer.from(first.buffer).equals(second)) return false;
  }
  return true;
}

function checkTensors(
  config: ModelConfig,
  tensors: ReadonlyMap<string, ModelTensor>,
  firstPath: string,
  configPath: string,
): void {
  refuseUnmergedAdapter(tensors);
  const read = new Set<string>(config.tiedEmbeddings ? [headOf(config)] : []);
  for (const needed of eachRequiredTensor(config)) {
    checkTensor(needed, tensors.get(needed.name), config, firstPath, configPath);
    read.add(needed.name);
  }
  const unread = unreadTensors(tensors.keys(), read);
  if (unread.length === 0) return;
  const more = unread.length > 1 ? ` and ${unread.length - 1} more` : "";
  throw new InputError(
    `nothing of ${config.architecture} reads tensor ${unread[0]}${more}`,
    tensors.get(unread[0]!)!.path,
    "use weights that belong to the config, or remove what is no part of the model",
  );
}

function refuseUnmergedAdapter(tensors: ReadonlyMap<string, ModelTensor>): void {
  for (const [name, { path }] of tensors) {
    if (!/\.lora_[AB]\.|\.base_layer\./.test(name)) continue;
    throw new InputError(
      `holds a LoRA adapter that was not merged (${name})`,
      path,
      "save the model after merge_and_unload(), or give the base model and the adapter with --lora",
    );
  }
}

function checkTensor(
  { name, shape }: RequiredTensor,
  found: ModelTensor | undefined,
  config: ModelConfig,
  firstPath: string,
  configPath: string,
): void {
  if (!found) {
    throw new InputError(
      `tensor ${name} of shape [${shape}] is missing, which ${config.architecture} needs`,
      firstPath,
      `use weights that belong to ${configPath}`,
    );
  }
  const { path, info } = found;
  if (elements(info) === 0) {
    throw new InputError(
      `tensor ${name} is empty, of shape [${info.shape}]: a placeholder of DeepSpeed ZeRO-3`,
      path,
      "gather the weights before saving (stage3_gather_16bit_weights_on_model_save), or run zero_to_fp32.py",
    );
  }
  if (info.shape.length !== shape.length || info.shape.some((size, axis) => size !== shape[axis])) {
    throw new InputError(
      `tensor ${name} has shape [${info.shape}], expected [${shape}]`,
      path,
      `use weights that belong to ${configPath}`,
    );
  }
  if (!isEncoding(info.dtype)) {
    throw new InputError(
      `tensor ${name} has dtype ${info.dtype}, expected one of F32, F16, BF16`,
      path,
      "use weights that are not quantized",
    );
  }
}

function hashModel(
  configText: string,
  tensors: ReadonlyMap<string, ModelTensor>,
  adapters: readonly Adapter[],
): string {
  const hash = createHash("sha256").update(configText);
  addTensors(hash, tensors);
  for (const adapter of adapters) {
    hash.update(adapter.identity);
    addTensors(hash, adapter.tensors);
  }
  return hash.digest("hex");
}

function addTensors(hash: Hash, tensors: ReadonlyMap<string, ModelTensor>): void {
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
}

async function hashFile(path: string): Promise<string | null> {
  if (!await stat(path).then((found) => found.isFile(), () => false)) return null;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
