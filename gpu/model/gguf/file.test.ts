import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { field, type GgufParts, tensor, text, u32, u64, VALUE, writeGguf } from "../../../test/gguf_file.ts";
import { InputError } from "../../errors.ts";
import { openGguf } from "./file.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-gguf-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const F32 = 0;
const Q8_0 = 8;
const list = (name: string, type: number, length: number | bigint) => [
  text(name),
  u32(VALUE.list),
  u32(type),
  u64(length),
];

const good: GgufParts = {
  fields: [
    field("general.architecture", "llama"),
    field("llama.block_count", 2),
    [text("list"), u32(VALUE.list), u32(VALUE.text), u64(2), text("a"), text("ä")],
    [text("large"), u32(VALUE.u64), u64(2n ** 40n)],
    [text("negative"), u32(VALUE.i64), u64(-5n)],
    [text("yes"), u32(VALUE.bool), { byte: 1 }],
    [text("half"), u32(VALUE.f32), { f32: 0.5 }],
  ],
  tensors: [
    tensor({ name: "second", sizes: [2, 3], type: F32, offset: 64 }),
    tensor({ name: "first", sizes: [32], type: Q8_0, offset: 0 }),
  ],
  data: Uint8Array.from({ length: 88 }, (_, i) => i),
};

test("metadata, and tensors with row-major shapes, in the order of their data", () => {
  const file = openGguf(writeGguf(join(folder, "good.gguf"), good));
  expect(Object.fromEntries(file.metadata)).toEqual({
    "general.architecture": "llama",
    "llama.block_count": 2,
    list: ["a", "ä"],
    large: 2 ** 40,
    negative: -5,
    yes: true,
    half: 0.5,
  });
  expect([...file.tensors.values()].map(({ info }) => info)).toEqual([
    { name: "first", dtype: "Q8_0", shape: [32], bytes: 34 },
    { name: "second", dtype: "F32", shape: [3, 2], bytes: 24 },
  ]);
  const bytes = new Uint8Array(3);
  file.tensors.get("second")!.readInto(21, bytes);
  expect([...bytes]).toEqual([85, 86, 87]);
  expect(() => file.tensors.get("second")!.readInto(22, bytes)).toThrow(RangeError);
  file.close();
  expect(() => file.tensors.get("second")!.readInto(0, bytes)).toThrow(/closed/);
});

const one = (changes: Partial<Parameters<typeof tensor>[0]>): GgufParts => ({
  tensors: [tensor({ name: "a", sizes: [32], type: F32, offset: 0, ...changes })],
  data: new Uint8Array(128),
});

describe("a hostile or broken file is refused in one line", () => {
  test.each<[string, GgufParts, RegExp]>([
    ["version 1", { version: 1 }, /version 1, where 2 and 3 are read/],
    ["a big-endian file", { version: 0x03000000 }, /big-endian/],
    ["more tensors than any model", { counts: [1e9, 0] }, /number of tensors is 1000000000, of 65536/],
    ["a count of 2^64 - 1", { counts: [0, 2n ** 64n - 1n] }, /fields is 18446744073709551615/],
    ["more tensors than the file holds", { counts: [9, 0] }, /ends inside/],
    ["a text longer than the file", { fields: [[u64(60_000), u32(1)]] }, /ends inside the name of metadata field 0/],
    [
      "a text of 2^63 bytes",
      { fields: [[text("a"), u32(VALUE.text), u64(2n ** 63n)]] },
      /length of metadata field "a"/,
    ],
    ["a list longer than the file", { fields: [list("a", VALUE.u32, 2n ** 40n)] }, /length of metadata field "a" is/],
    [
      "lists in lists in lists",
      { fields: [[...list("a", VALUE.list, 1), ...[1, 1, 1].flatMap((n) => [u32(VALUE.list), u64(n)]), u32(0)]] },
      /deeper than 3/,
    ],
    ["an unknown value type", { fields: [[text("a"), u32(13), u32(0)]] }, /unknown value type 13/],
    ["a truth value of 2", { fields: [[text("a"), u32(VALUE.bool), { byte: 2 }]] }, /neither true nor false/],
    ["a number past 2^53", { fields: [[text("a"), u32(VALUE.u64), u64(2n ** 53n)]] }, /more than a number holds/],
    ["a name that is no UTF-8", { fields: [[u64(1), { byte: 0xff }, u32(4), u32(0)]] }, /not valid UTF-8/],
    ["a field twice", { fields: [field("a", 1), field("a", 2)] }, /field "a" twice/],
    ["a tensor twice", { ...one({}), tensors: [one({}).tensors![0]!, one({}).tensors![0]!] }, /tensor a twice/],
    ["five dimensions", one({ sizes: [1, 1, 1, 1, 1] }), /5 dimensions/],
    ["a size that overflows", one({ sizes: [2n ** 40n, 2n ** 40n] }), /larger than any file/],
    ["no elements, of 2^40 rows", one({ sizes: [0, 2n ** 40n] }), /tensor "a" of shape \[1099511627776,0\] is empty/],
    ["a size past 2^40", one({ sizes: [2n ** 62n] }), /a size of tensor "a"/],
    ["a type without a number", one({ type: 99 }), /type number 99, which is not read/],
    ["a type that is not read", one({ type: 20 }), /type IQ4_NL, which is not read/],
    ["a row that is no whole block", one({ sizes: [33], type: Q8_0 }), /rows of 33 elements/],
    ["a tensor that begins late", one({ offset: 32 }), /begins at 32 of the data, where 0/],
    ["a tensor past the end", one({ sizes: [33] }), /is truncated/],
    ["an offset of 2^63", one({ offset: 2n ** 63n }), /offset of tensor "a"/],
    ["an alignment of 3", { fields: [field("general.alignment", 3)] }, /general.alignment is 3/],
    ["an alignment of 0", { fields: [field("general.alignment", 0)] }, /general.alignment is 0/],
    ["an alignment that is a text", { fields: [field("general.alignment", "x")] }, /general.alignment is "x"/],
  ])("%s", (_, parts, message) => {
    const path = writeGguf(join(folder, "bad.gguf"), parts);
    expect(() => openGguf(path)).toThrow(InputError);
    expect(() => openGguf(path)).toThrow(message);
    expect(() => openGguf(path)).toThrow(path);
  });

  test("overlapping tensors", () => {
    const [a] = one({}).tensors!;
    const path = writeGguf(join(folder, "bad.gguf"), {
      ...one({}),
      tensors: [a!, tensor({ name: "b", sizes: [1], type: F32, offset: 32 })],
    });
    expect(() => openGguf(path)).toThrow(/tensor "b" begins at 32 of the data, where 128/);
  });

  test("another kind of file, an empty one, a folder, and none", () => {
    writeFileSync(join(folder, "page.gguf"), "<!doctype html><html>");
    writeFileSync(join(folder, "empty.gguf"), "");
    expect(() => openGguf(join(folder, "page.gguf"))).toThrow(/is not a GGUF file/);
    expect(() => openGguf(join(folder, "empty.gguf"))).toThrow(/ends inside the header/);
    expect(() => openGguf(folder)).toThrow(/not a regular file/);
    expect(() => openGguf(join(folder, "none.gguf"))).toThrow(/no such file/);
  });

  test("every cut of a good file", () => {
    const path = writeGguf(join(folder, "cut.gguf"), good);
    const whole = openGguf(path);
    whole.close();
    for (let bytes = 320; bytes > 0; bytes -= 7) {
      truncateSync(path, bytes);
      expect(() => openGguf(path)).toThrow(InputError);
    }
  });
});

describe("shards", () => {
  const shard = (no: number, count: number, total = 3): GgufParts => ({
    fields: [field("split.no", no), field("split.count", count), field("split.tensors.count", total)],
    tensors: [tensor({ name: `t${no}`, sizes: [4], type: F32, offset: 0 })],
    data: new Uint8Array(16).fill(no),
  });
  const path = (index: number, count = 3) =>
    join(folder, `m-${String(index).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.gguf`);
  const write = () => [0, 1, 2].forEach((no) => writeGguf(path(no + 1), shard(no, 3)));

  test("the first opens them all", () => {
    write();
    const file = openGguf(path(1));
    expect(file.paths).toEqual([path(1), path(2), path(3)]);
    const bytes = new Uint8Array(1);
    file.tensors.get("t2")!.readInto(15, bytes);
    expect([[...file.tensors.keys()], bytes[0]]).toEqual([["t0", "t1", "t2"], 2]);
    file.close();
  });

  test("another than the first names the first", () => {
    write();
    expect(() => openGguf(path(2))).toThrow(`is shard 2 of 3; give the first: ${path(1)}`);
  });

  test("a missing one, one of another model, a name that says otherwise, a tensor too few", () => {
    write();
    rmSync(path(3));
    expect(() => openGguf(path(1))).toThrow(`${path(3)}: the shard is missing`);
    writeGguf(path(3), shard(1, 3));
    expect(() => openGguf(path(1))).toThrow(/says that it is shard 2 of 3/);
    writeGguf(path(3), { ...shard(2, 3), tensors: [], data: new Uint8Array() });
    expect(() => openGguf(path(1))).toThrow(/speaks of 3 tensors in all shards, which hold 2/);
    expect(() => openGguf(writeGguf(join(folder, "other.gguf"), shard(0, 3)))).toThrow(/its name does not say/);
  });

  test("a tensor in two shards", () => {
    write();
    writeGguf(path(3), { ...shard(2, 3), tensors: shard(0, 3).tensors! });
    expect(() => openGguf(path(1))).toThrow(/holds tensor t0, as another shard does/);
  });
});
