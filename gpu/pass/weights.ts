/**
 * A model's weights on the device. Matrices keep their 16-bit elements and lie in panels, cut by rows into shards where
 * one would exceed the adapter's largest binding; files are read in slices, never whole.
 */
import type { Device } from "../device/dawn.ts";
import type { RunOptions } from "../engine.ts";
import { InputError } from "../errors.ts";
import type { LayerAttention } from "../model/config.ts";
import type { ModelDirectory } from "../model/directory.ts";
import { blockNormNames } from "../model/layout.ts";
import {
  columns4,
  type ElementType,
  packRawPanels,
  PANEL,
  panelBytes,
  panelsOf,
  type RawElements,
} from "../kernels/panels.ts";

/** Rows [firstRow, firstRow + rows) of a weight matrix; firstRow is a multiple of 16. */
export interface Shard {
  readonly buffer: GPUBuffer;
  readonly firstRow: number;
  readonly rows: number;
}

/** A weight matrix [rows = out, columns = in]. */
export interface WeightMatrix {
  readonly shards: readonly Shard[];
  readonly rows: number;
  readonly columns: number;
  readonly type: ElementType;
}

/** Weights of one block, and how it attends. Vectors are f32, padded with zeros to a multiple of 4. */
export interface BlockWeights {
  readonly attention: LayerAttention;
  readonly attentionNorm: GPUBuffer;
  /** q, k and v projections one above the other. */
  readonly queryKeyValue: WeightMatrix;
  /** q norm, then k norm, each over a head or over the projection. */
  readonly headNorms: GPUBuffer;
  readonly output: WeightMatrix;
  readonly mlpNorm: GPUBuffer;
  /** Gate, zero rows to a multiple of 4, then up, and zero rows again. */
  readonly gateUp: WeightMatrix;
  readonly down: WeightMatrix;
}

export interface Weights {
  readonly blocks: readonly BlockWeights[];
  readonly finalNorm: GPUBuffer;
  /** [vocabulary, hidden]; the embedding itself when tied. */
  readonly unembedding: WeightMatrix;
  /** Name of the tensor behind `unembedding`. */
  readonly unembeddingName: string;
}

/** Host bytes of one slice that is read, packed and written. */
const SLICE_BYTES = 8 * 2 ** 20;
/** Bytes written before waiting for the device, which stages them in host memory. */
export const FLUSH_BYTES = 64 * 2 ** 20;

interface Part {
  readonly name: string;
  /** Row of the matrix where the tensor's first row lies. */
  readonly firstRow: number;
}

const TYPES: Readonly<Record<string, { type: ElementType; bytes: 2 | 4; exponent: number }>> = {
  F32: { type: "f32", bytes: 4, exponent: 0x7f800000 },
  BF16: { type: "bf16", bytes: 2, exponent: 0x7f80 },
  F16: { type: "f16", bytes: 2, exponent: 0x7c00 },
};

function typeOf(dtype: string) {
  const found = TYPES[dtype];
  if (!found) throw new Error(`weights of dtype ${dtype} reached the engine`);
  return found;
}

/**
 * Loads all weights. Progress counts bytes of the files. Throws InputError for NaN or infinite weights.
 * On failure nothing stays on the device.
 */
export function loadWeights(device: Device, model: ModelDirectory, options: RunOptions = {}): Promise<Weights> {
  return makeWeights(device, model, options, true);
}

/** Allocates all weights as `loadWeights` does, and leaves them zero. */
export function layOutWeights(device: Device, model: ModelDirectory): Promise<Weights> {
  return makeWeights(device, model, {}, false);
}

async function makeWeights(
  device: Device,
  model: ModelDirectory,
  options: RunOptions,
  filled: boolean,
): Promise<Weights> {
  const owned: GPUBuffer[] = [];
  const allocate = (bytes: number, label: string) => {
    const buffer = device.allocate(bytes, label, true);
    owned.push(buffer);
    return buffer;
  };
  try {
    return await readWeights(device, model, options, allocate, filled);
  } catch (error) {
    owned.forEach((buffer) => device.destroy(buffer));
    throw error;
  }
}

async function readWeights(
  device: Device,
  model: ModelDirectory,
  options: RunOptions,
  allocate: Device["allocate"],
  filled: boolean,
): Promise<Weights> {
  const { config } = model;
  const total = model.weightBytes;
  let done = 0;
  let sinceFlush = 0;

  async function wrote(bytes: number): Promise<void> {
    options.signal?.throwIfAborted();
    done += bytes;
    sinceFlush += bytes;
    if (sinceFlush >= FLUSH_BYTES) {
      sinceFlush = 0;
      await device.flush();
    }
    options.onProgress?.({ phase: "load", done: Math.min(done, total), total });
  }

  async function matrix(parts: readonly Part[], rows: number, columns: number): Promise<WeightMatrix> {
    const dtypes = new Set(parts.map(({ name }) => model.tensor(name).info.dtype));
    if (dtypes.size > 1) {
      throw new InputError(
        `tensors ${parts.map(({ name }) => name).join(", ")} have different dtypes (${[...dtypes].join(", ")})`,
        model.directory,
        "save the model in one dtype",
      );
    }
    const { type, bytes } = typeOf([...dtypes][0] as string);
    const panelSize = columns4(columns) * PANEL * 4 * bytes;
    const shardRows = Math.max(1, Math.floor(device.info.bindingBytes / panelSize)) * PANEL;
    const sliceRows = Math.max(1, Math.floor(SLICE_BYTES / panelSize)) * PANEL;
    const Elements = bytes === 2 ? Uint16Array : Uint32Array;
    const shards: Shard[] = [];
    for (let firstRow = 0; firstRow < rows; firstRow += shardRows) {
      const shard = { firstRow, rows: Math.min(shardRows, rows - firstRow) };
      const label = `${parts[0]?.name} rows ${firstRow}+${shard.rows}`;
      const buffer = allocate(panelBytes(shard.rows, columns, type), label);
      shards.push({ ...shard, buffer });
      for (let start = 0; filled && start < shard.rows; start += sliceRows) {
        const count = Math.min(sliceRows, shard.rows - start);
        const source = new Elements(count * columns);
        for (const part of parts) readRows(model, part, firstRow + start, count, columns, source);
        const packed = new Elements(panelsOf(count) * columns4(columns) * PANEL * 4);
        packRawPanels(source, count, columns, packed);
        device.write(buffer, (start / PANEL) * panelSize, new Uint8Array(packed.buffer));
        await wrote(source.byteLength);
      }
    }
    return { shards, rows, columns, type };
  }

  function vector(...names: string[]): GPUBuffer {
    const values = names.map((name) => {
      const length = model.tensor(name).info.shape[0] as number;
      return filled ? readRowAsNumbers(model, name, 0, length) : new Float32Array(length);
    });
    const padded = new Float32Array(values.reduce((sum, value) => sum + columns4(value.length) * 4, 0));
    let at = 0;
    for (const value of values) {
      padded.set(value, at);
      at += columns4(value.length) * 4;
    }
    const buffer = allocate(padded.byteLength, names.join(" | "));
    device.write(buffer, 0, padded);
    return buffer;
  }

  const queries = config.heads * config.headDimension;
  const keys = config.keyValueHeads * config.headDimension;
  const gateRows = columns4(config.intermediate) * 4;
  const norms = blockNormNames(config);
  const blocks: BlockWeights[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const name = (part: string) => `model.layers.${layer}.${part}.weight`;
    blocks.push({
      attention: config.attention[layer] as LayerAttention,
      attentionNorm: vector(name(norms.attentionNorm)),
      queryKeyValue: await matrix(
        [
          { name: name("self_attn.q_proj"), firstRow: 0 },
          { name: name("self_attn.k_proj"), firstRow: queries },
          { name: name("self_attn.v_proj"), firstRow: queries + keys },
        ],
        queries + 2 * keys,
        config.hidden,
      ),
      headNorms: vector(name("self_attn.q_norm"), name("self_attn.k_norm")),
      output: await matrix([{ name: name("self_attn.o_proj"), firstRow: 0 }], config.hidden, queries),
      mlpNorm: vector(name(norms.mlpNorm)),
      gateUp: await matrix(
        [{ name: name("mlp.gate_proj"), firstRow: 0 }, { name: name("mlp.up_proj"), firstRow: gateRows }],
        2 * gateRows,
        config.hidden,
      ),
      down: await matrix([{ name: name("mlp.down_proj"), firstRow: 0 }], config.hidden, config.intermediate),
    });
  }
  const unembeddingName = config.tiedEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight";
  const unembedding = await matrix([{ name: unembeddingName, firstRow: 0 }], config.vocabulary, config.hidden);
  const weights = { blocks, finalNorm: vector("model.norm.weight"), unembedding, unembeddingName };
  await device.flush();
  options.onProgress?.({ phase: "load", done: total, total });
  return weights;
}

/** Fills the part of `target` (rows [firstRow, firstRow + count) of the matrix) that the tensor covers. */
function readRows(
  model: ModelDirectory,
  part: Part,
  firstRow: number,
  count: number,
  columns: number,
  target: RawElements,
): void {
  const { path, info } = model.tensor(part.name);
  const from = Math.max(firstRow, part.firstRow);
  const to = Math.min(firstRow + count, part.firstRow + (info.shape[0] as number));
  if (from >= to) return;
  const elements = target.subarray((from - firstRow) * columns, (to - firstRow) * columns);
  const { bytes, exponent } = typeOf(info.dtype);
  const firstElement = (from - part.firstRow) * columns;
  model.readInto(
    part.name,
    firstElement * bytes,
    new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength),
  );
  refuseNonFinite(elements, exponent, part.name, path, firstElement, columns);
}

function refuseNonFinite(
  elements: RawElements,
  exponent: number,
  name: string,
  path: string,
  firstElement: number,
  columns: number,
): void {
  for (let index = 0; index < elements.length; index++) {
    // All bits of the exponent set: infinite or not a number.
    if (((elements[index] as number) & exponent) === exponent) {
      const at = firstElement + index;
      throw new InputError(
        `tensor ${name} is not finite at [${Math.floor(at / columns)}, ${at % columns}]`,
        path,
        "use weights without NaN and infinity",
      );
    }
  }
}

/** Reads one row [columns] of a tensor (or a whole vector, row 0) as float32 numbers. */
export function readRowAsNumbers(
  model: ModelDirectory,
  name: string,
  row: number,
  columns: number,
): Float32Array<ArrayBuffer> {
  const { path, info } = model.tensor(name);
  const { type, bytes, exponent } = typeOf(info.dtype);
  const raw = bytes === 2 ? new Uint16Array(columns) : new Uint32Array(columns);
  model.readInto(name, row * columns * bytes, new Uint8Array(raw.buffer));
  refuseNonFinite(raw, exponent, name, path, row * columns, columns);
  if (type === "f32") return new Float32Array(raw.buffer);
  if (type === "bf16") return new Float32Array(Uint32Array.from(raw, (word) => word << 16).buffer);
  return Float32Array.from(raw, halfToNumber);
}

/** An IEEE half's bits as a number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Frees the device memory of all weights. */
export function freeWeights(device: Device, weights: Weights): void {
  const matrices = weights.blocks.flatMap(({ queryKeyValue, output, gateUp, down }) => [
    queryKeyValue,
    output,
    gateUp,
    down,
  ]);
  for (const { shards } of [...matrices, weights.unembedding]) shards.forEach(({ buffer }) => device.destroy(buffer));
  for (const { attentionNorm, headNorms, mlpNorm } of weights.blocks) {
    [attentionNorm, headNorms, mlpNorm].forEach((buffer) => device.destroy(buffer));
  }
  device.destroy(weights.finalNorm);
}
