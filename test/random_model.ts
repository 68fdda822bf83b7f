/** Models with random weights at any shape, streamed to disk in Hugging Face layout. */
import { Buffer } from "node:buffer";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../gpu/model/config.ts";
import { requiredTensors } from "../gpu/model/layout.ts";
import { seededRandom } from "./random.ts";

/** Random values that are drawn once and repeated from a random start: drawing a billion would take minutes. */
const POOL = 2 ** 20;

export interface RandomModel {
  readonly dtype: "F32" | "BF16";
  readonly seed: number;
}

/**
 * Writes `directory` with config.json and model.safetensors: projections normal with standard deviation
 * 1 / sqrt(inputs), norm weights about 1. Returns the bytes of the weights.
 */
export function writeRandomModel(
  directory: string,
  config: Readonly<Record<string, unknown>>,
  { dtype, seed }: RandomModel,
): number {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "config.json"), JSON.stringify(config, null, 1));
  const tensors = requiredTensors(parseConfig(config, "config.json"));
  const width = dtype === "F32" ? 4 : 2;
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const { name, shape } of tensors) {
    const bytes = shape.reduce((product, size) => product * size, 1) * width;
    header[name] = { dtype, shape, data_offsets: [end, end += bytes] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const random = seededRandom(seed);
  const pool = random.normals(POOL);
  const scaledPools = new Map<number, ReturnType<typeof encode>>();
  const file = openSync(join(directory, "model.safetensors"), "w");
  try {
    writeSync(file, length);
    writeSync(file, text);
    for (const { shape } of tensors) {
      const count = shape.reduce((product, size) => product * size, 1);
      const isNorm = shape.length === 1;
      const scale = isNorm ? 0.1 : 1 / Math.sqrt(shape.at(-1) as number);
      const key = isNorm ? 0 : scale;
      const scaled = scaledPools.get(key) ?? encode(pool.map((value) => value * scale + (isNorm ? 1 : 0)), dtype);
      scaledPools.set(key, scaled);
      for (let written = 0; written < count;) {
        const start = random.integer(0, POOL - 1);
        const part = scaled.subarray(start, Math.min(POOL, start + count - written));
        writeSync(file, new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
        written += part.length;
      }
    }
  } finally {
    closeSync(file);
  }
  return end;
}

function encode(values: Float32Array<ArrayBuffer>, dtype: "F32" | "BF16") {
  if (dtype === "F32") return values;
  // Truncated, not rounded: any bf16 value will do.
  return Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
}
