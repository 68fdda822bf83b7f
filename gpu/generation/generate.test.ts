/** Greedy decoding against transformers (test/reference/generate.py), alone and in batches. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { logSumExpReference } from "../kernels/log-sum-exp.ts";
import { GOLDEN_MODELS } from "../../test/golden_models.ts";
import { writeRandomModel } from "../../test/random_model.ts";
import type { Device } from "../device/device.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import type { GenerateRequest, LoadedModel } from "../engine.ts";
import { loadModel } from "../loaded_model.ts";

const DATA = join(import.meta.dirname as string, "..", "..", "test", "data");
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
  device = await sharedDevice();
});

const requestOf = ({ prompt, force, ids }: Golden): GenerateRequest => ({
  inputIds: prompt,
  maxTokens: ids.length,
  top: 5,
  ...(force === null ? {} : { force }),
});

describe.each(GOLDEN_MODELS)("%s completes as transformers does", (name) => {
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
    const requests = Array.from({ length: 20 }, (_, index) => {
      const one = golden[index % golden.length] as Golden;
      return { ...requestOf(one), maxTokens: 1 + index % one.ids.length };
    });
    const results = await model.generate(requests);
    results.forEach(({ ids }, index) => {
      expect(ids).toEqual((golden[index % golden.length] as Golden).ids.slice(0, requests[index]?.maxTokens));
    });
  });
});

describe.each(["qwen3-a", "olmo3-a"])("%s: what shares a beginning is computed once, and", (name) => {
  const golden = all.filter(({ model }) => model === name);
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(device, join(DATA, "golden", name));
  });

  test("rollouts of forced tokens along two completions equal those of each alone, to the last bit", async () => {
    const requests = golden.slice(0, 2).flatMap(({ prompt, ids }) =>
      Array.from({ length: 9 }, (_, index): GenerateRequest => ({
        inputIds: [...prompt, ...ids.slice(0, index % 6)],
        force: 3 + 22 * index,
        maxTokens: 1 + 2 * index,
        top: 3,
      }))
    );
    const together = await model.generate(requests);
    for (const [index, request] of requests.entries()) {
      expect((await model.generate([request]))[0], `request ${index}`).toEqual(together[index]);
    }
  });

  test("next tokens at every position are those that generation finds there, to the last bit", async () => {
    const requests = golden.map(({ prompt, ids }) => ({
      inputIds: [...prompt, ...ids],
      from: prompt.length - 1,
      top: 5,
    }));
    const all = await model.nextTokens(requests);
    for (const [index, { prompt, ids, force, first }] of golden.entries()) {
      const found = all[index] ?? [];
      expect(found).toHaveLength(ids.length + 1);
      const scale = Math.max(...first.map(({ logit }) => Math.abs(logit)));
      // transformers' own logits at the first new position.
      expect(found[0]?.map(({ id }) => id)).toEqual(first.slice(0, 5).map(({ id }) => id));
      found[0]?.forEach(({ logit }, rank) => {
        expect(Math.abs(logit - (first[rank]?.logit ?? NaN)) / scale).toBeLessThan(1e-4);
      });
      // Its greedy choices at the others.
      expect(found.slice(force === null ? 0 : 1, -1).map((top) => top[0]?.id)).toEqual(
        ids.slice(force === null ? 0 : 1),
      );
      for (const position of [0, 3, ids.length]) {
        const inputIds = [...prompt, ...ids.slice(0, position)];
        const logits = await model.logits(inputIds);
        expect(found[position]?.map(({ id, logit }) => [id, logit])).toEqual(
          found[position]?.map(({ id }) => [id, logits[id]]),
        );
        // Against float64 over the whole row.
        const normaliser = logSumExpReference(logits);
        for (const { logit, logProbability } of found[position] ?? []) {
          expect(Math.abs(logProbability - (logit - normaliser))).toBeLessThan(1e-5);
        }
      }
      const request = requests[index] as typeof requests[0];
      expect(await model.nextTokens([request])).toEqual([found]);
      expect(await model.nextTokens([{ ...request, to: prompt.length + 2 }])).toEqual([found.slice(0, 3)]);
    }
  });
});

test("what does not fit the device at once is cut into packs and passes, with the same numbers", async () => {
  const whole = await loadModel(device, join(DATA, "golden", "olmo3-a"));
  // A device whose buffers hold a few sequences only.
  const info = { ...device.info, bindingBytes: 2 ** 16 };
  const small = await loadModel({ ...device, info }, join(DATA, "golden", "olmo3-a"));
  const requests = Array.from({ length: 40 }, (_, index): GenerateRequest => ({
    inputIds: Array.from(
      { length: 20 + index % 7 },
      (_, position) => (37 * position + (position > 10 ? index % 5 : 0)) % 400,
    ),
    maxTokens: 5 + index % 9,
    top: 2,
    ...(index % 3 === 0 ? {} : { force: 40 + index }),
  }));
  const passes: string[] = [];
  const onProgress = ({ phase }: { readonly phase: string }) => void (phase === "prefill" && passes.push(phase));
  expect(await small.generate(requests, { onProgress })).toEqual(await whole.generate(requests));
  expect(passes.length).toBeGreaterThan(2);
  const positions = requests.map(({ inputIds }) => ({ inputIds, from: 3, top: 4 }));
  expect(await small.nextTokens(positions)).toEqual(await whole.nextTokens(positions));
});

describe("a thought before the answer", () => {
  const golden = all.filter(({ model, force }) => model === "qwen3-a" && force === null);
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(device, join(DATA, "golden", "qwen3-a"));
  });
  const thinks = (one: Golden, endOf: (ids: readonly number[]) => number | undefined, budget: number) => ({
    inputIds: one.prompt,
    maxTokens: 3,
    thought: { budget, ending: [7, 8, 9], endOf },
  });

  test("one that ends is followed by the answer's tokens, and takes none of them", async () => {
    const requests = golden.map((one) => thinks(one, (ids) => ids.length >= 4 ? 4 : undefined, 5));
    (await model.generate(requests)).forEach(({ ids, stop, thought }, index) => {
      expect(ids).toEqual(golden[index]!.ids.slice(0, 7));
      expect([stop, thought]).toEqual(["length", { tokens: 4, inserted: 0 }]);
    });
  });

  test("one whose budget is used up is closed, and the answer is that of a prompt that ends so", async () => {
    const seen: (readonly (readonly number[])[])[] = [];
    const requests = golden.map((one) => thinks(one, () => undefined, 5));
    const found = await model.generate(requests, { onTokens: (ids) => seen.push(ids.map((one) => [...one])) });
    for (const [index, { ids, thought }] of found.entries()) {
      const one = golden[index]!;
      const cut = [...one.ids.slice(0, 5), 7, 8, 9];
      const [alone] = await model.generate([{ inputIds: [...one.prompt, ...cut], maxTokens: 3 }]);
      expect(ids).toEqual([...cut, ...alone!.ids]);
      expect(thought).toEqual({ tokens: 8, inserted: 3 });
      seen.forEach((told) => expect(ids.slice(0, told[index]!.length)).toEqual(told[index]));
    }
    expect(seen.at(-1)!.map(({ length }) => length)).toEqual(golden.map(() => 11));
  });

  test("an answer that begins without one has no more tokens than it may; others of the batch are as they are", async () => {
    const [one, two] = golden as [Golden, Golden];
    const [none, plain] = await model.generate([thinks(one, () => 0, 5), { inputIds: two.prompt, maxTokens: 6 }]);
    expect(none).toMatchObject({ ids: one.ids.slice(0, 3), thought: { tokens: 0, inserted: 0 } });
    expect(plain!.ids).toEqual(two.ids.slice(0, 6));
    expect(plain).not.toHaveProperty("thought");
  });

  test("a budget that is none, or does not fit, is refused with the numbers", async () => {
    const asked = (budget: number) => model.generate([thinks(golden[0]!, () => 0, budget)]);
    await expect(asked(0)).rejects.toThrow(/^thought\.budget: 0 is no number of tokens/);
    await expect(asked(5000)).rejects.toThrow(/^maxTokens: \d+ prompt tokens and 5003 of a thought and 3 new ones/);
  });
});

test("a completion ends where its request says so, asked after each token; others go on", async () => {
  const model = await loadModel(device, join(DATA, "golden", "qwen3-a"));
  const [one, two] = all.filter(({ model, force }) => model === "qwen3-a" && force === null) as [Golden, Golden];
  const lengths: number[] = [];
  const until = (ids: readonly number[]) => {
    expect(ids).toEqual(one.ids.slice(0, ids.length));
    lengths.push(ids.length);
    return ids.length >= 4;
  };
  const [cut, whole] = await model.generate([{ ...requestOf(one), until }, requestOf(two)]);
  expect(cut).toMatchObject({ ids: one.ids.slice(0, 4), stop: "until", end: null });
  expect(whole).toMatchObject({ ids: two.ids, stop: "length" });
  expect(lengths).toEqual([1, 2, 3, 4]);
  // Tokens that close a thought are among those that it is asked about.
  const thought = { budget: 2, ending: [7, 8, 9], endOf: () => undefined };
  const seen: number[][] = [];
  const [answer] = await model.generate([{
    inputIds: one.prompt,
    maxTokens: 4,
    thought,
    until: (ids) => (seen.push([...ids]), ids.length === 7),
  }]);
  expect(answer).toMatchObject({ stop: "until", thought: { tokens: 5, inserted: 3 } });
  expect(answer!.ids).toHaveLength(7);
  expect(seen).toEqual([1, 2, 6, 7].map((tokens) => answer!.ids.slice(0, tokens)));
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
    expect(result).toEqual({ ids: one.ids.slice(0, one.ids.indexOf(end)), stop: "eos", end, first: [] });
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
  await expect(model.nextTokens([{ inputIds: [1, 2], from: 2, top: 1 }])).rejects.toThrow(/^from: .* from 0 to 1/);
  await expect(model.nextTokens([{ inputIds: [1, 2], from: 0, top: 0 }])).rejects.toThrow(/^top: 0 is no count/);
  await expect(model.nextTokens([{ inputIds: [1, 2], from: 0, to: 3, top: 1 }])).rejects.toThrow(
    "to: nothing lies between position 0 and 3 of 2 tokens; use a whole number from 1 to 2",
  );
  await expect(model.generate([{ ...good, inputIds: [] }])).rejects.toThrow(/^input: the prompt has no tokens/);
});

test("a context that grows past longrope's border is computed again from its first token", async () => {
  const folder = mkdtempSync(join(tmpdir(), "culprit-generate-"));
  try {
    const config = {
      model_type: "phi3",
      hidden_size: 36,
      intermediate_size: 25,
      num_hidden_layers: 2,
      num_attention_heads: 3,
      num_key_value_heads: 1,
      head_dim: 12,
      vocab_size: 60,
      max_position_embeddings: 128,
      original_max_position_embeddings: 16,
      rope_theta: 10_000,
      rope_scaling: { rope_type: "longrope", short_factor: [1, 1.5, 2, 2, 3, 3], long_factor: [2, 6, 9, 9, 9, 9] },
    };
    writeRandomModel(folder, config, { dtype: "F32", seed: 4 });
    const model = await loadModel(device, folder);
    const prompts = [[3, 1, 4, 1, 5, 9, 2, 6], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8]];
    const wanted: number[][] = [];
    for (const prompt of prompts) {
      const ids = [...prompt];
      while (ids.length < prompt.length + 20) {
        const logits = await model.logits(ids);
        ids.push(logits.indexOf(Math.max(...logits)));
      }
      wanted.push(ids.slice(prompt.length));
    }
    const seen: number[] = [];
    const until = (ids: readonly number[]) => (seen.push(ids.length), false);
    const found = await model.generate(prompts.map((inputIds, at) => ({
      inputIds,
      maxTokens: 20,
      ...at === 0 && { until },
    })));
    // It is told of all tokens, on both sides of the border.
    expect(seen).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
    expect(found.map(({ ids }) => ids)).toEqual(wanted);
    model.dispose();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
