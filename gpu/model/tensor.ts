/** A tensor of a model, wherever its bytes come from: a safetensors file, a GGUF file, a merged or an expanded one. */

/** What is known of a tensor before its data are read. */
export interface TensorInfo {
  readonly name: string;
  /** As its file calls it, for example "BF16" or a block type of GGUF. */
  readonly dtype: string;
  /** Row-major; empty for a scalar. */
  readonly shape: readonly number[];
  /** Size of the tensor's data in bytes. */
  readonly bytes: number;
}

export interface ModelTensor {
  readonly info: TensorInfo;
  /** The file that holds it, for errors. */
  readonly path: string;
  /**
   * Fills `target` with the tensor's bytes from `byteOffset` on. Reads synchronously, and exactly `target.byteLength`
   * bytes. Throws InputError when its file became shorter, RangeError when the slice leaves the tensor.
   */
  readInto(byteOffset: number, target: Uint8Array): void;
}

/** Number of elements of a tensor; 1 for a scalar. */
export function elements(info: Pick<TensorInfo, "shape">): number {
  return info.shape.reduce((product, size) => product * size, 1);
}
