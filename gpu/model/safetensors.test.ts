import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { openSafetensors, readSafetensorsHeader } from "./safetensors.ts";

const DATA = new URL("../../test/data/safetensors/", import.meta.url).pathname;

interface Case {
  readonly file: string;
  readonly bytes: number;
  readonly "safetensors_py_0.8.0": string;
}
const cases = JSON.parse(readFileSync(`${DATA}cases.json`, "utf8")) as readonly Case[];

/** The words of our message for each of the reference reader's. */
const WORDS: readonly (readonly [reference: RegExp, ours: RegExp])[] = [
  [/header too large/, /header too large/],
  [/header too small/, /header too small/],
  [/invalid header length/, /invalid header length/],
  [/invalid UTF-8/, /invalid UTF-8/],
  [/unknown variant `F33`/, /tensor "a" has the unknown dtype "F33"/],
  [/invalid JSON/, /invalid JSON/],
  [/invalid shape, data type, or offset/, /takes \d+ bytes, but its data_offsets span \d+/],
  [/overflow/, /overflow/],
  [/incomplete metadata/, /(incomplete metadata|truncated): the header describes/],
  [/invalid offset for tensor `/, /invalid offset for tensor "/],
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-safetensors-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a file of this header and as many zero bytes of data. */
function write(name: string, header: string, dataBytes: number): string {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe("the reference reader's verdict", () => {
  test.each(cases)("$file", ({ file, bytes, ...rest }) => {
    const path = `${DATA}cases/${file}`;
    const verdict = rest["safetensors_py_0.8.0"];
    if (verdict.startsWith("ok: ")) {
      const header = readSafetensorsHeader(path);
      expect(header.bytes).toBe(bytes);
      const listed = [...header.tensors.values()]
        .map(({ name, dtype, shape }) => `('${name}', '${dtype}', [${shape.join(", ")}])`);
      const expected = verdict.slice("ok: [".length, -1).match(/\('.*?\]\)/g) ?? [];
      expect(listed.sort()).toEqual([...expected].sort());
    } else {
      const pattern = WORDS.find(([reference]) => reference.test(verdict))?.[1];
      expect(pattern).toBeDefined();
      expect(() => openSafetensors(path)).toThrow(InputError);
      expect(() => openSafetensors(path)).toThrow(pattern);
      expect(() => openSafetensors(path)).toThrow(path);
    }
  });
});

describe("what the reference cases leave open", () => {
  const tensor = '{"dtype":"U8","shape":[2],"data_offsets":[0,2]}';
  test.each([
    ["a tensor twice", `{"a":${tensor},"a":${tensor}}`, /the key "a" twice/],
    ["a tensor twice, once escaped", `{"a":${tensor},"\\u0061":${tensor}}`, /the key "a" twice/],
    ["a field twice", '{"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}}', /the key "dtype" twice/],
    ["a hole before the first tensor", '{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', /invalid offset/],
    ["a size that is no integer", '{"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}}', /unsigned integers/],
    ["a negative size", '{"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}}', /unsigned integers/],
    ["a size above 64 bits", '{"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,2]}}', /unsigned/],
    ["three offsets", '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1,2]}}', /two data_offsets/],
    ["half a byte", '{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}', /whole bytes/],
    ["a tensor that is no object", '{"a":3}', /unknown dtype/],
    ["metadata that is no text", '{"__metadata__":{"n":1}}', /__metadata__/],
    ["a byte order mark", "\ufeff{}", /invalid JSON/],
  ])("refuses %s", (_, header, message) => {
    const path = write("bad.safetensors", header, 2);
    expect(() => openSafetensors(path)).toThrow(InputError);
    expect(() => openSafetensors(path)).toThrow(message);
  });

  test("a size near 2^64 beside a zero is no overflow, as in the reference reader", () => {
    const path = write(
      "zero.safetensors",
      '{"a":{"dtype":"U8","shape":[0,18446744073709551615],"data_offsets":[0,0]}}',
      0,
    );
    expect(readSafetensorsHeader(path).tensors.get("a")?.bytes).toBe(0);
  });

  test("metadata and the names of objects are plain keys", () => {
    const path = write(
      "meta.safetensors",
      `{"__metadata__":{"format":"pt"},"__proto__":${tensor},"b{":${tensor.replace("[0,2]", "[2,4]")}}`,
      4,
    );
    const header = readSafetensorsHeader(path);
    expect(header.metadata).toEqual({ format: "pt" });
    expect([...header.tensors.keys()]).toEqual(["__proto__", "b{"]);
  });

  test("a missing file and a folder are refused by name", () => {
    expect(() => openSafetensors(join(folder, "none.safetensors"))).toThrow(/none\.safetensors: there is no such file/);
    expect(() => openSafetensors(folder)).toThrow(/is not a regular file/);
  });
});

describe("reading slices", () => {
  const path = `${DATA}cases/ok_mixed_dtypes.safetensors`;
  test("gives the values that the reference case was written with", () => {
    const file = openSafetensors(path);
    const read = (name: string) => {
      const bytes = new Uint8Array(file.tensors.get(name)!.bytes);
      file.readInto(name, 0, bytes);
      return new DataView(bytes.buffer);
    };
    expect(read("i64").getBigInt64(0, true)).toBe(-9007199254740993n);
    expect(read("u8").getUint8(0)).toBe(254);
    const f32 = read("f32");
    expect([0, 4, 8].map((at) => f32.getFloat32(at, true))).toEqual([Math.fround(1.1), Math.fround(-2.2), NaN]);
    const bf16 = read("bf16");
    const wide = new DataView(new ArrayBuffer(4));
    const values = [0, 2, 4, 6, 8, 10].map((at) => {
      wide.setUint32(0, bf16.getUint16(at, true) << 16);
      return wide.getFloat32(0);
    });
    expect(values).toEqual([1, -2, 0.5, 3.140625, Infinity, -0]);
    file.close();
  });

  test("a slice begins at its offset, and may not leave the tensor", () => {
    const file = openSafetensors(path);
    const whole = new Uint8Array(12);
    file.readInto("f32", 0, whole);
    const tail = new Uint8Array(5);
    file.readInto("f32", 7, tail);
    expect(tail).toEqual(whole.slice(7));
    expect(() => file.readInto("f32", 8, tail)).toThrow(RangeError);
    expect(() => file.readInto("f32", -1, tail)).toThrow(RangeError);
    expect(() => file.readInto("none", 0, tail)).toThrow(RangeError);
    file.close();
    file.close();
    expect(() => file.readInto("f32", 0, whole)).toThrow(/closed/);
  });

  test("a file that shrinks while it is open is refused, not padded", () => {
    const shrinking = write("shrink.safetensors", '{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}', 8);
    const file = openSafetensors(shrinking);
    truncateSync(shrinking, file.bytes - 4);
    expect(() => file.readInto("a", 0, new Uint8Array(8))).toThrow(/shrink\.safetensors: ends inside tensor "a"/);
    file.close();
  });
});
