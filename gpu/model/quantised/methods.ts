/**
 * Folders whose weights were quantised by other tools, by the `quantization_config` of config.json: FP8 with block scales,
 * GPTQ, AWQ. Their matrices are expanded to float32 while they are read.
 */
import { InputError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import type { ModelTensor } from "../tensor.ts";
import { awq } from "./awq.ts";
import { fp8 } from "./fp8.ts";
import { gptq } from "./gptq.ts";
import { ORIGINAL, type Quantisation, type QuantisationReader } from "./quantisation.ts";

const READERS: Readonly<Record<string, QuantisationReader>> = { fp8, gptq, awq };

const MENDS: Readonly<Record<string, string>> = {
  bitsandbytes: "load it with transformers, call model.dequantize(), and save that; or use the original model, which " +
    "bitsandbytes quantised while loading",
};

/** What a config says of its weights; null where they are plain. Throws InputError for a method that is not read. */
export function quantisationOf(config: unknown, where: string): Quantisation | null {
  const settings = isJsonObject(config) ? config["quantization_config"] ?? null : null;
  if (settings === null) return null;
  const inside = `${where} (quantization_config)`;
  if (!isJsonObject(settings)) throw new InputError("is not a JSON object", inside, "download the file again");
  const method = settings["quant_method"] ??
    (settings["load_in_4bit"] || settings["load_in_8bit"] ? "bitsandbytes" : null);
  const known = typeof method === "string" && Object.hasOwn(READERS, method) ? READERS[method] : undefined;
  if (known) return known(settings, inside);
  throw new InputError(
    `weights quantised by ${JSON.stringify(method)} are not read`,
    inside,
    typeof method === "string" && MENDS[method] || ORIGINAL,
  );
}

/** The config as the model has it once its weights are expanded. */
export function withoutQuantisation(config: JsonObject): JsonObject {
  const { quantization_config: _, ...rest } = config;
  return rest;
}

export interface Expanded {
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  /** Quantised matrices that were found. */
  readonly count: number;
}

/** The tensors with every quantised matrix in place of its parts. Throws InputError for a part that is missing. */
export function expandQuantised(tensors: ReadonlyMap<string, ModelTensor>, quantisation: Quantisation): Expanded {
  const { matrix, beside } = quantisation;
  const modules = [...tensors.keys()]
    .filter((name) => name.endsWith(`.${matrix}`))
    .map((name) => name.slice(0, -matrix.length - 1))
    .filter((module) => beside.some((part) => tensors.has(`${module}.${part}`)));
  const expanded = new Map(tensors);
  for (const module of modules) {
    const parts = new Map<string, ModelTensor>();
    for (const part of [matrix, ...beside]) {
      const found = tensors.get(`${module}.${part}`);
      if (found) parts.set(part, found);
      expanded.delete(`${module}.${part}`);
    }
    const made = quantisation.expand(module, parts);
    expanded.set(made.info.name, made);
  }
  return { tensors: expanded, count: modules.length };
}
