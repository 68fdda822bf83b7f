/** The engine against golden values of LXT on transformers (float32), and the identities that must hold. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import { GOLDEN_MODELS } from "../../test/golden_models.ts";
import { seededRandom } from "../../test/random.ts";
import { writeRandomModel } from "../../test/random_model.ts";
import type { Device } from "../device/device.ts";
import { openDevice } from "../device/dawn.ts";
import { type AttributionRequest, type AttributionResult, type LoadedModel, RULES } from "../engine.ts";
import { InputError } from "../errors.ts";
import { loadModel } from "../loaded_model.ts";
import { openSafetensors } from "../model/safetensors.ts";

const GOLDEN = join(import.meta.dirname as string, "..", "..", "test", "data", "golden");
let device: Device;
const folders: string[] = [];

beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => {
  device?.close();
  folders.forEach((folder) => rmSync(folder, { recursive: true, force: true }));
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "culprit-engine-"));
  folders.push(folder);
  return folder;
}

interface Golden {
  readonly input_ids: readonly number[];
  readonly target: number;
  readonly contrast: number;
  readonly logit_difference: number;
}
const readGolden = (name: string) => JSON.parse(Deno.readTextFileSync(join(GOLDEN, name, "golden.json"))) as Golden;
const requestOf = ({ input_ids, target, contrast }: Golden, rule: AttributionRequest["rule"]) => ({
  inputIds: input_ids,
  target,
  contrast,
  rule,
});
const nodeLayer = ({ nodeRelevance, inputIds }: AttributionResult, layer: number) =>
  nodeRelevance.subarray(layer * inputIds.length, (layer + 1) * inputIds.length);
const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);

describe.each(GOLDEN_MODELS)("%s equals the golden values of LXT", (name) => {
  const golden = readGolden(name);
  const file = openSafetensors(join(GOLDEN, name, "golden.safetensors"));
  const expected = (tensor: string) => {
    const bytes = new Uint8Array(file.tensors.get(tensor)?.bytes ?? 0);
    file.readInto(tensor, 0, bytes);
    return new Float32Array(bytes.buffer);
  };
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(device, join(GOLDEN, name));
  });

  test("logits at the last position", async () => {
    expect(relativeError(await model.logits(golden.input_ids), expected("logits_last"))).toBeLessThan(1e-4);
  });

  test.each(RULES)("node relevance of every layer, %s", async (rule) => {
    const result = await model.attribute(requestOf(golden, rule));
    expect(relativeError(result.nodeRelevance, expected(`${rule}.node_relevance`))).toBeLessThan(1e-4);
    expect(Math.abs(result.logitDifference - golden.logit_difference)).toBeLessThan(1e-4);
    expect(result.target.logit - result.contrast.logit).toBe(result.logitDifference);
  });

  test("the target is the argmax when none is named", async () => {
    const logits = expected("logits_last");
    const best = logits.indexOf(Math.max(...logits));
    const { inputIds, contrast } = requestOf(golden, "cplrp");
    expect((await model.attribute({ inputIds, contrast, rule: "cplrp" })).target.id).toBe(best);
  });
});

interface DemoGolden {
  readonly cases: readonly {
    readonly key: string;
    readonly inputIds: readonly number[];
    readonly target: number;
    readonly contrast: number;
    readonly logits: { readonly target: number; readonly contrast: number };
    readonly nodeRelevance: Readonly<Record<AttributionRequest["rule"], readonly (readonly number[])[]>>;
  }[];
}

describe("the trained demo model equals the golden values of LXT", () => {
  const folder = join(import.meta.dirname as string, "..", "..", "models", "demo-1m");
  const { cases } = JSON.parse(Deno.readTextFileSync(join(folder, "golden.json"))) as DemoGolden;
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(device, folder);
  });
  test.each(RULES)("six real failures, %s", async (rule) => {
    expect(cases).toHaveLength(6);
    const requests = cases.map(({ inputIds, target, contrast }) => ({ inputIds, target, contrast, rule }));
    const results = await model.attributeMany(requests);
    cases.forEach(({ key, nodeRelevance, logits }, index) => {
      const result = results[index] as AttributionResult;
      expect(relativeError(result.nodeRelevance, nodeRelevance[rule].flat()), key).toBeLessThan(1e-4);
      expect(relativeError([result.target.logit, result.contrast.logit], [logits.target, logits.contrast]), key)
        .toBeLessThan(1e-4);
    });
  });
});

/** Odd sizes, grouped heads, both embeddings, both dtypes, both architectures, windows. */
const SHAPES = [
  {
    architecture: "olmo3",
    hidden: 28,
    intermediate: 37,
    layers: 5,
    heads: 4,
    keyHeads: 2,
    head: 16,
    vocabulary: 33,
    tied: false,
    dtype: "F32",
  },
  {
    architecture: "qwen3",
    hidden: 20,
    intermediate: 27,
    layers: 3,
    heads: 3,
    keyHeads: 1,
    head: 8,
    vocabulary: 37,
    tied: true,
    dtype: "F32",
  },
  {
    architecture: "qwen3",
    hidden: 33,
    intermediate: 50,
    layers: 2,
    heads: 4,
    keyHeads: 2,
    head: 16,
    vocabulary: 50,
    tied: false,
    dtype: "BF16",
  },
  {
    architecture: "qwen3",
    hidden: 48,
    intermediate: 31,
    layers: 2,
    heads: 2,
    keyHeads: 2,
    head: 24,
    vocabulary: 21,
    tied: false,
    dtype: "F32",
  },
] as const;

function randomModel(shape: typeof SHAPES[number], seed: number): string {
  const folder = temporaryFolder();
  writeRandomModel(
    folder,
    {
      model_type: shape.architecture,
      hidden_size: shape.hidden,
      intermediate_size: shape.intermediate,
      num_hidden_layers: shape.layers,
      num_attention_heads: shape.heads,
      num_key_value_heads: shape.keyHeads,
      head_dim: shape.head,
      vocab_size: shape.vocabulary,
      tie_word_embeddings: shape.tied,
      max_position_embeddings: 256,
      rms_norm_eps: 1e-6,
      rope_theta: 10_000,
      ...(shape.architecture === "olmo3"
        ? {
          sliding_window: 9,
          rope_scaling: { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32 },
        }
        : {}),
    },
    { dtype: shape.dtype, seed },
  );
  return folder;
}

describe.each(SHAPES)(
  "identities of $architecture at $hidden x $intermediate, $heads/$keyHeads heads of $head, $dtype",
  (shape) => {
    const random = seededRandom(shape.hidden);
    const ids = (length: number) => Array.from({ length }, () => random.integer(0, shape.vocabulary - 1));
    const request = (length: number, rule: AttributionRequest["rule"]): AttributionRequest => {
      const target = random.integer(0, shape.vocabulary - 2);
      return { inputIds: ids(length), target, contrast: target + 1, rule };
    };
    let directory: string;
    let model: LoadedModel;
    beforeAll(async () => {
      directory = randomModel(shape, shape.hidden);
      model = await loadModel(device, directory);
    });

    test.each([1, 2, 17, 45])("CP-LRP relevance sums to delta at every node layer, %i tokens", async (length) => {
      const result = await model.attribute(request(length, "cplrp"));
      for (let layer = 0; layer <= result.layers; layer++) {
        const relevance = nodeLayer(result, layer);
        const scale = Math.max(...relevance.map(Math.abs), Math.abs(result.logitDifference));
        expect(Math.abs(sum(relevance) - result.logitDifference) / scale, `layer ${layer}`).toBeLessThan(1e-4);
      }
    });

    test.each(["attnlrp", "cplrp"] as const)(
      "columns of every transition sum to the source's relevance, %s",
      async (rule) => {
        for (const [length, transitions] of [[37, undefined], [20, [0, shape.layers]]] as const) {
          const everything = {
            mass: 1,
            minRelevance: 0,
            reach: "all",
            ...(transitions ? { transitions } : {}),
          } as const;
          const graph = await model.graph({ ...request(length, rule), ...everything });
          for (const { source, columnError } of graph.transitions) {
            expect(columnError, `from layer ${source}`).toBeLessThan(1e-4);
          }
        }
      },
    );

    test.each(RULES)("swapping target and contrast negates every relevance exactly, %s", async (rule) => {
      const one = request(23, rule);
      const other = { ...one, target: one.contrast, contrast: one.target as number };
      const [plus, minus] = [await model.attribute(one), await model.attribute(other)];
      // 0 - x, not -x: zeros have no sign here.
      expect(minus.nodeRelevance.map((value) => 0 + value)).toEqual(plus.nodeRelevance.map((value) => 0 - value));
    });

    test.each(RULES)("a pack of cases gives what each gives alone, %s", async (rule) => {
      const pack = [7, 1, 30, 16].map((length) => request(length, rule));
      const packed = await model.attributeMany(pack);
      for (const [index, one] of pack.entries()) {
        const alone = await model.attribute(one);
        // To the last bit: every sum runs over the same numbers in the same order.
        expect((packed[index] as AttributionResult).nodeRelevance).toEqual(alone.nodeRelevance);
      }
    });

    test("pairs, positions and rules of one prompt share a pass and give what each gives alone", async () => {
      const prompt = ids(50);
      const pairs = Array.from({ length: 9 }, (_, index): AttributionRequest => {
        const contrast = random.integer(0, shape.vocabulary - 1);
        const rule = RULES[index % 3] as AttributionRequest["rule"];
        const inputIds = prompt.slice(0, [50, 50, 50, 34, 17, 16, 1, 49, 50][index]);
        return { inputIds, contrast, rule, ...(index === 0 ? {} : { target: (contrast + 1) % shape.vocabulary }) };
      });
      const others = [request(23, "attnlrp"), request(9, "attnlrp"), request(31, "gradient")];
      const all = [...pairs.slice(0, 4), ...others, ...pairs.slice(4)];
      const frugal = await loadModel(device, directory, { keepBytes: 0 });
      for (const [loaded, several] of [[model, all], [frugal, pairs]] as const) {
        const packed = await loaded.attributeMany(several);
        for (const [index, one] of several.entries()) {
          const { seconds: _, ...alone } = await loaded.attribute(one);
          const { seconds: __, ...found } = packed[index] as AttributionResult;
          expect(found, `request ${index}`).toEqual(alone);
        }
      }
      frugal.dispose();
    });

    test.each(RULES)("blocks computed again for the backward pass give the same numbers, %s", async (rule) => {
      const frugal = await loadModel(device, directory, { keepBytes: 0 });
      const one = request(29, rule);
      expect((await frugal.attribute(one)).nodeRelevance).toEqual((await model.attribute(one)).nodeRelevance);
      frugal.dispose();
    });
  },
);

test.each(RULES)(
  "doubling the unembedding doubles every relevance exactly: the pass is linear in its seed, %s",
  async (rule) => {
    const name = "qwen3-b";
    const golden = readGolden(name);
    const folder = temporaryFolder();
    for (const file of ["config.json", "generation_config.json", "model.safetensors"]) {
      Deno.copyFileSync(join(GOLDEN, name, file), join(folder, file));
    }
    const path = join(folder, "model.safetensors");
    const header = openSafetensors(path);
    const head = header.tensors.get("lm_head.weight");
    if (!head) throw new Error("qwen3-b is not tied");
    const bits = new Uint16Array(head.bytes / 2);
    header.readInto(head.name, 0, new Uint8Array(bits.buffer));
    header.close();
    const file = Deno.openSync(path, { write: true });
    file.seekSync(head.offset, Deno.SeekMode.Start);
    // One more in a bf16's exponent doubles it; zeros and the smallest numbers are not in a random matrix of 0.02.
    const doubled = bits.map((word) => (word & 0x7f80) ? word + 0x80 : word);
    file.writeSync(new Uint8Array(doubled.buffer));
    file.close();
    const [model, twice] = [await loadModel(device, join(GOLDEN, name)), await loadModel(device, folder)];
    const [one, two] = [
      await model.attribute(requestOf(golden, rule)),
      await twice.attribute(requestOf(golden, rule)),
    ];
    expect(two.nodeRelevance).toEqual(one.nodeRelevance.map((value) => 2 * value));
    expect(two.logitDifference).toBe(2 * one.logitDifference);
  },
);

describe("bad input is refused before anything runs", () => {
  const golden = readGolden("qwen3-a");
  const good = requestOf(golden, "attnlrp");
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(device, join(GOLDEN, "qwen3-a"));
  });
  test.each<[string, AttributionRequest, RegExp]>([
    ["no tokens", { ...good, inputIds: [] }, /^input: the prompt has no tokens; give/],
    [
      "an id past the vocabulary",
      { ...good, inputIds: [3, 512] },
      /^input\[1\]: token id 512 .* 512; use .* 0 to 511$/,
    ],
    ["a negative id", { ...good, contrast: -1 }, /^contrast: token id -1 .*; use/],
    ["an id that is not whole", { ...good, target: 1.5 }, /^target: token id 1.5 .*; use/],
    ["target and contrast the same", { ...good, target: 7, contrast: 7 }, /^contrast: .* same token 7; name/],
    [
      "more tokens than the model takes",
      { ...good, inputIds: Array(4097).fill(1) },
      /^input: .* 4097 .* 4096; shorten/,
    ],
  ])("%s", async (_, request, message) => {
    const error = await model.attribute(request).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toMatch(message);
    expect((error as InputError).message).not.toContain("\n");
  });

  test("a contrast that is the model's own choice, when no target is named", async () => {
    const { target: chosen } = await model.attribute({
      inputIds: good.inputIds,
      contrast: good.contrast,
      rule: "cplrp",
    });
    const request = { inputIds: good.inputIds, contrast: chosen.id, rule: "cplrp" } as const;
    await expect(model.attribute(request)).rejects.toThrow(/^contrast: .* nothing to contrast/);
  });

  test("weights that are not finite, named by tensor and index", async () => {
    const folder = temporaryFolder();
    for (const file of ["config.json", "model.safetensors"]) {
      Deno.copyFileSync(join(GOLDEN, "qwen3-a", file), join(folder, file));
    }
    const path = join(folder, "model.safetensors");
    const header = openSafetensors(path);
    const tensor = header.tensors.get("model.layers.1.mlp.up_proj.weight");
    header.close();
    const file = Deno.openSync(path, { write: true });
    file.seekSync((tensor?.offset ?? 0) + (3 * 64 + 5) * 4, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(new Float32Array([NaN]).buffer));
    file.close();
    const before = device.allocatedBytes();
    await expect(loadModel(device, folder)).rejects.toThrow(
      /model\.safetensors: tensor model\.layers\.1\.mlp\.up_proj\.weight is not finite at \[3, 5\]; use/,
    );
    expect(device.allocatedBytes(), "nothing stays on the device").toBe(before);
  });

  test("a run that is cancelled stops, and the next one works", async () => {
    const signal = AbortSignal.abort(new Error("cancelled by the user"));
    await expect(model.attribute(good, { signal })).rejects.toThrow("cancelled by the user");
    expect((await model.attribute(good)).inputIds).toEqual(good.inputIds);
  });

  test("memory of a run is given back", async () => {
    await model.attribute(good);
    const before = device.allocatedBytes();
    await model.attribute(good);
    expect(device.allocatedBytes()).toBe(before);
  });
});
