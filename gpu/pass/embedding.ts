/** Embeddings as they enter the residual stream, and rows of the unembedding; read from the model's files. */
import { panelBytes, panelIndex } from "../kernels/panels.ts";
import type { ModelDirectory } from "../model/directory.ts";
import { outerLayout } from "../model/layout.ts";
import { readRowAsNumbers } from "./weights.ts";

/** What a token adds to node layer 0, [hidden]: its embedding, scaled where the family scales it. */
export function readEmbedding(model: ModelDirectory, id: number): Float32Array<ArrayBuffer> {
  const { hidden, embeddingScale } = model.config;
  const { embedding: { sources: [source] } } = outerLayout(model.config);
  const values = readRowAsNumbers(model, (source as { name: string }).name, id, hidden);
  return embeddingScale === 1 ? values : values.map((value) => value * embeddingScale);
}

/** The row of the unembedding that gives a token's logit, [hidden]. */
export function readUnembedding(model: ModelDirectory, id: number): Float32Array<ArrayBuffer> {
  const { unembedding: { sources: [source] } } = outerLayout(model.config);
  return readRowAsNumbers(model, (source as { name: string }).name, id, model.config.hidden);
}

/** Embeddings in panels [rows, hidden]; rows without an id are zero. */
export function embedRows(
  model: ModelDirectory,
  rows: number,
  ids: readonly (number | undefined)[],
): Float32Array<ArrayBuffer> {
  const { hidden } = model.config;
  const embeddings = new Map<number, Float32Array>();
  const packed = new Float32Array(panelBytes(rows, hidden) / 4);
  ids.forEach((id, row) => {
    if (id === undefined) return;
    let values = embeddings.get(id);
    if (!values) embeddings.set(id, values = readEmbedding(model, id));
    writeRow(packed, row, values);
  });
  return packed;
}

/** Writes a row [columns] into panels. */
export function writeRow(packed: Float32Array, row: number, values: Float32Array): void {
  for (let column = 0; column < values.length; column++) {
    packed[panelIndex(row, column, values.length)] = values[column] as number;
  }
}

/** Reads a row [columns] out of panels. */
export function readRow(packed: Float32Array, row: number, columns: number): Float32Array {
  const values = new Float32Array(columns);
  for (let column = 0; column < columns; column++) values[column] = packed[panelIndex(row, column, columns)] as number;
  return values;
}
