import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { InputError } from "../../errors.ts";
import { readNumbers } from "../derived_tensor.ts";
import { openModelDirectory } from "../directory.ts";
import type { JsonObject } from "../json.ts";
import { E4M3 } from "./fp8.ts";

const DATA = new URL("../../../test/data/quantised/", import.meta.url).pathname;

// Written by test/reference/quantised_folders.py with transformers, AutoGPTQ and AutoAWQ.
const expected = JSON.parse(readFileSync(`${DATA}expected.json`, "utf8")) as Readonly<
  Record<string, Readonly<Record<string, string>>>
>;

describe.each(Object.entries(expected))("%s", (method, tensors) => {
  test("matrices expand to the float32 of the package that made the format, to the last bit", async () => {
    const model = await openModelDirectory(join(DATA, method));
    const found = [...model.tensors.values()].map((tensor) => {
      const bytes = new Uint8Array(readNumbers(tensor).buffer);
      return [tensor.info.name, createHash("sha256").update(bytes).digest("hex")];
    });
    model.close();
    expect(Object.fromEntries(found)).toEqual(tensors);
    expect(model.notes).toEqual([
      expect.stringMatching(
        /model\.safetensors: 14 matrices of (FP8|GPTQ of 4 bits|AWQ of 4 bits) are expanded to float32/,
      ),
    ]);
  });

  test("slices of a matrix are those of the whole", async () => {
    const model = await openModelDirectory(join(DATA, method));
    const tensor = model.tensor("model.layers.1.mlp.down_proj.weight");
    const whole = new Uint8Array(readNumbers(tensor).buffer);
    for (const [start, length] of [[0, 4], [1, 7], [250, 300], [whole.length - 5, 5]] as const) {
      const slice = new Uint8Array(length);
      tensor.readInto(start, slice);
      expect([...slice]).toEqual([...whole.subarray(start, start + length)]);
    }
    model.close();
  });
});

test("float8 e4m3: zeros, the smallest and the largest numbers, and no infinity", () => {
  expect([0x00, 0x80, 0x01, 0x08, 0x38, 0x7e, 0xfe].map((byte) => E4M3[byte]))
    .toEqual([0, -0, 2 ** -9, 2 ** -6, 1, 448, -448]);
  expect([0x7f, 0xff].map((byte) => E4M3[byte])).toEqual([NaN, NaN]);
});

describe("what is refused, in one line", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "culprit-quantised-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const opened = (method: string, settings: JsonObject | unknown) => {
    cpSync(join(DATA, method), folder, { recursive: true });
    const path = join(folder, "config.json");
    const config = JSON.parse(readFileSync(path, "utf8")) as JsonObject;
    const quantization_config = typeof settings === "object"
      ? { ...config["quantization_config"] as JsonObject, ...settings }
      : settings;
    writeFileSync(path, JSON.stringify({ ...config, quantization_config }));
    return openModelDirectory(folder);
  };

  test.each<[string, string, unknown, RegExp]>([
    ["bitsandbytes", "gptq", { quant_method: "bitsandbytes" }, /"bitsandbytes" are not read; .*model\.dequantize\(\)/],
    ["bitsandbytes of old", "gptq", { quant_method: null, load_in_4bit: true }, /"bitsandbytes" are not read/],
    ["another method", "gptq", { quant_method: "hqq" }, /"hqq" are not read; use the original model/],
    ["settings that are no object", "gptq", "gptq", /is not a JSON object/],
    ["GPTQ of 3 bits", "gptq", { bits: 3 }, /bits 3 is not supported/],
    ["GPTQ of another layout", "gptq", { checkpoint_format: "marlin" }, /checkpoint_format "marlin"/],
    ["a group of no inputs", "gptq", { group_size: 0 }, /group_size is 0/],
    ["groups of another size", "gptq", { group_size: 32 }, /down_proj.qzeros has shape \[4,4\], expected \[2,4\]/],
    ["AWQ of another layout", "awq", { version: "gemv" }, /version "gemv"/],
    ["AWQ without zeros", "awq", { zero_point: false }, /zero_point false/],
    ["FP8 with one scale", "fp8", { weight_block_size: null }, /weight_block_size null/],
    ["FP8 of another kind", "fp8", { fmt: "e5m2" }, /fmt "e5m2"/],
    ["FP8 blocks of another size", "fp8", { weight_block_size: [32, 32] }, /weight_scale_inv has shape/],
  ])("%s", async (_, method, settings, message) => {
    await expect(opened(method, settings)).rejects.toThrow(InputError);
    await expect(opened(method, settings)).rejects.toThrow(message);
  });
});
