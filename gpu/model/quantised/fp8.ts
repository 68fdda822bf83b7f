/**
 * FP8 with a scale for each block of a matrix, as Qwen and DeepSeek publish it: `weight` of 8-bit floats and
 * `weight_scale_inv`, which despite its name is multiplied (transformers, finegrained_fp8).
 */
import { InputError } from "../../errors.ts";
import { computed, readNumbers, rowsAndColumns } from "../derived_tensor.ts";
import type { JsonObject } from "../json.ts";
import type { ModelTensor } from "../tensor.ts";
import { oneOf, type Quantisation, requiredPart, requirePartShape } from "./quantisation.ts";

/** The values of all 256 bytes of float8 e4m3fn: no infinities, and 0x7f and 0xff are not numbers. */
export const E4M3 = Float32Array.from({ length: 256 }, (_, byte) => {
  const sign = byte & 128 ? -1 : 1;
  const exponent = byte >> 3 & 15;
  const fraction = byte & 7;
  if ((byte & 127) === 127) return NaN;
  return exponent === 0 ? sign * fraction * 2 ** -9 : sign * (1 + fraction / 8) * 2 ** (exponent - 7);
});

export function fp8(config: JsonObject, where: string): Quantisation {
  oneOf(config, "fmt", ["e4m3"], "e4m3", where);
  const block = config["weight_block_size"];
  const isBlock = Array.isArray(block) && block.length === 2 &&
    block.every((size) => Number.isInteger(size) && size > 0);
  if (!isBlock) {
    throw new InputError(
      `weight_block_size ${JSON.stringify(block ?? null)} is not supported`,
      where,
      "use the original model, or one with a scale for each block",
    );
  }
  const [blockRows, blockColumns] = block as [number, number];
  return {
    name: "FP8",
    matrix: "weight",
    beside: ["weight_scale_inv"],
    expand: (module, parts) => expandFp8(module, parts, blockRows, blockColumns),
  };
}

function expandFp8(
  module: string,
  parts: ReadonlyMap<string, ModelTensor>,
  blockRows: number,
  blockColumns: number,
): ModelTensor {
  const weight = requiredPart(module, parts, "weight", ["F8_E4M3"]);
  const scales = requiredPart(module, parts, "weight_scale_inv", ["F32", "BF16", "F16"]);
  const { rows, columns } = rowsAndColumns(weight);
  const acrossBlocks = Math.ceil(columns / blockColumns);
  requirePartShape(scales, [Math.ceil(rows / blockRows), acrossBlocks]);
  let factors: Float32Array | undefined;
  return computed(weight, `${module}.weight`, weight.info.shape, (firstRow, target) => {
    factors ??= readNumbers(scales);
    const bytes = new Uint8Array(target.length);
    weight.readInto(firstRow * columns, bytes);
    for (let i = 0; i < target.length; i++) {
      const row = firstRow + Math.floor(i / columns);
      const at = Math.floor(row / blockRows) * acrossBlocks + Math.floor(i % columns / blockColumns);
      target[i] = E4M3[bytes[i]!]! * factors[at]!;
    }
  });
}
