/** Whole GGUF models of every family with a few things changed: readers come as far as a model's tensors with them. */
import fc from "fast-check";
import { type EncodingName, ENCODINGS } from "../gpu/model/encodings.ts";
import { openGguf } from "../gpu/model/gguf/file.ts";
import type { GgufValue } from "../gpu/model/gguf/reader.ts";
import { ggufBytes, type HeaderPart, tensor, text, u32, u64, VALUE } from "./gguf_file.ts";

const DATA = new URL("data/gguf/", import.meta.url).pathname;
const FAMILIES = ["llama", "llama-biases", "llama-q4_0", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3"]
  .concat(["olmo2", "olmo3", "smollm3", "phi3", "gpt2", "gptneox"]);
/** ggml's numbers of encodings that are read. */
const TYPES: Readonly<Partial<Record<EncodingName, number>>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q4_K: 12,
  Q6_K: 14,
  BF16: 30,
};
/** A tensor that would take more is written without its data. */
const MOST_BYTES = 1 << 18;

export interface GgufTensor {
  readonly name: string;
  readonly dtype: EncodingName;
  readonly shape: readonly number[];
  /** Cut off or followed by zeros where the shape takes fewer or more. */
  readonly data: Uint8Array;
}

export interface GgufModel {
  readonly fields: readonly (readonly [name: string, value: GgufValue])[];
  readonly tensors: readonly GgufTensor[];
}

/** Each is read once. */
const models = new Map<string, GgufModel>();

/** One of `test/data/gguf/` by its name. */
export function readGgufModel(family: string): GgufModel {
  const known = models.get(family);
  if (known) return known;
  const file = openGguf(`${DATA}${family}.gguf`);
  const tensors = [...file.tensors.values()].map(({ info: { name, dtype, shape, bytes }, readInto }) => {
    const data = new Uint8Array(bytes);
    readInto(0, data);
    return { name, dtype: dtype as EncodingName, shape, data };
  });
  file.close();
  const model = { fields: [...file.metadata], tensors };
  models.set(family, model);
  return model;
}

type Typed = readonly [type: number, parts: readonly HeaderPart[]];

/** A value with its type, as a file has it. */
function typed(value: GgufValue): Typed {
  if (typeof value === "boolean") return [VALUE.bool, [{ byte: Number(value) }]];
  if (typeof value === "string") return [VALUE.text, [text(value)]];
  if (typeof value === "number") {
    return Number.isInteger(value) && value >= 0 ? [VALUE.u64, [u64(value)]] : [VALUE.f32, [{ f32: value }]];
  }
  const items = value.map(typed);
  // Lists are of one type: of numbers, floats where one of them is.
  const type = items.find(([one]) => one === VALUE.f32)?.[0] ?? items[0]?.[0] ?? VALUE.u64;
  const parts = type === VALUE.f32 ? value.map((one) => ({ f32: Number(one) })) : items.flatMap(([, one]) => one);
  return [VALUE.list, [u32(type), u64(value.length), ...parts]];
}

/** Bytes of a tensor's data; what its encoding cannot hold, or is too much to write, takes none. */
function bytesOf({ dtype, shape }: GgufTensor): number {
  const { elements, bytes } = ENCODINGS[dtype];
  const all = shape.reduce((product, size) => product * size, 1) / elements * bytes;
  return Number.isInteger(all) && all <= MOST_BYTES ? all : 0;
}

/** The bytes of a file of these fields and tensors. */
export function writtenGguf({ fields, tensors }: GgufModel): Uint8Array {
  let end = 0;
  const offsets = tensors.map((one) => {
    const offset = end;
    end += Math.ceil(bytesOf(one) / 32) * 32;
    return offset;
  });
  const headers = tensors.map((one, index) =>
    tensor({ name: one.name, sizes: one.shape.toReversed(), type: TYPES[one.dtype]!, offset: offsets[index]! })
  );
  const data = new Uint8Array(end);
  tensors.forEach((one, index) => data.set(one.data.subarray(0, bytesOf(one)), offsets[index]!));
  return ggufBytes({
    fields: fields.map(([name, value]) => {
      const [type, parts] = typed(value);
      return [text(name), u32(type), ...parts];
    }),
    tensors: headers,
    data,
  });
}

const size = fc.oneof(fc.constantFrom(0, 1, 2, 3, 8, 31, 32, 64, 1e9, 2 ** 31, 2 ** 40), fc.nat(300));
const oddValue: fc.Arbitrary<GgufValue | undefined> = fc.oneof(
  size,
  fc.constantFrom(-1, 0.5, 1e-6, 1e30, true, "", "none", "linear", "yarn", "gpt2", "llama"),
  fc.array(fc.oneof(size, fc.constant(0.5)), { maxLength: 3 }),
  fc.constant(undefined),
);

/** A tensor's change: another shape of as many elements or of others, another encoding or name, or none at all. */
const oddTensor: fc.Arbitrary<(one: GgufTensor, other: GgufTensor) => GgufTensor | undefined> = fc.oneof(
  fc.constant((one: GgufTensor) => ({ ...one, shape: one.shape.toReversed() })),
  fc.constant((one: GgufTensor) => ({ ...one, shape: [one.shape.reduce((product, size) => product * size, 1)] })),
  fc.constant((one: GgufTensor) => ({ ...one, shape: [...one.shape, 1] })),
  fc.array(size, { maxLength: 4 }).map((shape) => (one: GgufTensor) => ({ ...one, shape })),
  fc.constantFrom(...Object.keys(TYPES) as EncodingName[]).map((dtype) => (one: GgufTensor) => ({ ...one, dtype })),
  fc.constant((one: GgufTensor, other: GgufTensor) => ({ ...one, name: other.name })),
  fc.constant(() => undefined),
);

/** A model of a family with at most two fields and two tensors changed. */
export const changedGgufs: fc.Arbitrary<Uint8Array> = fc.record({
  family: fc.constantFrom(...FAMILIES),
  fields: fc.array(fc.tuple(fc.nat(), oddValue), { maxLength: 2 }),
  tensors: fc.array(fc.tuple(fc.nat(), fc.nat(), oddTensor), { maxLength: 2 }),
}).map(({ family, fields: newFields, tensors: newTensors }) => {
  const model = readGgufModel(family);
  const fields = new Map<string, GgufValue>(model.fields);
  for (const [at, value] of newFields) {
    const [name] = model.fields[at % model.fields.length]!;
    if (value === undefined) fields.delete(name);
    else fields.set(name, value);
  }
  const tensors: (GgufTensor | undefined)[] = [...model.tensors];
  for (const [at, other, change] of newTensors) {
    const place = at % tensors.length;
    tensors[place] = change(model.tensors[place]!, model.tensors[other % tensors.length]!);
  }
  return writtenGguf({ fields: [...fields], tensors: tensors.filter((one) => one !== undefined) });
});
