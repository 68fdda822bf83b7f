/**
 * LoRA adapters as PEFT saves them (adapter_config.json and adapter_model.safetensors), merged into a model while it is
 * read: W' = W + scale B A, with scale alpha / r, or alpha / sqrt(r) where the adapter is rank-stabilised (arXiv
 * 2312.03732). Modules that were trained whole (`modules_to_save`, biases) take the place of the model's own.
 * Merged matrices are float32, whatever the model is stored in: nothing of the adapter is lost to rounding.
 */
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { InputError } from "../errors.ts";
import { computed, readNumbers, readRows, renamed } from "./derived_tensor.ts";
import { isJsonObject, type JsonObject, parseJson, readTextFile } from "./json.ts";
import { openSafetensors, type SafetensorsFile, tensorOf } from "./safetensors.ts";
import type { ModelTensor } from "./tensor.ts";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const TRAIN_PLAIN = "train a plain LoRA adapter, or give the merged model";

/** An open adapter. */
export interface Adapter {
  /** Absolute path of its folder. */
  readonly directory: string;
  /** What its config says that changes the merged weights, as text: part of the model's hash. */
  readonly identity: string;
  /** By the names in its file. */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  /** Scale of a module's product, by the module's name and its rank. */
  readonly scale: (module: string, rank: number) => number;
  /** Whether the adapted matrices are stored as [in, out]. */
  readonly turned: boolean;
  /** Whether a head that is tied to the embedding follows the adapted embedding; else it keeps the model's own. */
  readonly keepsTies: boolean;
  close(): void;
}

/**
 * Opens an adapter's folder. Throws InputError, naming file and field, for what is missing, broken, or a kind of adapter
 * that is not merged by this formula: DoRA, adapters of other shapes.
 */
export async function openAdapter(folder: string): Promise<Adapter> {
  const directory = resolve(folder);
  const where = join(directory, CONFIG);
  const text = await readTextFile(where);
  if (text === undefined) throw await withoutConfig(directory, where);
  const config = parseJson(text, where);
  if (!isJsonObject(config)) throw new InputError("is not a JSON object", where, "save the adapter again");
  refuseOtherKinds(config, where);
  const scale = scaleOf(config, where);
  const path = join(directory, WEIGHTS);
  if (!await stat(path).then(() => true, () => false)) throw await withoutWeights(directory, path);
  const file: SafetensorsFile = openSafetensors(path);
  return {
    directory,
    identity: JSON.stringify(IDENTITY_FIELDS.map((name) => config[name] ?? null)),
    tensors: new Map([...file.tensors].map(([name, info]) => [name, tensorOf(file, info)])),
    scale,
    turned: config["fan_in_fan_out"] === true,
    keepsTies: config["ensure_weight_tying"] === true,
    close: file.close,
  };
}

async function withoutConfig(directory: string, where: string): Promise<InputError> {
  const isModel = await readTextFile(join(directory, "config.json")) !== undefined;
  return isModel
    ? new InputError("holds a model and no adapter", directory, "give it as the model, without --lora")
    : new InputError("there is no such file", where, "give the folder that PEFT saved the adapter to");
}

async function withoutWeights(directory: string, path: string): Promise<InputError> {
  const isPickle = await stat(join(directory, "adapter_model.bin")).then(() => true, () => false);
  return isPickle
    ? new InputError(
      "the adapter is in PyTorch's own format (adapter_model.bin), which can run code",
      directory,
      "load it with PEFT and save it again: save_pretrained(..., safe_serialization=True)",
    )
    : new InputError("there is no such file", path, "copy it from where the adapter was trained");
}

/** Fields that change what is merged. */
const IDENTITY_FIELDS = [
  "lora_alpha",
  "r",
  "use_rslora",
  "alpha_pattern",
  "rank_pattern",
  "fan_in_fan_out",
  "ensure_weight_tying",
];

/** Fields that say how the adapter was made, or where, and change nothing of the merged weights. */
const HARMLESS_FIELDS = new Set([
  ...IDENTITY_FIELDS,
  "peft_type",
  "peft_version",
  "task_type",
  "inference_mode",
  "auto_mapping",
  "base_model_name_or_path",
  "revision",
  "runtime_config",
  "lora_dropout",
  "target_modules",
  "exclude_modules",
  "modules_to_save",
  "bias",
  "layers_to_transform",
  "layers_pattern",
  "megatron_core",
  "eva_config",
]);

/** How the adapter's matrices may begin without the model's own weights being changed for it. */
const HARMLESS_STARTS = [true, false, "gaussian", "orthogonal", "eva"];

function refuseOtherKinds(config: JsonObject, where: string): void {
  const refuse = (what: string): never => {
    throw new InputError(`${what} is not supported`, where, TRAIN_PLAIN);
  };
  if (config["peft_type"] !== "LORA") refuse(`an adapter of peft_type ${JSON.stringify(config["peft_type"] ?? null)}`);
  if (config["use_dora"] === true) refuse("DoRA (use_dora)");
  const start = config["init_lora_weights"];
  if (start !== undefined && !HARMLESS_STARTS.some((known) => known === start)) {
    refuse(`an adapter that changes the model's own weights (init_lora_weights ${JSON.stringify(start)})`);
  }
  for (const [name, value] of Object.entries(config)) {
    const isOff = value === null || value === false || Array.isArray(value) && value.length === 0 ||
      isJsonObject(value) && Object.keys(value).length === 0;
    // A group size says nothing while QALoRA is off.
    if (isOff || HARMLESS_FIELDS.has(name) || name === "init_lora_weights" || name === "qalora_group_size") continue;
    refuse(`${name} ${JSON.stringify(value).slice(0, 80)}`);
  }
}

function scaleOf(config: JsonObject, where: string): Adapter["scale"] {
  const alpha = config["lora_alpha"] ?? 8;
  if (typeof alpha !== "number" || !Number.isFinite(alpha)) {
    throw new InputError(`lora_alpha is ${JSON.stringify(alpha)}`, where, "use a number");
  }
  const patterns = alphaPatterns(config["alpha_pattern"] ?? {}, where);
  const stabilised = config["use_rslora"] === true;
  return (module, rank) => {
    const own = patterns.find(({ matches }) => matches(module))?.alpha ?? alpha;
    return own / (stabilised ? Math.sqrt(rank) : rank);
  };
}

interface AlphaPattern {
  readonly alpha: number;
  readonly matches: (module: string) => boolean;
}

/**
 * Alphas of some modules. PEFT takes the keys for regular expressions that match the end of a name; here they are names,
 * with `^` in front for a whole one: an expression of somebody else's is not run.
 */
function alphaPatterns(patterns: unknown, where: string): readonly AlphaPattern[] {
  if (!isJsonObject(patterns)) throw new InputError("alpha_pattern is no object", where, "save the adapter again");
  return Object.entries(patterns).map(([key, alpha]) => {
    const [, whole, name] = /^(\^?)([\w.]+)$/.exec(key.replaceAll("\\.", ".")) ?? [];
    if (name === undefined || typeof alpha !== "number" || !Number.isFinite(alpha)) {
      throw new InputError(
        `alpha_pattern ${JSON.stringify(key)}: ${JSON.stringify(alpha)} is not supported`,
        where,
        "use names of modules, and numbers",
      );
    }
    return { alpha, matches: (module) => module === name || whole === "" && module.endsWith(`.${name}`) };
  });
}

/** PEFT's names: of a part of a module's product, or of a tensor that was trained whole. */
const PREFIX = /^base_model\.model\./;
const PRODUCT = /^(.*)\.lora_(embedding_)?([AB])(?:\.weight)?$/;

/**
 * The model's tensors with an adapter merged into them; `head` is the name of the unembedding. Throws InputError, naming the tensor, for what does not fit: an
 * adapter of another model.
 */
export function mergeAdapter(
  tensors: ReadonlyMap<string, ModelTensor>,
  adapter: Adapter,
  head: string,
): Map<string, ModelTensor> {
  const merged = new Map(tensors);
  const seen = new Set<string>();
  for (const [stored, tensor] of adapter.tensors) {
    const name = stored.replace(PREFIX, "");
    const [, module, embedding, side] = PRODUCT.exec(name) ?? [];
    if (module === undefined) {
      const own = wholeTensor(name);
      merged.set(own, replacement(baseOf(merged, own, stored, adapter, head), tensor, own, adapter));
      continue;
    }
    if (seen.has(module)) continue;
    seen.add(module);
    const other = adapter.tensors.get(stored.replace(/([AB])((?:\.weight)?)$/, `${side === "A" ? "B" : "A"}$2`));
    if (!other) {
      throw new InputError(`has ${stored} without its other half`, adapter.directory, "save the adapter again");
    }
    const [a, b] = side === "A" ? [tensor, other] : [other, tensor];
    const target = `${module}.weight`;
    const base = baseOf(merged, target, stored, adapter, head);
    const turned = embedding !== undefined || adapter.turned && !fits(base, b, a);
    merged.set(target, withProduct(base, a, b, turned, module, adapter));
  }
  return merged;
}

/** The model's name of a tensor that was trained whole. */
const wholeTensor = (name: string): string =>
  name.replace(/\.modules_to_save(\.\w+)?(?=\.(?:weight|bias)$)/, "").replace(/\.base_layer(?=\.(?:weight|bias)$)/, "");

function baseOf(
  tensors: ReadonlyMap<string, ModelTensor>,
  name: string,
  stored: string,
  adapter: Adapter,
  head: string,
): ModelTensor | undefined {
  if (/magnitude_vector/.test(stored)) {
    throw new InputError(`holds DoRA's ${stored}, which is not supported`, adapter.directory, TRAIN_PLAIN);
  }
  const base = tensors.get(name);
  // A head that was tied to the embedding becomes one of its own.
  if (base || name === head) return base;
  throw new InputError(
    `${stored} belongs to a tensor ${name}, which the model does not have`,
    adapter.directory,
    "give the model that the adapter was trained on",
  );
}

function replacement(base: ModelTensor | undefined, tensor: ModelTensor, name: string, adapter: Adapter): ModelTensor {
  if (base) requireShape(tensor, base.info.shape, adapter);
  return renamed(tensor, name);
}

function requireShape({ info }: ModelTensor, shape: readonly number[], adapter: Adapter): void {
  if (info.shape.length === shape.length && info.shape.every((size, axis) => size === shape[axis])) return;
  throw new InputError(
    `${info.name} has shape [${info.shape}], and the model needs [${shape}]`,
    adapter.directory,
    "give the model that the adapter was trained on",
  );
}

/** Whether left [rows, r] right [r, columns] has the shape of the base. */
const fits = (base: ModelTensor | undefined, left: ModelTensor, right: ModelTensor): boolean =>
  base?.info.shape[0] === left.info.shape[0] && base?.info.shape[1] === right.info.shape[1];

/** base + scale B A, or scale (B A)^T where `turned`; A is [r, in], B is [out, r]. */
function withProduct(
  base: ModelTensor | undefined,
  a: ModelTensor,
  b: ModelTensor,
  turned: boolean,
  module: string,
  adapter: Adapter,
): ModelTensor {
  const name = `${module}.weight`;
  const rank = a.info.shape[0] ?? 0;
  if (!base) throw new InputError(`adapts ${name}, which is tied to the embedding`, adapter.directory, TRAIN_PLAIN);
  if (base.info.shape.length !== 2 || rank === 0) {
    throw new InputError(`${a.info.name} of shape [${a.info.shape}] adapts no matrix`, adapter.directory, TRAIN_PLAIN);
  }
  const [rows = 0, columns = 0] = base.info.shape;
  requireShape(a, [rank, turned ? rows : columns], adapter);
  requireShape(b, [turned ? columns : rows, rank], adapter);
  const scale = adapter.scale(module, rank);
  // Read when the first row is asked for, and dropped after the last: all adapters together may be large.
  let factors: { readonly a: Float32Array; readonly b: Float32Array } | undefined;
  return computed(base, name, base.info.shape, (firstRow, target) => {
    factors ??= { a: readNumbers(a), b: readNumbers(b) };
    readRows(base, firstRow, target);
    for (let row = 0; row < target.length / columns; row++) {
      const values = target.subarray(row * columns, (row + 1) * columns);
      if (turned) addTurned(values, factors, rank, scale, firstRow + row);
      else addRow(values, factors, rank, scale, firstRow + row);
    }
    if (firstRow + target.length / columns === rows) factors = undefined;
  });
}

interface Factors {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/** values += scale (B A)[row]; sums in float64. */
function addRow(values: Float32Array, { a, b }: Factors, rank: number, scale: number, row: number): void {
  const columns = values.length;
  const sums = new Float64Array(columns);
  for (let k = 0; k < rank; k++) {
    const factor = scale * b[row * rank + k]!;
    const at = k * columns;
    for (let column = 0; column < columns; column++) sums[column]! += factor * a[at + column]!;
  }
  for (let column = 0; column < columns; column++) values[column]! += sums[column]!;
}

/** values += scale (B A)^T[row] */
function addTurned(values: Float32Array, { a, b }: Factors, rank: number, scale: number, row: number): void {
  const rows = a.length / rank;
  for (let column = 0; column < values.length; column++) {
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += b[column * rank + k]! * a[k * rows + row]!;
    values[column]! += scale * sum;
  }
}
