/** Models whose weights a test sets one by one, written in Hugging Face layout. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../gpu/model/config.ts";
import { requiredTensors } from "../gpu/model/layout.ts";

export interface Weights {
  /** All values of a tensor. */
  readonly of: (name: string) => Float32Array;
  /** Sets one value of a matrix, by row and column. */
  readonly set: (name: string, row: number, column: number, value: number) => void;
}

/** Writes a model: matrices of zeros and norms of ones, and what `fill` makes of them. */
export function writeConstructed(
  directory: string,
  config: Readonly<Record<string, unknown>>,
  fill: (weights: Weights) => void,
): void {
  const tensors = requiredTensors(parseConfig(config, "constructed"));
  const values = new Map(tensors.map(({ name, shape }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return [name, new Float32Array(count).fill(shape.length === 1 ? 1 : 0)];
  }));
  const shapeOf = (name: string) => tensors.find((tensor) => tensor.name === name)!.shape;
  fill({
    of: (name) => values.get(name)!,
    set: (name, row, column, value) => values.get(name)![row * (shapeOf(name)[1] ?? 1) + column] = value,
  });
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "config.json"), JSON.stringify(config));
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const { name, shape } of tensors) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, end += 4 * values.get(name)!.length] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  const file = openSync(join(directory, "model.safetensors"), "w");
  for (const bytes of [length, text, ...tensors.map(({ name }) => new Uint8Array(values.get(name)!.buffer))]) {
    writeSync(file, bytes);
  }
  closeSync(file);
}
