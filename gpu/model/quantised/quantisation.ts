/** What every way of quantising has in common: its settings, and the tensors that stand for one matrix. */
import { InputError } from "../../errors.ts";
import type { JsonObject } from "../json.ts";
import type { ModelTensor } from "../tensor.ts";

/** A way of quantising. */
export interface Quantisation {
  /** For people: what the weights are. */
  readonly name: string;
  /** The tensor that stands for a module's quantised matrix, after the module's name. */
  readonly matrix: string;
  /** The others that belong to it. */
  readonly beside: readonly string[];
  /** The module's matrix [out, in], float32, of the tensors of these names. Throws InputError for shapes that do not fit. */
  readonly expand: (module: string, parts: ReadonlyMap<string, ModelTensor>) => ModelTensor;
}

/** Reads a method's settings. Throws InputError for what it does not do. */
export type QuantisationReader = (config: JsonObject, where: string) => Quantisation;

/** The mend for weights that are not read. */
export const ORIGINAL = "use the original model, or one quantised by fp8, gptq or awq";

/** A part that must be there, of one of these dtypes. */
export function requiredPart(
  module: string,
  parts: ReadonlyMap<string, ModelTensor>,
  name: string,
  dtypes: readonly string[],
): ModelTensor {
  const found = parts.get(name);
  const [any] = parts.values();
  if (!found) {
    throw new InputError(
      `tensor ${module}.${name} is missing`,
      any!.path,
      "download the model again, from one revision",
    );
  }
  if (!dtypes.includes(found.info.dtype)) {
    throw new InputError(
      `tensor ${module}.${name} has dtype ${found.info.dtype}, expected ${dtypes.join(" or ")}`,
      found.path,
      ORIGINAL,
    );
  }
  return found;
}

/** Throws InputError when a part is not of the shape that the matrix gives it. */
export function requirePartShape(tensor: ModelTensor, shape: readonly number[]): void {
  if (String(tensor.info.shape) === String(shape)) return;
  throw new InputError(
    `tensor ${tensor.info.name} has shape [${tensor.info.shape}], expected [${shape}]`,
    tensor.path,
    "download the model again, from one revision",
  );
}

/** All bytes of a tensor. */
export function wholeBytes({ info, readInto }: ModelTensor): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(info.bytes);
  readInto(0, bytes);
  return bytes;
}

/** A number of a method's settings, one of those that are read. */
export function oneOf(
  config: JsonObject,
  name: string,
  known: readonly unknown[],
  fallback: unknown,
  where: string,
): unknown {
  const value = config[name] ?? fallback;
  if (known.includes(value)) return value;
  throw new InputError(
    `${name} ${JSON.stringify(value)} is not supported`,
    where,
    `${ORIGINAL}, with ${name} ${known.join(" or ")}`,
  );
}
