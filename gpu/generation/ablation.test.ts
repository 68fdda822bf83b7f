/** Predictions with heads and neurons set to zero against transformers (test/reference/ablation.py), alone and in packs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import type { Device } from "../device/device.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import type { Ablation, LoadedModel, ScoreResult, TokenLogit } from "../engine.ts";
import { InputError } from "../errors.ts";
import { loadModel } from "../loaded_model.ts";

const DATA = join(import.meta.dirname as string, "..", "..", "test", "data");
/** Grouped heads; windows and norms behind; fused weights; soft caps; biases; parallel blocks; experts beside a dense block. */
const MODELS = ["qwen3-a", "olmo3-a", "phi3-a", "gemma2-a", "gpt2-a", "gptneox-a", "qwen3moe-a"];

interface Golden {
  readonly request: { readonly inputIds: readonly number[]; readonly ablate: Ablation };
  readonly tokens: readonly TokenLogit[];
  readonly top: readonly TokenLogit[];
  readonly completion: readonly number[];
}

let device: Device;
beforeAll(async () => {
  device = await sharedDevice();
});

const logitsOf = (values: readonly TokenLogit[]) => values.map(({ logit }) => logit);
const idsOf = (values: readonly TokenLogit[]) => values.map(({ id }) => id);

describe.each(MODELS)("%s with heads and neurons ablated predicts as transformers does", (name) => {
  const golden: readonly Golden[] = JSON.parse(readFileSync(join(DATA, "golden-ablation", `${name}.json`), "utf8"));
  const requests = golden.map(({ request, tokens }) => ({ ...request, tokens: idsOf(tokens), top: 3 }));
  let model: LoadedModel;
  let packed: readonly ScoreResult[];
  beforeAll(async () => {
    model = await loadModel(device, join(DATA, "golden", name));
    packed = await model.score(requests);
  });

  test("logits of 12 requests in one pack, each as alone to the last bit", async () => {
    expect(golden).toHaveLength(12);
    for (const [index, { tokens, top }] of golden.entries()) {
      const found = packed[index] as ScoreResult;
      const place = `request ${index}`;
      const [values, expected] = [[...found.tokens, ...found.top], [...tokens, ...top]];
      expect(idsOf(values), place).toEqual(idsOf(expected));
      expect(relativeError(logitsOf(values), logitsOf(expected)), place).toBeLessThan(1e-4);
      if (index % 4 === 0) expect(await model.score([requests[index]!]), place).toEqual([found]);
    }
  });

  test("completions go on under the ablation, beside one that has none", async () => {
    const plain = { inputIds: golden[0]!.request.inputIds, maxTokens: 4 };
    const [alone] = await model.generate([plain]);
    const generations = golden.map(({ request, completion }) => ({ ...request, maxTokens: completion.length }));
    const [beside, ...found] = await model.generate([plain, ...generations]);
    expect(beside).toEqual(alone);
    const ended = ({ completion }: Golden) => {
      const end = completion.findIndex((id) => model.config.eosIds.includes(id));
      return end < 0 ? completion : completion.slice(0, end);
    };
    expect(found.map(({ ids }) => ids)).toEqual(golden.map(ended));
  });
});

describe("on one model", () => {
  let model: LoadedModel;
  let sparse: LoadedModel;
  const inputIds = [5, 9, 2, 7, 30, 11];
  beforeAll(async () => {
    model = await loadModel(device, join(DATA, "golden", "qwen3-a"));
    sparse = await loadModel(device, join(DATA, "golden", "qwen3moe-a"));
  });

  test("next tokens at every position are those under the ablation, and none changes nothing", async () => {
    const ablate: Ablation = { heads: [{ layer: 2, index: 1 }], neurons: [{ layer: 1, index: 7 }] };
    const asked = { inputIds, from: 0, top: 3 };
    const [under, plain, empty] = await model.nextTokens([{ ...asked, ablate }, asked, { ...asked, ablate: {} }]);
    const scored = await model.score(inputIds.map((_, last) => ({
      inputIds: inputIds.slice(0, last + 1),
      ablate,
      top: 3,
    })));
    expect(under?.map((top) => top.map(({ id, logit }) => ({ id, logit })))).toEqual(scored.map(({ top }) => top));
    expect(empty).toEqual(plain);
    expect(under).not.toEqual(plain);
  });

  test("memory is given back", async () => {
    const request = { inputIds, ablate: { heads: [{ layer: 1, index: 0 }], positions: [2] } };
    await model.score([request]);
    await model.generate([{ ...request, maxTokens: 3 }]);
    const before = device.allocatedBytes();
    await model.score([request, request]);
    await model.generate([{ ...request, maxTokens: 3 }]);
    expect(device.allocatedBytes()).toBe(before);
  });

  test.each<[Ablation, RegExp]>([
    [{ heads: [{ layer: 0, index: 1 }] }, /^ablate.heads\[0\]: there is no block 0; use whole numbers from 1 to 3$/],
    [
      { heads: [{ layer: 1, index: 0 }, { layer: 3, index: 4 }] },
      /^ablate.heads\[1\]: there is no head 4 in block 3; use whole numbers from 0 to 3$/,
    ],
    [
      { neurons: [{ layer: 2, index: 160 }] },
      /^ablate.neurons\[0\]: there is no neuron 160 in block 2; use .* to 159$/,
    ],
    [{ neurons: [{ layer: 2, index: 1, expert: 0 }] }, /^ablate.neurons\[0\]: block 2 has no experts; name the neuron/],
    [
      { heads: [{ layer: 2, index: 1 }, { layer: 2, index: 1 }] },
      /^ablate.heads\[1\]: head 1 of block 2 comes twice; name each once$/,
    ],
    [
      { heads: [{ layer: 1, index: 0 }], positions: [6] },
      /^ablate.positions\[0\]: there is no position 6 among 6 tokens/,
    ],
  ])("%j is refused", async (ablate, message) => {
    for (const ask of [model.score([{ inputIds, ablate }]), model.generate([{ inputIds, ablate, maxTokens: 1 }])]) {
      const error = await ask.catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(InputError);
      expect((error as InputError).message).toMatch(message);
    }
  });

  test("a neuron of a block of experts needs one that is there", async () => {
    const asked = (expert?: number) =>
      sparse.nextTokens([{
        inputIds,
        from: 0,
        top: 1,
        ablate: { neurons: [{ layer: 1, index: 3, ...(expert !== undefined && { expert }) }] },
      }]);
    await expect(asked()).rejects.toThrow(
      "ablate.neurons[0]: neuron 3 of block 1 is named without its expert; name one of experts 0 to 5 too",
    );
    await expect(asked(6)).rejects.toThrow("ablate.neurons[0]: there is no expert 6 in block 1");
    await expect(asked(5)).resolves.toHaveLength(1);
  });
});
