/**
 * The safetensors file format: an 8-byte little-endian header length, a JSON header, then the tensors' bytes.
 * Only the header is ever read whole; weights are read in slices, straight into the caller's buffer.
 * The checks and their order are those of the reference reader (huggingface/safetensors, `tensor.rs`), and one more:
 * duplicate keys, which the format forbids and the reference reader does not see.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { InputError } from "../errors.ts";
import { endOfString } from "./json.ts";
import { otherFormat, TELLING_BYTES } from "./other_formats.ts";
import type { ModelTensor, TensorInfo } from "./tensor.ts";

/** Bits an element, for every dtype of the format. Some are narrower than a byte. */
const DTYPE_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type Dtype = keyof typeof DTYPE_BITS;

/** One tensor as its file's header describes it. */
export interface StoredTensor extends TensorInfo {
  readonly dtype: Dtype;
  /** Where the data begins, in bytes from the start of the file. */
  readonly offset: number;
}

/** What a header says. */
export interface SafetensorsHeader {
  readonly path: string;
  /** In the order of their data in the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** The header's free text under `__metadata__`; empty when it has none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Size of the file in bytes. */
  readonly bytes: number;
}

/** An open file, whose tensors can be read in slices. */
export interface SafetensorsFile extends SafetensorsHeader {
  /**
   * Fills `target` with the tensor's bytes from `byteOffset` on. Reads synchronously, and exactly `target.byteLength`
   * bytes. Throws InputError when the file became shorter, RangeError when the slice leaves the tensor.
   */
  readInto(name: string, byteOffset: number, target: Uint8Array): void;
  /** Closes the file; reading afterwards throws. */
  close(): void;
}

/** The reference reader's limit: a header this long is an attack or another format. */
const HEADER_LIMIT_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
const U64_LIMIT = 1n << 64n;
const NEW_COPY = "download or export the file again";

/** Reads and checks a file's header, and closes it again. Throws InputError for everything that is not the format. */
export function readSafetensorsHeader(path: string): SafetensorsHeader {
  const file = openSafetensors(path);
  file.close();
  return { path: file.path, tensors: file.tensors, metadata: file.metadata, bytes: file.bytes };
}

/** Opens a file and checks its header. Throws InputError for everything that is not the format. */
export function openSafetensors(path: string): SafetensorsFile {
  const descriptor = openRegularFile(path);
  let open = true;
  const close = () => {
    if (open) closeSync(descriptor);
    open = false;
  };
  try {
    const bytes = fstatSync(descriptor).size;
    const { tensors, metadata } = readHeader(descriptor, bytes, path);
    const readInto = (name: string, byteOffset: number, target: Uint8Array) => {
      const info = tensors.get(name);
      if (!open) throw new Error(`${path} is closed`);
      if (!info) throw new RangeError(`${path} has no tensor ${JSON.stringify(name)}`);
      if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset + target.byteLength > info.bytes) {
        throw new RangeError(
          `bytes ${byteOffset} to ${byteOffset + target.byteLength} leave tensor ${name} of ${info.bytes} bytes`,
        );
      }
      if (!readFully(descriptor, info.offset + byteOffset, target)) {
        throw new InputError(
          `ends inside tensor ${JSON.stringify(name)}, though it was longer when opened`,
          path,
          NEW_COPY,
        );
      }
    };
    return { path, tensors, metadata, bytes, readInto, close };
  } catch (error) {
    const start = new Uint8Array(TELLING_BYTES);
    const found = readSync(descriptor, start, 0, start.length, 0);
    close();
    throw otherFormat(start.subarray(0, found), path) ?? error;
  }
}

/** A tensor of an open file. */
export function tensorOf(file: SafetensorsFile, info: StoredTensor): ModelTensor {
  const { path } = file;
  return { info, path, readInto: (byteOffset, target) => file.readInto(info.name, byteOffset, target) };
}

function openRegularFile(path: string): number {
  try {
    // Asked before opening, since opening a pipe would wait for a writer.
    if (!statSync(path).isFile()) {
      throw new InputError("is not a regular file", path, "give the path of a .safetensors file");
    }
    return openSync(path, "r");
  } catch (error) {
    if (error instanceof InputError) throw error;
    const code = (error as { code?: string }).code;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new InputError("there is no such file", path, "check the path, or download the file");
    }
    throw new InputError(`cannot be opened (${code ?? String(error)})`, path, "check the file's permissions");
  }
}

/** False when the file ends first. */
function readFully(descriptor: number, position: number, target: Uint8Array): boolean {
  let done = 0;
  while (done < target.byteLength) {
    const count = readSync(descriptor, target, done, target.byteLength - done, position + done);
    if (count === 0) return false;
    done += count;
  }
  return true;
}

function readHeader(descriptor: number, fileBytes: number, path: string) {
  const prefix = new Uint8Array(LENGTH_BYTES);
  if (fileBytes < LENGTH_BYTES || !readFully(descriptor, 0, prefix)) {
    throw new InputError(`header too small: the file has only ${fileBytes} bytes`, path, NEW_COPY);
  }
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > BigInt(HEADER_LIMIT_BYTES)) {
    throw new InputError(
      `header too large: ${length} bytes, of ${HEADER_LIMIT_BYTES} at most`,
      path,
      "check that it is a safetensors file",
    );
  }
  const dataStart = LENGTH_BYTES + Number(length);
  const header = new Uint8Array(Math.min(Number(length), Math.max(0, fileBytes - LENGTH_BYTES)));
  if (dataStart > fileBytes || !readFully(descriptor, LENGTH_BYTES, header)) {
    throw new InputError(
      `invalid header length: a header of ${length} bytes runs past the end of the file of ${fileBytes} bytes`,
      path,
      NEW_COPY,
    );
  }
  return parseHeader(header, dataStart, fileBytes, path);
}

interface HeaderEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly bigint[];
  readonly start: bigint;
  readonly end: bigint;
}

function parseHeader(header: Uint8Array, dataStart: number, fileBytes: number, path: string) {
  const fields = parseHeaderJson(header, path);
  const entries: HeaderEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of fields) {
    if (name === "__metadata__") metadata = parseMetadata(value, path);
    else entries.push(parseEntry(name, value, path));
  }
  entries.sort((a, b) => compare(a.start, b.start) || compare(a.end, b.end));

  const tensors = new Map<string, StoredTensor>();
  let position = 0n;
  for (const { name, dtype, shape, start, end } of entries) {
    const label = JSON.stringify(name);
    // Each tensor begins where the one before ended: neither holes nor overlaps.
    if (start !== position || end < start) {
      throw new InputError(
        `invalid offset for tensor ${label}: data_offsets [${start}, ${end}], where ${position} should begin`,
        path,
        NEW_COPY,
      );
    }
    const expected = tensorBytes(name, dtype, shape, path);
    if (end - start !== expected) {
      throw new InputError(
        `tensor ${label} of ${dtype} [${shape}] takes ${expected} bytes, but its data_offsets span ${end - start}`,
        path,
        NEW_COPY,
      );
    }
    position = end;
    tensors.set(name, {
      name,
      dtype,
      shape: shape.map(Number),
      bytes: Number(end - start),
      offset: dataStart + Number(start),
    });
  }
  const expectedBytes = BigInt(dataStart) + position;
  if (expectedBytes !== BigInt(fileBytes)) {
    const kind = expectedBytes > BigInt(fileBytes) ? "truncated" : "incomplete metadata";
    throw new InputError(
      `${kind}: the header describes ${expectedBytes} bytes, the file has ${fileBytes}`,
      path,
      NEW_COPY,
    );
  }
  return { tensors, metadata };
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Size in bytes, with the overflow checks of the reference reader's 64-bit arithmetic. */
function tensorBytes(name: string, dtype: Dtype, shape: readonly bigint[], path: string): bigint {
  const label = JSON.stringify(name);
  let bits = 1n;
  for (const factor of [...shape, BigInt(DTYPE_BITS[dtype])]) {
    bits *= factor;
    if (bits >= U64_LIMIT) {
      throw new InputError(
        `overflow: the size of tensor ${label} of ${dtype} [${shape}] is not a 64-bit number`,
        path,
        NEW_COPY,
      );
    }
  }
  if (bits % 8n !== 0n) {
    throw new InputError(`tensor ${label} of ${dtype} [${shape}] does not fill whole bytes`, path, NEW_COPY);
  }
  return bits / 8n;
}

/** The header's top level, with unsigned integers as bigint and other numbers as NaN. */
function parseHeaderJson(header: Uint8Array, path: string): [string, unknown][] {
  let text: string;
  try {
    // A byte order mark is kept, so that JSON refuses it.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(header);
  } catch {
    throw new InputError("invalid UTF-8 in header", path, "check that it is a safetensors file");
  }
  let value: unknown;
  try {
    value = JSON.parse(text, exactNumber as (key: string, value: unknown) => unknown);
  } catch (error) {
    const reason = (error as Error).message.replaceAll(/\s+/g, " ");
    throw new InputError(`invalid JSON in header: ${reason}`, path, "check that it is a safetensors file");
  }
  if (!isObject(value)) throw new InputError("invalid JSON in header: it is not an object", path, NEW_COPY);
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) {
    throw new InputError(`the header has the key ${JSON.stringify(duplicate)} twice`, path, NEW_COPY);
  }
  return Object.entries(value);
}

/** JSON.parse rounds above 2^53 and takes 1.0 for 1; the format's numbers are unsigned 64-bit integers. */
function exactNumber(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== "number") return value;
  return /^\d+$/.test(context.source ?? "") ? BigInt(context.source!) : NaN;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The first key that an object of this valid JSON text holds twice. */
function findDuplicateKey(text: string): string | undefined {
  const open: (Set<string> | null)[] = [];
  const mark = /["{}[\]]/g;
  const colon = /\s*:/y;
  for (let found = mark.exec(text); found; found = mark.exec(text)) {
    if (found[0] === "{") open.push(new Set());
    else if (found[0] === "[") open.push(null);
    else if (found[0] !== '"') open.pop();
    else {
      const end = endOfString(text, found.index)!;
      mark.lastIndex = colon.lastIndex = end;
      if (!colon.test(text)) continue;
      const key = JSON.parse(text.slice(found.index, end)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
}

function parseMetadata(value: unknown, path: string): Record<string, string> {
  if (value === null) return {};
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === "string")) {
    throw new InputError("__metadata__ in the header is not a map of strings", path, NEW_COPY);
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown, path: string): HeaderEntry {
  const label = JSON.stringify(name);
  const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : {};
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPE_BITS, dtype)) {
    throw new InputError(
      `tensor ${label} has the unknown dtype ${JSON.stringify(dtype, (_, v) => typeof v === "bigint" ? Number(v) : v)}`,
      path,
      `export it as one of ${Object.keys(DTYPE_BITS).join(", ")}`,
    );
  }
  if (!isUnsignedList(shape) || !isUnsignedList(offsets) || offsets.length !== 2) {
    throw new InputError(
      `tensor ${label} needs a shape of unsigned integers and two data_offsets`,
      path,
      NEW_COPY,
    );
  }
  return { name, dtype: dtype as Dtype, shape, start: offsets[0]!, end: offsets[1]! };
}

function isUnsignedList(value: unknown): value is bigint[] {
  return Array.isArray(value) && value.every((item) => typeof item === "bigint" && item < U64_LIMIT);
}
