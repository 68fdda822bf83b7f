/**
 * The GGUF file format, versions 2 and 3, little-endian: metadata by name, tensors' names, shapes and types, then their
 * data, each at a multiple of the alignment. A model may be cut into shards NAME-00001-of-00003.gguf, of which the first
 * has the metadata. Layout: ggml's docs/gguf.md; the checks are those of its reader (gguf.cpp), and more.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { InputError } from "../../errors.ts";
import { type EncodingName, ENCODINGS } from "../encodings.ts";
import type { ModelTensor } from "../tensor.ts";
import { type GgufValue, type HeaderReader, NEW_COPY, openHeader } from "./reader.ts";

export interface GgufFile {
  /** The file that was opened, and the other shards. */
  readonly paths: readonly string[];
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** By the names that the file gives, in the order of the data. Shapes are row-major: [out, in]. */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  close(): void;
}

/** Whether a path names a GGUF file. */
export const isGgufPath = (path: string): boolean => /\.gguf$/i.test(path);

const MAGIC = 0x46554747;
const VERSIONS = [2, 3];
/** Models of hundreds of layers and experts stay far below. */
const MOST_TENSORS = 65_536;
const MOST_FIELDS = 65_536;
const MOST_NAME_BYTES = 128;
const MOST_KEY_BYTES = 65_535;
const MOST_DIMENSIONS = 4;
const MOST_ALIGNMENT = 2 ** 20;
const MOST_SHARDS = 1000;

/** ggml's numbers of types. Those without an encoding of ours are known by name only, so that refusals can say it. */
const TYPES: Readonly<Record<number, string>> = {
  0: "F32",
  1: "F16",
  2: "Q4_0",
  3: "Q4_1",
  6: "Q5_0",
  7: "Q5_1",
  8: "Q8_0",
  9: "Q8_1",
  10: "Q2_K",
  11: "Q3_K",
  12: "Q4_K",
  13: "Q5_K",
  14: "Q6_K",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  20: "IQ4_NL",
  21: "IQ3_S",
  22: "IQ2_S",
  23: "IQ4_XS",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  30: "BF16",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
  40: "NVFP4",
};

/** Opens a GGUF file and, when it is the first of several shards, the others. Throws InputError for what is no such file. */
export function openGguf(path: string): GgufFile {
  const first = openOne(path);
  const opened = [first];
  try {
    for (const shard of otherShards(first, path)) opened.push(openShard(shard, opened.length, first));
    const tensors = new Map<string, ModelTensor>();
    for (const { path, tensors: own } of opened) {
      for (const [name, tensor] of own) {
        if (tensors.has(name)) throw new InputError(`holds tensor ${name}, as another shard does`, path, NEW_COPY);
        tensors.set(name, tensor);
      }
    }
    checkTotal(first, tensors.size);
    const close = () => opened.forEach((file) => file.close());
    return { paths: opened.map(({ path }) => path), metadata: first.metadata, tensors, close };
  } catch (error) {
    opened.forEach((file) => file.close());
    throw error;
  }
}

interface OneFile extends Pick<GgufFile, "metadata" | "tensors" | "close"> {
  readonly path: string;
}

function openOne(path: string): OneFile {
  const descriptor = openRegularFile(path);
  let open = true;
  const close = () => {
    if (open) closeSync(descriptor);
    open = false;
  };
  try {
    const fileBytes = fstatSync(descriptor).size;
    const header = openHeader(descriptor, fileBytes, path);
    const { metadata, places } = readHeader(header, path);
    const dataStart = align(header.position(), alignmentOf(metadata, path));
    const tensors = new Map<string, ModelTensor>();
    for (const { name, dtype, shape, bytes, offset } of checkedPlaces(places, metadata, dataStart, fileBytes, path)) {
      const readInto = (byteOffset: number, target: Uint8Array): void => {
        if (!open) throw new Error(`${path} is closed`);
        if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || byteOffset + target.byteLength > bytes) {
          throw new RangeError(
            `bytes ${byteOffset} to ${byteOffset + target.byteLength} leave tensor ${name} of ${bytes} bytes`,
          );
        }
        readFully(descriptor, dataStart + offset + byteOffset, target, name, path);
      };
      tensors.set(name, { info: { name, dtype, shape, bytes }, path, readInto });
    }
    return { path, metadata, tensors, close };
  } catch (error) {
    close();
    throw error;
  }
}

function openRegularFile(path: string): number {
  try {
    // Asked before opening, since opening a pipe would wait for a writer.
    if (!statSync(path).isFile()) throw new InputError("is not a regular file", path, "give the path of a .gguf file");
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

function readFully(descriptor: number, position: number, target: Uint8Array, name: string, path: string): void {
  let done = 0;
  while (done < target.byteLength) {
    const count = readSync(descriptor, target, done, target.byteLength - done, position + done);
    if (count === 0) {
      throw new InputError(`ends inside tensor ${name}, though it was longer when opened`, path, NEW_COPY);
    }
    done += count;
  }
}

/** A tensor as the header describes it; `offset` from the start of the data. */
interface TensorPlace {
  readonly name: string;
  readonly dtype: EncodingName;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly offset: number;
}

function readHeader(header: HeaderReader, path: string) {
  if (header.u32("the header") !== MAGIC) {
    throw new InputError("is not a GGUF file", path, "give a .gguf file, or check that the download is complete");
  }
  const version = header.u32("the version");
  if (!VERSIONS.includes(version)) {
    // The version of a big-endian file, read with its bytes the wrong way round.
    const bigEndian = (version & 0xffff) === 0 && version !== 0;
    throw new InputError(
      bigEndian
        ? "is a big-endian GGUF file"
        : `is of GGUF version ${version}, where ${VERSIONS.join(" and ")} are read`,
      path,
      "convert the model again with a present llama.cpp",
    );
  }
  const tensorCount = header.count("the number of tensors", MOST_TENSORS);
  const fieldCount = header.count("the number of metadata fields", MOST_FIELDS);
  const metadata = new Map<string, GgufValue>();
  for (let index = 0; index < fieldCount; index++) {
    const key = header.text(`the name of metadata field ${index}`, MOST_KEY_BYTES);
    if (metadata.has(key)) {
      throw new InputError(`has the metadata field ${JSON.stringify(key)} twice`, path, NEW_COPY);
    }
    metadata.set(key, header.value(`metadata field ${JSON.stringify(key)}`));
  }
  const places: TensorPlace[] = [];
  const names = new Set<string>();
  for (let index = 0; index < tensorCount; index++) {
    const place = readPlace(header, index, path);
    if (names.has(place.name)) throw new InputError(`has tensor ${place.name} twice`, path, NEW_COPY);
    names.add(place.name);
    places.push(place);
  }
  return { metadata, places };
}

function readPlace(header: HeaderReader, index: number, path: string): TensorPlace {
  const name = header.text(`the name of tensor ${index}`, MOST_NAME_BYTES);
  const label = `tensor ${JSON.stringify(name)}`;
  const dimensions = header.u32(label);
  if (dimensions > MOST_DIMENSIONS) {
    throw new InputError(`${label} has ${dimensions} dimensions, of ${MOST_DIMENSIONS} at most`, path, NEW_COPY);
  }
  // The file names the fastest dimension first.
  const shape: number[] = [];
  for (let axis = 0; axis < dimensions; axis++) shape.unshift(header.count(`a size of ${label}`, 2 ** 40));
  if (shape.includes(0)) throw new InputError(`${label} of shape [${shape}] is empty`, path, NEW_COPY);
  const type = header.u32(label);
  const dtype = TYPES[type];
  if (dtype === undefined || !Object.hasOwn(ENCODINGS, dtype)) {
    throw new InputError(
      `${label} is of type ${dtype ?? `number ${type}`}, which is not read`,
      path,
      `quantise the model to one of ${Object.keys(ENCODINGS).join(", ")}`,
    );
  }
  const encoding = ENCODINGS[dtype as EncodingName];
  const columns = shape.at(-1) ?? 1;
  if (columns % encoding.elements !== 0) {
    throw new InputError(
      `${label} has rows of ${columns} elements, no multiple of the ${encoding.elements} of a ${dtype} block`,
      path,
      NEW_COPY,
    );
  }
  const blocks = shape.reduce((product, size) => product * size, 1) / encoding.elements;
  const bytes = blocks * encoding.bytes;
  if (!Number.isSafeInteger(bytes)) {
    throw new InputError(`${label} of shape [${shape}] is larger than any file`, path, NEW_COPY);
  }
  const offset = header.count(`the offset of ${label}`, Number.MAX_SAFE_INTEGER);
  return { name, dtype: dtype as EncodingName, shape, bytes, offset };
}

const align = (position: number, alignment: number): number => Math.ceil(position / alignment) * alignment;

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>, path: string): number {
  const given = metadata.get("general.alignment") ?? 32;
  const isPower = typeof given === "number" && Number.isInteger(given) && given >= 1 && given <= MOST_ALIGNMENT &&
    Number.isInteger(Math.log2(given));
  if (isPower) return given;
  throw new InputError(
    `general.alignment is ${JSON.stringify(given)}, no power of two up to ${MOST_ALIGNMENT}`,
    path,
    NEW_COPY,
  );
}

/** The tensors in the order of their data. Each begins where the one before ended, aligned: neither holes nor overlaps. */
function checkedPlaces(
  places: readonly TensorPlace[],
  metadata: ReadonlyMap<string, GgufValue>,
  dataStart: number,
  fileBytes: number,
  path: string,
): readonly TensorPlace[] {
  const alignment = alignmentOf(metadata, path);
  const sorted = [...places].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let expected = 0;
  for (const { name, bytes, offset } of sorted) {
    if (offset !== expected) {
      throw new InputError(
        `tensor ${JSON.stringify(name)} begins at ${offset} of the data, where ${expected} should begin`,
        path,
        NEW_COPY,
      );
    }
    if (dataStart + offset + bytes > fileBytes) {
      throw new InputError(
        `is truncated: tensor ${JSON.stringify(name)} ends at ${dataStart + offset + bytes}, the file at ${fileBytes}`,
        path,
        "download the file again",
      );
    }
    expected = align(offset + bytes, alignment);
  }
  return sorted;
}

const SHARD_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

function splitField({ metadata, path }: OneFile, name: string): number | undefined {
  const value = metadata.get(name);
  if (value === undefined || typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw new InputError(`${name} is ${JSON.stringify(value)}`, path, NEW_COPY);
}

/** Paths of the shards after the first; none where the file is whole. */
function otherShards(first: OneFile, path: string): readonly string[] {
  const count = splitField(first, "split.count") ?? 1;
  if (count <= 1) return [];
  const [, stem, number, total] = SHARD_NAME.exec(basename(path)) ?? [];
  const at = splitField(first, "split.no") ?? 0;
  if (stem === undefined || Number(total) !== count || count > MOST_SHARDS || Number(number) !== at + 1) {
    throw new InputError(
      `is shard ${at + 1} of ${count}, which its name does not say`,
      path,
      `name the shards NAME-00001-of-${String(count).padStart(5, "0")}.gguf and so on, in one folder`,
    );
  }
  const shard = (index: number) =>
    join(dirname(path), `${stem}-${String(index + 1).padStart(5, "0")}-of-${total}.gguf`);
  if (at !== 0) throw new InputError(`is shard ${at + 1} of ${count}`, path, `give the first: ${shard(0)}`);
  return Array.from({ length: count - 1 }, (_, index) => shard(index + 1));
}

function openShard(path: string, number: number, first: OneFile): OneFile {
  let shard: OneFile;
  try {
    shard = openOne(path);
  } catch (error) {
    if (error instanceof InputError && error.what === "there is no such file") {
      throw new InputError("the shard is missing", path, `download it beside ${basename(first.path)}`);
    }
    throw error;
  }
  const [no, count] = [splitField(shard, "split.no"), splitField(shard, "split.count")];
  if (no !== number || count !== splitField(first, "split.count")) {
    shard.close();
    throw new InputError(
      `says that it is shard ${(no ?? 0) + 1} of ${count ?? 1}`,
      path,
      `use the shards that belong to ${basename(first.path)}`,
    );
  }
  return shard;
}

function checkTotal(first: OneFile, found: number): void {
  const expected = splitField(first, "split.tensors.count");
  if (expected === undefined || expected === found) return;
  throw new InputError(
    `speaks of ${expected} tensors in all shards, which hold ${found}`,
    first.path,
    "download all shards again, from one revision",
  );
}
