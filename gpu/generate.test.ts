/** Greedy decoding against transformers (test/reference/generate.py), alone and in batches. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "./dawn.ts";
import type { GenerateRequest, LoadedModel } from "./engine.ts";
import { loadModel } from "./loaded_model.ts";

const DATA = join(import.meta.dirname as string, "..", "test", "data");
interface Golden {
  readonly model: string;
  readonly prompt: readonly number[];
  readonly force: number | null;
  readonly ids: readonly number[];
  readonly first: readonly { readonly id: number; readonly logit: number }[];
}
const all: readonly Golden[] = JSON.parse(readFileSync(join(DATA, "generations.json"), "utf8"));
let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const requestOf = ({ prompt, force, ids }: Golden): GenerateRequest => ({
  inputIds: prompt,
  maxTokens: ids.length,
  top: 5,
  ...(force === null ? {} : { force }),
});

describe.each(["qwen3-a", "qwen3-b", "olmo3-a"])("%s completes as transformers does", (name) => {
  const golden = all.filter(({ model }) => model === name);
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(device, join(DATA, "golden", name));
  });

  test("four prompts in one batch, one with a forced first token", async () => {
    const results = await model.generate(golden.map(requestOf));
    expect(results.map(({ ids }) => ids)).toEqual(golden.map(({ ids }) => ids));
    expect(results.every(({ stop }) => stop === "length")).toBe(true);
    results.forEach(({ first }, index) => {
      const expected = golden[index]?.first ?? [];
      expect(first.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
      const scale = Math.max(...expected.map(({ logit }) => Math.abs(logit)));
      first.forEach(({ logit }, rank) => {
        expect(Math.abs(logit - (expected[rank]?.logit ?? NaN)) / scale).toBeLessThan(1e-4);
      });
    });
  });

  test("each alone", async () => {
    for (const one of golden) expect((await model.generate([requestOf(one)]))[0]?.ids).toEqual(one.ids);
  });

  test("a large batch whose sequences end at different times", async () => {
    // More than one panel of rows, so that finished sequences leave.
    const requests = Array.from({ length: 40 }, (_, index) => {
      const one = golden[index % golden.length] as Golden;
      return { ...requestOf(one), maxTokens: 1 + index % one.ids.length };
    });
    const results = await model.generate(requests);
    results.forEach(({ ids }, index) => {
      expect(ids).toEqual((golden[index % golden.length] as Golden).ids.slice(0, requests[index]?.maxTokens));
    });
  });
});

test("an end token stops a sequence and is not part of it", async () => {
  const one = all.find(({ model }) => model === "qwen3-a") as Golden;
  const end = one.ids[6] as number;
  const folder = Deno.makeTempDirSync();
  try {
    for (const file of ["config.json", "model.safetensors"]) {
      Deno.copyFileSync(join(DATA, "golden", "qwen3-a", file), join(folder, file));
    }
    Deno.writeTextFileSync(join(folder, "generation_config.json"), JSON.stringify({ eos_token_id: [end] }));
    const model = await loadModel(device, folder);
    const [result] = await model.generate([{ inputIds: one.prompt, maxTokens: one.ids.length }]);
    expect(result).toEqual({ ids: one.ids.slice(0, one.ids.indexOf(end)), stop: "eos", first: [] });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

test("memory is given back, and bad requests are refused", async () => {
  const model = await loadModel(device, join(DATA, "golden", "qwen3-a"));
  const good = { inputIds: [1, 2, 3], maxTokens: 4 };
  await model.generate([good]);
  const before = device.allocatedBytes();
  await model.generate([good, good]);
  expect(device.allocatedBytes()).toBe(before);
  expect(await model.generate([])).toEqual([]);
  await expect(model.generate([{ ...good, maxTokens: 0 }])).rejects.toThrow(/^maxTokens: 0 is no number/);
  await expect(model.generate([{ ...good, maxTokens: 5000 }])).rejects.toThrow(/^maxTokens: .* use at most 4093/);
  await expect(model.generate([{ ...good, force: 512 }])).rejects.toThrow(/^force: token id 512/);
  await expect(model.generate([{ ...good, inputIds: [] }])).rejects.toThrow(/^input: the prompt has no tokens/);
});
