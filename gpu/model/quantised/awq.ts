/**
 * AWQ (arXiv 2306.00978) as AutoAWQ saves it ("gemm"): for each module `qweight` [in, out / 8] with 8 codes of 4 bits in a
 * 32-bit word along the output, in an order of their own, `qzeros` [groups, out / 8] the same way, `scales` [groups, out].
 * W[out, in] = scales[g, out] (code - zero).
 */
import { computed, readNumbers } from "../derived_tensor.ts";
import type { JsonObject } from "../json.ts";
import type { ModelTensor } from "../tensor.ts";
import { groupSize } from "./gptq.ts";
import { oneOf, type Quantisation, requiredPart, requirePartShape, wholeBytes } from "./quantisation.ts";

const PER_WORD = 8;
/** Where in a word the code of each of 8 outputs stands. */
const PLACES = [0, 4, 1, 5, 2, 6, 3, 7];

export function awq(config: JsonObject, where: string): Quantisation {
  oneOf(config, "bits", [4], undefined, where);
  oneOf(config, "version", ["gemm", "GEMM"], "gemm", where);
  oneOf(config, "zero_point", [true], true, where);
  return {
    name: "AWQ of 4 bits",
    matrix: "qweight",
    beside: ["qzeros", "scales"],
    expand: (module, parts) => expandAwq(module, parts, groupSize(config, where)),
  };
}

interface Loaded {
  readonly words: Uint32Array;
  readonly zeros: Uint32Array;
  readonly scales: Float32Array;
}

function expandAwq(module: string, parts: ReadonlyMap<string, ModelTensor>, size: number | null): ModelTensor {
  const weight = requiredPart(module, parts, "qweight", ["I32"]);
  const [columns = 0, across = 0] = weight.info.shape;
  const rows = across * PER_WORD;
  const groups = Math.ceil(columns / (size ?? columns));
  const zeros = requiredPart(module, parts, "qzeros", ["I32"]);
  const scales = requiredPart(module, parts, "scales", ["F16", "BF16", "F32"]);
  requirePartShape(zeros, [groups, across]);
  requirePartShape(scales, [groups, rows]);
  // A row lies across all of the matrix: loaded with the first, dropped after the last.
  let loaded: Loaded | undefined;
  return computed(weight, `${module}.weight`, [rows, columns], (firstRow, target) => {
    loaded ??= {
      words: new Uint32Array(wholeBytes(weight).buffer),
      zeros: new Uint32Array(wholeBytes(zeros).buffer),
      scales: readNumbers(scales),
    };
    for (let i = 0; i < target.length; i++) {
      const row = firstRow + Math.floor(i / columns);
      const column = i % columns;
      const group = Math.floor(column / (size ?? columns));
      const shift = 4 * PLACES[row % PER_WORD]!;
      const word = Math.floor(row / PER_WORD);
      const code = loaded.words[column * across + word]! >>> shift & 15;
      const zero = loaded.zeros[group * across + word]! >>> shift & 15;
      target[i] = loaded.scales[group * rows + row]! * (code - zero);
    }
    if (firstRow + target.length / columns === rows) loaded = undefined;
  });
}
