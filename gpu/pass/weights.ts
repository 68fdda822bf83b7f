/**
 * A model's weights on the device: a fold over the layouts of gpu/model/layout.ts. Matrices keep their 16-bit elements, and
 * their blocks, and lie in panels, cut by rows into shards where one would exceed the adapter's largest binding; files are read in slices,
 * never whole.
 */
import type { Device } from "../device/device.ts";
import type { RunOptions } from "../engine.ts";
import { InputError } from "../errors.ts";
import {
  columns4,
  type ElementType,
  packRawPanels,
  PANEL,
  panelBytes,
  panelsOf,
  type RawElements,
} from "../kernels/panels.ts";
import { packBlocks } from "../kernels/blocks.ts";
import type { Shard, WeightMatrix } from "../kernels/weight_matrix.ts";
import type { LayerAttention } from "../model/config.ts";
import { expanded, readRows } from "../model/derived_tensor.ts";
import type { ModelDirectory } from "../model/directory.ts";
import { type BlockEncodingName, halfToNumber, isBlockEncoding, rowBytes } from "../model/encodings.ts";
import {
  blockLayout,
  type MatrixLayout,
  type MatrixPart,
  outerLayout,
  type Run,
  type Source,
  type VectorLayout,
  type VectorPart,
} from "../model/layout.ts";

/** Weights of one block, and how it attends. Vectors are f32. */
export interface BlockWeights {
  readonly layer: number;
  readonly attention: LayerAttention;
  readonly matrices: ReadonlyMap<MatrixPart, WeightMatrix>;
  readonly vectors: ReadonlyMap<VectorPart, GPUBuffer>;
  /** One that the block does not have is a bug. */
  matrix(part: MatrixPart): WeightMatrix;
  vector(part: VectorPart): GPUBuffer;
}

export interface Weights {
  readonly blocks: readonly BlockWeights[];
  readonly finalNorm: GPUBuffer;
  /** [vocabulary, hidden]; the embedding itself when tied. */
  readonly unembedding: WeightMatrix;
  /** Learned positions, [positions, hidden]. */
  readonly positions: WeightMatrix | null;
}

/** Host bytes of one slice that is read, packed and written. */
const SLICE_BYTES = 8 * 2 ** 20;
/** Bytes written before waiting for the device, which stages them in host memory. */
export const FLUSH_BYTES = 64 * 2 ** 20;

/** How elements of a dtype are stored: bytes of one, and the bits of its exponent, all set where it is not finite. */
interface Element {
  readonly type: ElementType;
  readonly bytes: 2 | 4;
  readonly exponent: number;
}

const ELEMENTS: Readonly<Record<string, Element>> = {
  F32: { type: "f32", bytes: 4, exponent: 0x7f800000 },
  BF16: { type: "bf16", bytes: 2, exponent: 0x7f80 },
  F16: { type: "f16", bytes: 2, exponent: 0x7c00 },
};

function elementOf(dtype: string): Element {
  const found = ELEMENTS[dtype];
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

  async function matrix(layout: MatrixLayout): Promise<WeightMatrix> {
    const shards: Shard[] = [];
    for (const section of sectionsOf(model, layout)) shards.push(...await readSection(section, layout));
    return { shards, rows: layout.rows, columns: layout.columns };
  }

  /** Reads rows that are stored alike, as many shards as the largest binding asks for. */
  async function readSection(section: Section, { columns, unit = PANEL }: MatrixLayout): Promise<Shard[]> {
    const { sources, type } = section;
    const panelSize = panelBytes(PANEL, columns, type);
    const shardRows = Math.max(1, Math.floor(device.info.bindingBytes / (panelSize * unit / PANEL))) * unit;
    const sliceRows = Math.max(1, Math.floor(SLICE_BYTES / panelSize)) * PANEL;
    const pack = isBlockEncoding(type)
      ? blockPacker(model, sources, type)
      : elementPacker(model, sources, section.element);
    const shards: Shard[] = [];
    const end = section.firstRow + section.rows;
    for (let firstRow = section.firstRow; firstRow < end; firstRow += shardRows) {
      const shard = { firstRow, rows: Math.min(shardRows, end - firstRow), type };
      const label = `${sources[0]?.name} rows ${firstRow}+${shard.rows}`;
      const buffer = allocate(panelBytes(shard.rows, columns, type), label);
      shards.push({ ...shard, buffer });
      for (let start = 0; filled && start < shard.rows; start += sliceRows) {
        const count = Math.min(sliceRows, shard.rows - start);
        const { packed, read } = pack(firstRow + start, count, columns);
        device.write(buffer, (start / PANEL) * panelSize, packed);
        await wrote(read);
      }
    }
    return shards;
  }

  function vector({ sources, length, added }: VectorLayout): GPUBuffer {
    const values = new Float32Array(length);
    for (const { name, shape, runs } of filled ? sources : []) {
      const stored = readRowAsNumbers(model, name, 0, shape[0] as number);
      for (const { from, to, count } of runs) {
        for (let index = 0; index < count; index++) values[to + index] = (stored[from + index] as number) + added;
      }
    }
    const buffer = allocate(values.byteLength, sources.map(({ name }) => name).join(" | "));
    device.write(buffer, 0, values);
    return buffer;
  }

  const blocks: BlockWeights[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const layout = blockLayout(config, layer);
    const matrices = new Map<MatrixPart, WeightMatrix>();
    for (const one of layout.matrices) matrices.set(one.part, await matrix(one));
    const vectors = new Map(layout.vectors.map((one) => [one.part, vector(one)]));
    blocks.push(blockWeights(layer, config.attention[layer] as LayerAttention, matrices, vectors));
  }
  const outer = outerLayout(config);
  const weights = {
    blocks,
    unembedding: await matrix(outer.unembedding),
    positions: outer.positions && await matrix(outer.positions),
    finalNorm: vector(outer.finalNorm),
  };
  await device.flush();
  options.onProgress?.({ phase: "load", done: total, total });
  return weights;
}

function blockWeights(
  layer: number,
  attention: LayerAttention,
  matrices: ReadonlyMap<MatrixPart, WeightMatrix>,
  vectors: ReadonlyMap<VectorPart, GPUBuffer>,
): BlockWeights {
  const missing = (part: string): never => {
    throw new Error(`block ${layer} has no ${part}`);
  };
  return {
    layer,
    attention,
    matrices,
    vectors,
    matrix: (part) => matrices.get(part) ?? missing(part),
    vector: (part) => vectors.get(part) ?? missing(part),
  };
}

/** Rows of a matrix that are stored alike. */
interface Section {
  readonly firstRow: number;
  readonly rows: number;
  readonly sources: readonly Source[];
  readonly type: ElementType;
  /** How elements are stored that stand alone. */
  readonly element: Element;
}

/**
 * A matrix by how its tensors are stored: where they differ, each in its own part if parts are whole panels, else all in
 * float32, which holds every other exactly. So are blocks whose columns would have to move.
 */
function sectionsOf(model: ModelDirectory, { sources, rows, unit }: MatrixLayout): readonly Section[] {
  const dtypes = sources.map(({ name }) => model.tensor(name).info.dtype);
  const staysInBlocks = sources.every(({ transposed, columns }) => !transposed && !columns);
  const stored = (dtype: string) => !isBlockEncoding(dtype) || staysInBlocks ? dtype : "F32";
  if (new Set(dtypes).size === 1) return [sectionOf(stored(dtypes[0]!), 0, rows, sources)];
  const starts = sources.map(({ runs }) => Math.min(...runs.map(({ to }) => to)));
  const isApart = unit === undefined &&
    starts.every((start, i) => start % PANEL === 0 && start > (starts[i - 1] ?? -1));
  if (!isApart) return [sectionOf("F32", 0, rows, sources)];
  return sources.map((source, i) =>
    sectionOf(stored(dtypes[i]!), starts[i]!, (starts[i + 1] ?? rows) - starts[i]!, [source])
  );
}

function sectionOf(dtype: string, firstRow: number, rows: number, sources: readonly Source[]): Section {
  if (isBlockEncoding(dtype)) return { firstRow, rows, sources, type: dtype, element: elementOf("F32") };
  const element = elementOf(dtype);
  return { firstRow, rows, sources, type: element.type, element };
}

/** Packs rows [firstRow, firstRow + count) of a matrix; `read` are the bytes that were read for them. */
type Packer = (
  firstRow: number,
  count: number,
  columns: number,
) => { readonly packed: Uint8Array<ArrayBuffer>; readonly read: number };

function elementPacker(model: ModelDirectory, sources: readonly Source[], element: Element): Packer {
  const Elements = element.bytes === 2 ? Uint16Array : Uint32Array;
  let readers: readonly { readonly source: Source; readonly read: RowReader }[] | undefined;
  return (firstRow, count, columns) => {
    readers ??= sources.map((source) => ({ source, read: rowReader(model, source, element, columns) }));
    const target = new Elements(count * columns);
    for (const { source, read } of readers) fillRows(source.runs, read, firstRow, count, columns, target);
    const packed = new Elements(panelsOf(count) * columns4(columns) * PANEL * 4);
    packRawPanels(target, count, columns, packed);
    return { packed: new Uint8Array(packed.buffer), read: target.byteLength };
  };
}

function blockPacker(model: ModelDirectory, sources: readonly Source[], type: BlockEncodingName): Packer {
  return (firstRow, count, columns) => {
    const bytes = rowBytes(type, columns);
    const target = new Uint8Array(count * bytes);
    for (const { name, runs } of sources) {
      fillRows(runs, (row, part) => model.readInto(name, row * bytes, part), firstRow, count, bytes, target);
    }
    const packed = new Uint32Array(panelBytes(count, columns, type) / 4);
    packBlocks(
      type,
      target,
      count,
      columns,
      packed,
      (row, column) => refuseBlock(model, sources, firstRow + row, column),
    );
    return { packed: new Uint8Array(packed.buffer), read: target.byteLength };
  };
}

function refuseBlock(model: ModelDirectory, sources: readonly Source[], row: number, column: number): never {
  for (const { name, runs } of sources) {
    const run = runs.find(({ to, count }) => row >= to && row < to + count);
    if (run) throw notFinite(name, model.tensor(name).path, run.from + row - run.to, column);
  }
  throw new Error(`row ${row} of no tensor was read`);
}

/** Fills `target` [count, columns] with rows [row, row + count) of a source, as elements of the matrix. */
type RowReader = (row: number, target: RawElements) => void;

/** Reads rows as they lie in the file where they can be, and whole tensors where they are stored otherwise. */
function rowReader(model: ModelDirectory, source: Source, element: Element, columns: number): RowReader {
  const { path, info, readInto } = expanded(model.tensor(source.name));
  const stored = elementOf(info.dtype);
  const width = info.shape.at(-1) as number;
  const raw = (first: number, count: number): RawElements => {
    const elements = stored.bytes === 2 ? new Uint16Array(count) : new Uint32Array(count);
    readInto(first * stored.bytes, new Uint8Array(elements.buffer));
    refuseNonFinite(elements, stored.exponent, source.name, path, first, width);
    return elements;
  };
  const asElements = (elements: RawElements): RawElements =>
    stored.type === element.type ? elements : new Uint32Array(toNumbers(elements, stored.type).buffer);
  const inputs = source.transposed ? info.shape[0] as number : width;
  const runs = source.columns ?? [{ from: 0, to: 0, count: inputs }];
  if (source.transposed) {
    let all: RawElements | undefined;
    return (row, target) => {
      all ??= asElements(raw(0, inputs * width));
      for (let line = 0; line < target.length / columns; line++) {
        for (const { from, to, count } of runs) {
          for (let at = 0; at < count; at++) {
            target[line * columns + to + at] = all[(from + at) * width + row + line] as number;
          }
        }
      }
    };
  }
  if (source.columns) {
    return (row, target) => {
      const elements = asElements(raw(row * width, target.length / columns * width));
      for (let line = 0; line < target.length / columns; line++) {
        for (const { from, to, count } of runs) {
          target.set(elements.subarray(line * width + from, line * width + from + count), line * columns + to);
        }
      }
    };
  }
  if (stored.type !== element.type) return (row, target) => target.set(asElements(raw(row * width, target.length)));
  return (row, target) => {
    readInto(row * width * stored.bytes, bytesOf(target));
    refuseNonFinite(target, stored.exponent, source.name, path, row * width, width);
  };
}

const bytesOf = (elements: RawElements) => new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);

/** Fills what a source gives of rows [firstRow, firstRow + count) of a matrix. */
function fillRows<Target extends RawElements | Uint8Array<ArrayBuffer>>(
  runs: readonly Run[],
  read: (row: number, target: Target) => void,
  firstRow: number,
  count: number,
  rowLength: number,
  target: Target,
): void {
  for (const run of runs) {
    const from = Math.max(firstRow, run.to);
    const to = Math.min(firstRow + count, run.to + run.count);
    if (from < to) {
      const part = target.subarray((from - firstRow) * rowLength, (to - firstRow) * rowLength);
      read(run.from + from - run.to, part as Target);
    }
  }
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
      throw notFinite(name, path, Math.floor(at / columns), at % columns);
    }
  }
}

function notFinite(name: string, path: string, row: number, column: number): InputError {
  return new InputError(
    `tensor ${name} is not finite at [${row}, ${column}]`,
    path,
    "use weights without NaN and infinity",
  );
}

/** Reads one row [columns] of a tensor (or a whole vector, row 0) as float32 numbers. */
export function readRowAsNumbers(
  model: ModelDirectory,
  name: string,
  row: number,
  columns: number,
): Float32Array<ArrayBuffer> {
  const tensor = model.tensor(name);
  const values = new Float32Array(columns);
  readRows(tensor, row, values);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw notFinite(name, tensor.path, row, wrong);
  return values;
}

/** Raw elements as float32 numbers. */
function toNumbers(raw: RawElements, type: ElementType): Float32Array<ArrayBuffer> {
  if (type === "f32") return new Float32Array(Uint32Array.from(raw).buffer);
  if (type === "bf16") return new Float32Array(Uint32Array.from(raw, (word) => word << 16).buffer);
  return Float32Array.from(raw, halfToNumber);
}

/** The matrices of the first block whose products take most of the time: those for autotune.ts to time. */
export function productsOf({ blocks }: Weights): readonly WeightMatrix[] {
  const [block] = blocks;
  // Experts have kernels of their own.
  return [...block?.matrices ?? []].flatMap(([part, matrix]) => part.startsWith("expert") ? [] : [matrix]);
}

/** Frees the device memory of all weights. */
export function freeWeights(device: Device, { blocks, finalNorm, unembedding, positions }: Weights): void {
  const ofBlocks = blocks.flatMap((block) => [...block.matrices.values()]);
  const matrices = [unembedding, ...(positions ? [positions] : []), ...ofBlocks];
  for (const { shards } of matrices) shards.forEach(({ buffer }) => device.destroy(buffer));
  for (const { vectors } of blocks) vectors.forEach((buffer) => device.destroy(buffer));
  device.destroy(finalNorm);
}
