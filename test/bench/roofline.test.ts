/** The model of machines, against numbers worked out by hand. */
import { expect, test } from "vitest";
import { parseConfig } from "../../gpu/model/config.ts";
import { FULL_CONFIG } from "./models.ts";
import { attributionCost, type Chip, CHIPS, decodingCost, leastSeconds, productCost } from "./roofline.ts";

const chip: Chip = { name: "slide rule", bandwidth: 100, f32: 1000, matrix: 4000, source: "this test" };
const config = parseConfig(FULL_CONFIG, "test");
/** Of Qwen3-0.6B's 28 blocks, without the norms, and of its unembedding. */
const BLOCKS = 28 * (1024 * 4096 + 2048 * 1024 + 3 * 1024 * 3072);
const UNEMBEDDING = 151_936 * 1024;

test("the larger of moving and computing bounds an operation", () => {
  expect(leastSeconds(chip, { operations: 8000, bytes: 400 }, "f32")).toEqual({ seconds: 8, bound: "operations" });
  expect(leastSeconds(chip, { operations: 8000, bytes: 400 }, "matrix")).toEqual({ seconds: 4, bound: "bytes" });
});

test("a product moves its weights once, and float32 rows in and out", () => {
  expect(productCost(10, 7, 3, 2)).toEqual({ operations: 420, bytes: 2 * 21 + 4 * 10 * (7 + 3) });
});

test("a decoding step reads all weights once, and 8 bytes for each column of each key head and position", () => {
  const { operations, bytes } = decodingCost(config, 32, 512, 2);
  expect(bytes).toBe(2 * (BLOCKS + UNEMBEDDING) + 32 * 512 * 28 * 8 * 128 * 8);
  expect(operations).toBe(32 * (2 * (BLOCKS + UNEMBEDDING) + 28 * 4 * 16 * 128 * 512));
});

test("a short attribution moves little but weights; prompts that are packed share them", () => {
  const one = attributionCost(config, 54, 2);
  const packed = attributionCost(config, 54, 2, 32);
  expect(one.bytes / (4 * BLOCKS)).toBeGreaterThan(1);
  expect(one.bytes / (4 * BLOCKS)).toBeLessThan(1.3);
  expect(packed.operations).toBe(32 * one.operations);
  expect(packed.bytes - 4 * BLOCKS).toBeLessThan(32.1 * (one.bytes - 4 * BLOCKS));
});

test("matrix units are no slower than float32 on any chip, and every number has its source", () => {
  for (const { matrix, f32, source } of CHIPS) expect([matrix >= f32, source.length > 10]).toEqual([true, true]);
});
