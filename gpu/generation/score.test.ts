/** Predictions under interventions against transformers (test/reference/score.py), alone and in packs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import { seededRandom } from "../../test/random.ts";
import type { Device } from "../device/device.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import type { GenerateRequest, LoadedModel, Replacement, ScoreRequest, ScoreResult, TokenLogit } from "../engine.ts";
import { InputError } from "../errors.ts";
import { HIDDEN, softmax, softmaxReference } from "../kernels/softmax.ts";
import { loadModel } from "../loaded_model.ts";
import { packPanels, PANEL, panelBytes, unpackPanels } from "../kernels/panels.ts";

const ROOT = join(import.meta.dirname as string, "..", "..");
const GOLDEN = join(ROOT, "test", "data", "golden");
const FOLDERS = {
  "demo-1m": join(ROOT, "models", "demo-1m"),
  "qwen3-a": join(GOLDEN, "qwen3-a"),
  "qwen3-b": join(GOLDEN, "qwen3-b"),
  "olmo3-a": join(GOLDEN, "olmo3-a"),
};

interface Golden {
  readonly request: Omit<ScoreRequest, "replace"> & { readonly replace?: readonly (Replacement & Embedded)[] };
  readonly tokens: readonly TokenLogit[];
  readonly top: readonly TokenLogit[];
  readonly logNormaliser: number;
  readonly completion: readonly number[];
}
interface Embedded {
  readonly embedding?: readonly number[];
}

let device: Device;
beforeAll(async () => {
  device = await sharedDevice();
});

/** JSON has no Float32Array. */
const readRequest = ({ replace = [], ...rest }: Golden["request"]): ScoreRequest => ({
  ...rest,
  replace: replace.map((one) => one.embedding ? { ...one, embedding: Float32Array.from(one.embedding) } : one),
});
const logitsOf = (values: readonly TokenLogit[]) => values.map(({ logit }) => logit);
const idsOf = (values: readonly TokenLogit[]) => values.map(({ id }) => id);

describe.each(Object.entries(FOLDERS))("%s under interventions predicts as transformers does", (name, folder) => {
  const golden: readonly Golden[] = JSON.parse(
    readFileSync(join(ROOT, "test", "data", "golden-score", `${name}.json`), "utf8"),
  );
  const requests = golden.map(({ request, tokens }): ScoreRequest => ({
    ...readRequest(request),
    tokens: idsOf(tokens),
    top: 5,
  }));
  let model: LoadedModel;
  let packed: readonly ScoreResult[];
  beforeAll(async () => {
    model = await loadModel(device, folder);
    packed = await model.score(requests);
  });

  test("logits, the largest ones and the normaliser of 22 requests in one pack", () => {
    expect(golden).toHaveLength(22);
    golden.forEach(({ tokens, top, logNormaliser }, index) => {
      const found = packed[index] as ScoreResult;
      const place = `request ${index}`;
      const [values, expected] = [[...found.tokens, ...found.top], [...tokens, ...top]];
      expect(idsOf(values), place).toEqual(idsOf(expected));
      expect(relativeError(logitsOf(values), logitsOf(expected)), place).toBeLessThan(1e-4);
      expect(Math.abs(found.logNormaliser - logNormaliser) / Math.abs(logNormaliser), place).toBeLessThan(1e-4);
      expect(found.argmax).toEqual(found.top[0]);
    });
  });

  test("each alone gives what it gives in the pack, to the last bit", async () => {
    for (const [index, request] of requests.entries()) expect(await model.score([request])).toEqual([packed[index]]);
  });

  test("a continuation is as probable in one pass as token by token, and alone as in a pack", async () => {
    const continued = golden.filter(({ completion }) => completion.length > 1);
    expect(continued.length).toBeGreaterThan(5);
    const asked = continued.map(({ request, completion }) => ({
      ...readRequest(request),
      continuation: completion.slice(0, 4),
    }));
    const found = await model.scoreContinuations(asked);
    const single = await model.score(
      asked.flatMap(({ inputIds, continuation, ...intervention }) =>
        continuation.map((target, index) => ({
          ...intervention,
          inputIds: [...inputIds, ...continuation.slice(0, index)],
          target,
        }))
      ),
    );
    const logs = single.map(({ target, logNormaliser }) => target.logit - logNormaliser);
    expect(found.map(({ length }) => length)).toEqual(asked.map(({ continuation }) => continuation.length));
    expect(relativeError(found.flat(), logs)).toBeLessThan(1e-5);
    expect(await model.scoreContinuations(asked.slice(1, 2))).toEqual(found.slice(1, 2));
    await expect(model.scoreContinuations([{ inputIds: [1], continuation: [] }])).rejects.toThrow(
      "continuation: it is empty; give at least one token",
    );
  });

  test("a request without intervention gives the ordinary forward pass", async () => {
    const { inputIds } = requests[0] as ScoreRequest;
    const logits = await model.logits(inputIds);
    const all = Array.from(logits.keys());
    const [result] = await model.score([{ inputIds, tokens: all, target: 1, contrast: 2 }]);
    expect(logitsOf((result as ScoreResult).tokens)).toEqual(Array.from(logits));
    expect(result).toMatchObject({ target: { id: 1, logit: logits[1] }, contrast: { id: 2, logit: logits[2] } });
    expect(result?.logitDifference).toBe((logits[1] as number) - (logits[2] as number));
  });

  test("completions go on under the intervention", async () => {
    const generations = golden.map(({ request, completion }): GenerateRequest => ({
      ...readRequest(request),
      maxTokens: completion.length,
    }));
    const ended = ({ completion }: Golden) => {
      const end = completion.findIndex((id) => model.config.eosIds.includes(id));
      return end < 0 ? completion : completion.slice(0, end);
    };
    expect((await model.generate(generations)).map(({ ids }) => ids)).toEqual(golden.map(ended));
  });
});

test("a bias is added to the scores toward its key, and a hidden key gets nothing", async () => {
  const random = seededRandom(5);
  const [queries, firstQuery, firstRow] = [21, 16, 32];
  const keys = 48;
  const values = random.normals(queries * keys, 3);
  const bias = new Float32Array(firstRow + keys).map(() => random.normal() * 4);
  bias[firstRow + 3] = bias[firstRow + 17] = HIDDEN;
  const run = async (added: Float32Array<ArrayBuffer>) => {
    const scores = device.allocate(panelBytes(queries, keys), "test scores");
    const buffer = device.allocate(added.byteLength, "test bias");
    device.write(scores, 0, packPanels(values, queries, keys));
    device.write(buffer, 0, added);
    const block = { heads: 1, firstQuery, queries, firstKey: 0, keys, window: null };
    softmax(device, block, scores, { buffer, firstRow });
    const padded = Math.ceil(queries / PANEL) * PANEL;
    const found = unpackPanels(new Float32Array(await device.read(scores, 0, panelBytes(queries, keys))), padded, keys);
    return found.subarray(0, queries * keys);
  };
  const expected = Array.from({ length: queries }, (_, query) => {
    const row = Array.from(
      values.subarray(query * keys, (query + 1) * keys),
      (value, key) => value + (bias[firstRow + key] as number),
    );
    return softmaxReference(row, 0, firstQuery + query);
  });
  const found = await run(bias);
  expect(relativeError(found, expected.flat())).toBeLessThan(2e-6);
  expect(found.filter((_, index) => index % keys === 3 || index % keys === 17).every((value) => value === 0)).toBe(
    true,
  );
  expect((await run(bias.map(() => HIDDEN))).every((value) => value === 0), "a row without keys is 0").toBe(true);
});

describe("bad requests are refused before anything runs", () => {
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(device, FOLDERS["qwen3-a"]);
  });
  const inputIds = [1, 2, 3];
  test.each<[ScoreRequest, RegExp]>([
    [{ inputIds: [] }, /^input: the prompt has no tokens/],
    [{ inputIds, hidden: [3] }, /^hidden\[0\]: there is no position 3 among 3 tokens; use whole numbers from 0 to 2$/],
    [{ inputIds, hidden: [1, 1] }, /^hidden\[1\]: position 1 comes twice/],
    [{ inputIds, replace: [{ position: 0, id: 512 }] }, /^replace\[0\]: token id 512 is not in the vocabulary of 512/],
    [{ inputIds, replace: [{ position: 0, mean: [] }] }, /^replace\[0\]: is the mean of no tokens/],
    [{ inputIds, replace: [{ position: 0, embedding: new Float32Array(3) }] }, /^replace\[0\]: the embedding has 3/],
    [{ inputIds, attentionBias: [{ position: 0, bias: -Infinity }] }, /^attentionBias\[0\]: -Infinity is no bias/],
    [{ inputIds, tokens: [-1] }, /^tokens\[0\]: token id -1/],
    [{ inputIds, top: 1.5 }, /^top: 1.5 is no count/],
  ])("%j", async (request, message) => {
    const error = await model.score([request]).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toMatch(message);
  });

  test("memory is given back, and no requests give no results", async () => {
    const request = { inputIds, hidden: [1], attentionBias: [{ position: 2, bias: 1 }] };
    await model.score([request]);
    await model.generate([{ ...request, maxTokens: 3 }]);
    const before = device.allocatedBytes();
    await model.score([request, request]);
    await model.generate([{ ...request, maxTokens: 3 }]);
    expect(device.allocatedBytes()).toBe(before);
    expect(await model.score([])).toEqual([]);
  });
});
