/** Writes GGUF files for tests, broken ones too. */
import { Buffer } from "node:buffer";
import { writeFileSync } from "node:fs";

/** A part of a header: integers of 32 and 64 bits, floats, and texts with their length. */
export type HeaderPart =
  | { readonly u32: number }
  | { readonly u64: bigint | number }
  | { readonly f32: number }
  | { readonly byte: number }
  | { readonly text: string }
  | { readonly raw: Uint8Array };

export const u32 = (value: number): HeaderPart => ({ u32: value });
export const u64 = (value: bigint | number): HeaderPart => ({ u64: value });
export const text = (value: string): HeaderPart => ({ text: value });

/** Numbers of GGUF's value types. */
export const VALUE = { u32: 4, i32: 5, f32: 6, bool: 7, text: 8, list: 9, u64: 10, i64: 11 } as const;

/** A metadata field of a text or of a 32-bit unsigned integer. */
export function field(name: string, value: string | number): HeaderPart[] {
  return typeof value === "string"
    ? [text(name), u32(VALUE.text), text(value)]
    : [text(name), u32(VALUE.u32), u32(value)];
}

export interface TensorHeader {
  readonly name: string;
  /** Fastest dimension first, as the file has it. */
  readonly sizes: readonly (number | bigint)[];
  readonly type: number;
  readonly offset: number | bigint;
}

export const tensor = ({ name, sizes, type, offset }: TensorHeader): HeaderPart[] => [
  text(name),
  u32(sizes.length),
  ...sizes.map(u64),
  u32(type),
  u64(offset),
];

function bytesOf(part: HeaderPart): Uint8Array {
  if ("raw" in part) return part.raw;
  if ("byte" in part) return Uint8Array.of(part.byte);
  const view = new DataView(new ArrayBuffer("u64" in part || "text" in part ? 8 : 4));
  if ("u32" in part) view.setUint32(0, part.u32, true);
  else if ("f32" in part) view.setFloat32(0, part.f32, true);
  else if ("u64" in part) view.setBigUint64(0, BigInt.asUintN(64, BigInt(part.u64)), true);
  else {
    const content = new TextEncoder().encode(part.text);
    view.setBigUint64(0, BigInt(content.length), true);
    return Uint8Array.of(...new Uint8Array(view.buffer), ...content);
  }
  return new Uint8Array(view.buffer);
}

export interface GgufParts {
  readonly version?: number;
  readonly fields?: readonly (readonly HeaderPart[])[];
  readonly tensors?: readonly (readonly HeaderPart[])[];
  readonly data?: Uint8Array;
  /** Instead of the true counts. */
  readonly counts?: readonly [tensors: number | bigint, fields: number | bigint];
  readonly alignment?: number;
}

/** The bytes of a file of these parts, data aligned. */
export function ggufBytes(parts: GgufParts): Uint8Array {
  const { version = 3, fields = [], tensors = [], data = new Uint8Array(), alignment = 32 } = parts;
  const [tensorCount, fieldCount] = parts.counts ?? [tensors.length, fields.length];
  const header = [u32(0x46554747), u32(version), u64(tensorCount), u64(fieldCount), ...fields.flat(), ...tensors.flat()]
    .map(bytesOf);
  const bytes = header.reduce((sum, part) => sum + part.length, 0);
  const padding = new Uint8Array(Math.ceil(bytes / alignment) * alignment - bytes);
  return new Uint8Array(Buffer.concat([...header, padding, data]));
}

export function writeGguf(path: string, parts: GgufParts): string {
  writeFileSync(path, ggufBytes(parts));
  return path;
}
