/** The two lanes on a real device: what a person waits for passes a batch, and neither changes a number. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine, LoadedModel } from "./engine.ts";
import { openEngine } from "./mod.ts";

const MODEL = join(import.meta.dirname as string, "..", "models", "demo-1m");
let engine: Engine;
let model: LoadedModel;
beforeAll(async () => {
  engine = await openEngine();
  model = await engine.loadModel(MODEL);
});
afterAll(() => {
  model.dispose();
  engine.close();
});

const ids = (length: number, seed: number) => Array.from({ length }, (_, at) => (at * 37 + seed * 101 + 5) % 2000);

test("an interactive call ends before a batch that began before it, and both give their numbers", async () => {
  const batch = Array.from({ length: 12 }, (_, seed) => ({
    inputIds: ids(200, seed),
    contrast: 7,
    rule: "attnlrp" as const,
  }));
  const single = { inputIds: ids(40, 99), contrast: 9, rule: "attnlrp" as const };
  const written = [{ inputIds: ids(12, 3), maxTokens: 24 }];
  const alone = {
    batch: await model.attributeMany(batch),
    single: await model.attribute(single),
    written: await model.generate(written),
  };
  const ended: string[] = [];
  const note = <Result>(name: string, work: Promise<Result>) => work.finally(() => ended.push(name));
  const running = note("batch", model.attributeMany(batch));
  const seen: number[] = [];
  const [single2, written2] = await Promise.all([
    note("interactive", model.attribute(single, { lane: "interactive" })),
    note("interactive", model.generate(written, { lane: "interactive", onTokens: ([own]) => seen.push(own!.length) })),
  ]);
  const batch2 = await running;
  expect(ended).toEqual(["interactive", "interactive", "batch"]);
  expect(single2.nodeRelevance).toEqual(alone.single.nodeRelevance);
  expect(written2).toEqual(alone.written);
  batch2.forEach((result, index) => expect(result.nodeRelevance).toEqual(alone.batch[index]!.nodeRelevance));
  // Tokens come as they are decoded.
  expect(seen.length).toBeGreaterThan(1);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen.at(-1)).toBe(written2[0]!.ids.length);
});
