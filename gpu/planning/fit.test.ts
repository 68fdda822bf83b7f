/** Runs under a memory budget: computed again, split into smaller packs, or refused; never other numbers. */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Device } from "../device/device.ts";
import { openDevice } from "../device/dawn.ts";
import type { AttributionRequest, LoadedModel, PlannedRun } from "../engine.ts";
import { InputError } from "../errors.ts";
import { loadModel } from "../loaded_model.ts";
import { parseBytes } from "../device/memory.ts";
import { openModelDirectory } from "../model/directory.ts";
import { rehearse } from "./rehearsal.ts";

const directory = join(import.meta.dirname as string, "..", "..", "test", "data", "golden", "qwen3-b");
let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());
afterEach(() => Deno.env.delete("CULPRIT_MEMORY"));

const request = (length: number, first: number): AttributionRequest => ({
  inputIds: Array.from({ length }, (_, index) => index === 0 ? first : (index * 5) % 60),
  target: 3,
  contrast: 4,
  rule: "attnlrp",
});

/** The device, and the largest sum of its buffers. */
function countPeak(): { readonly counting: Device; readonly peak: () => number } {
  let peak = 0;
  const counting: Device = {
    ...device,
    allocate(bytes, label, lasting) {
      const buffer = device.allocate(bytes, label, lasting);
      peak = Math.max(peak, device.allocatedBytes());
      return buffer;
    },
  };
  return { counting, peak: () => peak };
}

async function needs(run: PlannedRun, keepBytes: number): Promise<number> {
  const model = await openModelDirectory(directory);
  const { stagedBytes } = await rehearse({ on: device, model, keepBytes }, run);
  model.close();
  return stagedBytes;
}

test("block states are computed again where keeping them does not fit, to the same numbers", async () => {
  const one = request(300, 1);
  const run = { kind: "attribute", requests: [one] } as const;
  const [kept, again] = [await needs(run, Infinity), await needs(run, 0)];
  expect(again).toBeLessThan(0.9 * kept);
  const { counting, peak } = countPeak();
  const model = await loadModel(counting, directory);
  const free = await model.attribute(one);
  const before = peak();
  expect(before).toBeGreaterThan((again + kept) / 2);

  const small = countPeak();
  const bounded = await loadModel(small.counting, directory);
  // The first model's weights lie on the device too.
  Deno.env.set("CULPRIT_MEMORY", `${Math.floor((kept + again) / 2) + device.allocatedBytes() / 2}`);
  expect((await bounded.attribute(one)).nodeRelevance).toEqual(free.nodeRelevance);
  expect(small.peak()).toBeLessThanOrEqual(Number(Deno.env.get("CULPRIT_MEMORY")));
  Deno.env.set("CULPRIT_MEMORY", `${Math.floor(again * 0.9) + device.allocatedBytes() / 2}`);
  const error = await bounded.attribute(one).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(InputError);
  expect(String(error)).toMatch(/: the run needs [\d.]+ MiB of memory, and [\d.]+ MiB are free; shorten it, /);
  await expect(bounded.graph({ ...one })).rejects.toThrow(InputError);
  [model, bounded].forEach((loaded) => loaded.dispose());
});

test("many requests under a budget go in packs that fit it, to the same numbers", async () => {
  const many = Array.from({ length: 40 }, (_, index) => request(30 + index, index));
  const { counting, peak } = countPeak();
  const model = await loadModel(counting, directory);
  const weights = device.allocatedBytes();
  const free = await model.attributeMany(many);
  const unbounded = peak() - weights;
  const budget = weights + Math.floor(unbounded / 3);
  Deno.env.set("CULPRIT_MEMORY", `${budget}`);
  const small = countPeak();
  const bounded = await loadModel(small.counting, directory);
  Deno.env.set("CULPRIT_MEMORY", `${budget + weights}`);
  const found = await bounded.attributeMany(many);
  expect(small.peak()).toBeLessThanOrEqual(budget + weights);
  found.forEach(({ nodeRelevance }, index) => expect(nodeRelevance).toEqual(free[index]?.nodeRelevance));
  [model, bounded].forEach((loaded) => loaded.dispose());
});

test("a graph over skipped blocks pulls smaller packs back under a budget, to the same numbers", async () => {
  const graph = { ...request(60, 2), transitions: [0, 2, 4], mass: 1, minRelevance: 0, reach: "all" } as const;
  const { counting, peak } = countPeak();
  const model = await loadModel(counting, directory);
  const weights = device.allocatedBytes();
  const free = await model.graph(graph);
  const budget = weights + Math.floor((peak() - weights) * 0.7);
  expect(budget).toBeGreaterThan(1.5 * weights);
  const before = peak();
  Deno.env.set("CULPRIT_MEMORY", `${budget}`);
  const found = await model.graph(graph);
  expect(peak()).toBe(before);
  expect(found.transitions).toEqual(free.transitions);
  model.dispose();

  const small = countPeak();
  const bounded = await loadModel(small.counting, directory);
  await bounded.graph(graph);
  expect(small.peak()).toBeLessThanOrEqual(budget);
  bounded.dispose();
});

describe("amounts of memory", () => {
  test.each([["1000", 1000], ["6G", 6 * 2 ** 30], ["1.5 GiB", 1.5 * 2 ** 30], ["512m", 2 ** 29], ["2KB", 2048]])(
    "%s",
    (text, bytes) => expect(parseBytes(text, "CULPRIT_MEMORY")).toBe(bytes),
  );
  test.each(["", "G", "0", "-1", "1X", "lots"])("%j is none", (text) => {
    expect(() => parseBytes(text, "CULPRIT_MEMORY")).toThrow(/^CULPRIT_MEMORY: .* is no amount of memory; use bytes/);
  });
});

describe("other work", () => {
  const prompt = (length: number) => request(length, 7).inputIds;
  const works: readonly [string, (model: LoadedModel) => Promise<unknown>][] = [
    ["generate", (model) => model.generate([20, 90, 200].map((n) => ({ inputIds: prompt(n), maxTokens: 12 })))],
    [
      "score",
      (model) => model.score([20, 90, 200].map((n) => ({ inputIds: prompt(n), target: 3, contrast: 4, top: 5 }))),
    ],
    ["next tokens", (model) => model.nextTokens([90, 200].map((n) => ({ inputIds: prompt(n), from: n - 5, top: 3 })))],
    ["logits", (model) => model.logits(prompt(200))],
    ["seeds", async (model) => {
      const inputIds = prompt(200);
      const seed = [20, 90, 150].map((position) => ({ position, target: 3, contrast: "mean" as const, factor: 2 }));
      const results = await model.attributeSeeds([1, 2, 3].map((count) => ({
        inputIds,
        seed: seed.slice(0, count),
        rule: "attnlrp",
      })));
      return results.map(({ seconds: _, ...result }) => result);
    }],
  ];
  test.each(works)(
    "%s stays within a budget to the same numbers, and is refused with them below it",
    async (_, work) => {
      const { counting, peak } = countPeak();
      const model = await loadModel(counting, directory);
      const weights = device.allocatedBytes();
      const free = await work(model);
      const most = peak();
      model.dispose();
      const small = countPeak();
      const bounded = await loadModel(small.counting, directory);
      Deno.env.set("CULPRIT_MEMORY", `${most + 2 ** 20}`);
      expect(await work(bounded)).toEqual(free);
      expect(small.peak()).toBeLessThanOrEqual(most + 2 ** 20);
      Deno.env.set("CULPRIT_MEMORY", `${weights + 2 ** 16}`);
      await expect(work(bounded)).rejects.toThrow(
        /: the run needs [\d.]+ MiB of memory, and [\d.]+ MiB are free; shorten it, /,
      );
      bounded.dispose();
    },
  );
});
