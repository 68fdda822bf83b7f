/**
 * GPTQ (arXiv 2210.17323) as AutoGPTQ and GPTQModel save it: for each module `qweight` [in / 8, out] with 8 codes of 4
 * bits in a 32-bit word along the input, `qzeros` [groups, out / 8] along the output, `scales` [groups, out], and `g_idx`
 * [in], the group of each input. W[out, in] = scales[g, out] (code - zero); the first format stores zeros less 1.
 */
import { InputError } from "../../errors.ts";
import { computed, readNumbers } from "../derived_tensor.ts";
import type { JsonObject } from "../json.ts";
import type { ModelTensor } from "../tensor.ts";
import { oneOf, type Quantisation, requiredPart, requirePartShape, wholeBytes } from "./quantisation.ts";

/** Codes in a word. */
const PER_WORD = 8;

export function gptq(config: JsonObject, where: string): Quantisation {
  oneOf(config, "bits", [4], undefined, where);
  const format = oneOf(config, "checkpoint_format", ["gptq", "gptq_v2"], "gptq", where);
  return {
    name: "GPTQ of 4 bits",
    matrix: "qweight",
    beside: ["qzeros", "scales", "g_idx"],
    expand: (module, parts) => expandGptq(module, parts, groupSize(config, where), format === "gptq" ? 1 : 0),
  };
}

/** Inputs of a group; null: all of a matrix. */
export function groupSize(config: JsonObject, where: string): number | null {
  const size = config["group_size"] ?? 128;
  if (size === -1) return null;
  if (typeof size === "number" && Number.isInteger(size) && size > 0) return size;
  throw new InputError(`group_size is ${JSON.stringify(size)}`, where, "use a positive whole number, or -1");
}

interface Loaded {
  readonly words: Uint32Array;
  readonly zeros: Uint32Array;
  readonly scales: Float32Array;
  /** [in] */
  readonly groups: Int32Array;
}

function expandGptq(
  module: string,
  parts: ReadonlyMap<string, ModelTensor>,
  size: number | null,
  zeroOffset: number,
): ModelTensor {
  const weight = requiredPart(module, parts, "qweight", ["I32"]);
  const [words = 0, rows = 0] = weight.info.shape;
  const columns = words * PER_WORD;
  const groups = Math.ceil(columns / (size ?? columns));
  const zeros = requiredPart(module, parts, "qzeros", ["I32"]);
  const scales = requiredPart(module, parts, "scales", ["F16", "BF16", "F32"]);
  requirePartShape(zeros, [groups, rows / PER_WORD]);
  requirePartShape(scales, [groups, rows]);
  const order = parts.has("g_idx") ? requiredPart(module, parts, "g_idx", ["I32"]) : undefined;
  if (order) requirePartShape(order, [columns]);
  const load = (): Loaded => ({
    words: new Uint32Array(wholeBytes(weight).buffer),
    zeros: new Uint32Array(wholeBytes(zeros).buffer),
    scales: readNumbers(scales),
    groups: order
      ? checkedGroups(order, groups)
      : Int32Array.from({ length: columns }, (_, column) => Math.floor(column / (size ?? columns))),
  });
  // A row lies across all of the matrix: loaded with the first, dropped after the last.
  let loaded: Loaded | undefined;
  return computed(weight, `${module}.weight`, [rows, columns], (firstRow, target) => {
    loaded ??= load();
    for (let i = 0; i < target.length; i++) {
      const row = firstRow + Math.floor(i / columns);
      const column = i % columns;
      const group = loaded.groups[column]!;
      const code = loaded.words[Math.floor(column / PER_WORD) * rows + row]! >>> 4 * (column % PER_WORD) & 15;
      const zeroWord = loaded.zeros[group * (rows / PER_WORD) + Math.floor(row / PER_WORD)]!;
      const zero = (zeroWord >>> 4 * (row % PER_WORD) & 15) + zeroOffset;
      target[i] = loaded.scales[group * rows + row]! * (code - zero);
    }
    if (firstRow + target.length / columns === rows) loaded = undefined;
  });
}

function checkedGroups(order: ModelTensor, count: number): Int32Array {
  const groups = new Int32Array(wholeBytes(order).buffer);
  const wrong = groups.find((group) => group < 0 || group >= count);
  if (wrong === undefined) return groups;
  throw new InputError(
    `tensor ${order.info.name} names group ${wrong}, of ${count}`,
    order.path,
    "download the model again, from one revision",
  );
}
