/** A model of Qwen3-0.6B's shape with random weights: loads, attributes, and stays within its memory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeRandomModel } from "./random_model.ts";

const folder = mkdtempSync(join(tmpdir(), "culprit-real-shape-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("Qwen3-0.6B's shape in bf16 attributes 54 tokens within 4 GB of host memory beyond the weights", async () => {
  const configs = JSON.parse(Deno.readTextFileSync(join(import.meta.dirname as string, "data", "configs.json")));
  const weightBytes = writeRandomModel(folder, configs["Qwen/Qwen3-0.6B"], { dtype: "BF16", seed: 6 });
  expect(weightBytes).toBeGreaterThan(1.19e9);

  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(import.meta.dirname as string, "attribute_once.ts"), folder, "54"],
    cwd: join(import.meta.dirname as string, ".."),
  }).output();
  const text = new TextDecoder();
  expect(code, text.decode(stderr)).toBe(0);
  const result = JSON.parse(text.decode(stdout));
  // CP-LRP conserves delta at every node layer: a check of all 28 blocks that needs no second implementation.
  expect(result.layerSums).toHaveLength(29);
  for (const sum of result.layerSums) {
    expect(Math.abs(sum - result.logitDifference) / Math.max(result.largest, 1)).toBeLessThan(1e-3);
  }
  // On a software adapter the weights themselves lie in host memory.
  expect(result.peakBytes - weightBytes).toBeLessThan(4 * 2 ** 30);
}, 900_000);
