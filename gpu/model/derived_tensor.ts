/**
 * Tensors made of other tensors while they are read: rows in another order, a part, or rows that are computed. None is
 * ever held whole.
 */
import { InputError } from "../errors.ts";
import { expand, isBlockEncoding, isEncoding, rowBytes } from "./encodings.ts";
import { elements, type ModelTensor } from "./tensor.ts";

/** Rows and columns of a tensor: a vector is one row, what has more dimensions is rows of the last one. */
export function rowsAndColumns(
  { info }: Pick<ModelTensor, "info">,
): { readonly rows: number; readonly columns: number } {
  const columns = info.shape.at(-1) ?? 1;
  return { rows: columns === 0 ? 0 : elements(info) / columns, columns };
}

/** Fills `target` with whole rows from `firstRow` on as float32 numbers, whatever their encoding. */
export function readRows(tensor: ModelTensor, firstRow: number, target: Float32Array<ArrayBuffer>): void {
  const { dtype, name } = tensor.info;
  if (!isEncoding(dtype)) throw new Error(`tensor ${name} of dtype ${dtype} was read as numbers`);
  const { columns } = rowsAndColumns(tensor);
  const bytes = rowBytes(dtype, columns);
  // What is stored as float32 needs no copy.
  const raw = new Uint8Array(dtype === "F32" ? target.buffer : new ArrayBuffer(target.length / columns * bytes));
  const read = dtype === "F32" ? new Uint8Array(target.buffer, target.byteOffset, target.byteLength) : raw;
  tensor.readInto(firstRow * bytes, read);
  if (dtype !== "F32") expand(dtype, raw, target);
}

/** The whole tensor as float32 numbers, row-major. For small ones. */
export function readNumbers(tensor: ModelTensor): Float32Array<ArrayBuffer> {
  const values = new Float32Array(elements(tensor.info));
  readRows(tensor, 0, values);
  return values;
}

/** The same bytes under another name, of another shape. */
export function renamed(tensor: ModelTensor, name: string, shape = tensor.info.shape): ModelTensor {
  return { ...tensor, info: { ...tensor.info, name, shape } };
}

/** A part of a tensor's bytes, as one of a stack of matrices. */
export function part(tensor: ModelTensor, name: string, shape: readonly number[], index: number): ModelTensor {
  const bytes = tensor.info.bytes / elements(tensor.info) * elements({ shape });
  return {
    info: { ...tensor.info, name, shape, bytes },
    path: tensor.path,
    readInto: (byteOffset, target) => {
      if (byteOffset + target.byteLength > bytes) {
        throw new RangeError(`bytes to ${byteOffset + target.byteLength} leave tensor ${name} of ${bytes} bytes`);
      }
      tensor.readInto(index * bytes + byteOffset, target);
    },
  };
}

/**
 * The tensor with its rows in another order: row r is `sourceRow(r)` of it. A vector's rows are its elements. Throws
 * InputError when its encoding does not let rows go apart.
 */
export function reordered(tensor: ModelTensor, name: string, sourceRow: (row: number) => number): ModelTensor {
  const { shape, dtype, bytes } = tensor.info;
  const rows = shape[0] ?? 1;
  const bytesOfRow = bytes / rows;
  if (!Number.isInteger(bytesOfRow)) {
    throw new InputError(
      `rows of tensor ${name} of ${dtype} [${shape}] cannot be reordered`,
      tensor.path,
      "download or convert the model again",
    );
  }
  return {
    info: { ...tensor.info, name },
    path: tensor.path,
    readInto: (byteOffset, target) => {
      for (let done = 0; done < target.byteLength;) {
        const row = Math.floor((byteOffset + done) / bytesOfRow);
        const within = (byteOffset + done) % bytesOfRow;
        if (row >= rows) throw new RangeError(`bytes past the end of tensor ${name} of ${bytes} bytes`);
        const count = Math.min(bytesOfRow - within, target.byteLength - done);
        tensor.readInto(sourceRow(row) * bytesOfRow + within, target.subarray(done, done + count));
        done += count;
      }
    },
  };
}

/**
 * A float32 tensor whose rows are computed when they are read: `compute` fills whole rows, [target.length / columns,
 * columns], from `firstRow` on.
 */
export function computed(
  source: Pick<ModelTensor, "path">,
  name: string,
  shape: readonly number[],
  compute: (firstRow: number, target: Float32Array<ArrayBuffer>) => void,
): ModelTensor {
  const info = { name, dtype: "F32", shape, bytes: 4 * elements({ shape }) };
  const { rows, columns } = rowsAndColumns({ info });
  return {
    info,
    path: source.path,
    readInto: (byteOffset, target) => {
      const firstRow = Math.floor(byteOffset / (4 * columns));
      const endRow = Math.ceil((byteOffset + target.byteLength) / (4 * columns));
      if (endRow > rows) throw new RangeError(`bytes past the end of tensor ${name} of ${info.bytes} bytes`);
      const values = new Float32Array((endRow - firstRow) * columns);
      compute(firstRow, values);
      target.set(new Uint8Array(values.buffer, byteOffset - firstRow * 4 * columns, target.byteLength));
    },
  };
}

/** Every number of a tensor, changed; expanded to float32. */
export function mapped(tensor: ModelTensor, name: string, change: (value: number) => number): ModelTensor {
  return computed(tensor, name, tensor.info.shape, (firstRow, target) => {
    readRows(tensor, firstRow, target);
    for (let i = 0; i < target.length; i++) target[i] = change(target[i]!);
  });
}

/** A matrix [rows, columns] as [columns, rows]; expanded to float32, and read whole for each slice that is asked for. */
export function transposed(tensor: ModelTensor, name: string): ModelTensor {
  const { rows, columns } = rowsAndColumns(tensor);
  return computed(tensor, name, [columns, rows], (firstRow, target) => {
    const count = target.length / rows;
    const row = new Float32Array(columns);
    for (let source = 0; source < rows; source++) {
      readRows(tensor, source, row);
      for (let i = 0; i < count; i++) target[i * rows + source] = row[firstRow + i]!;
    }
  });
}

/** The tensor, as float32 where it is stored in blocks. */
export function expanded(tensor: ModelTensor): ModelTensor {
  const { name, dtype, shape } = tensor.info;
  if (!isBlockEncoding(dtype)) return tensor;
  return computed(tensor, name, shape, (firstRow, target) => readRows(tensor, firstRow, target));
}
