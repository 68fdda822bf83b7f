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
import { sharedDevice } from "../../test/shared_device.ts";
import {
  type AttributionRequest,
  type AttributionResult,
  type LoadedModel,
  type RelevanceResult,
  RULES,
  type SeedRequest,
  type SeedResult,
  type SeedTerm,
} from "../engine.ts";
import { InputError } from "../errors.ts";
import { loadModel } from "../loaded_model.ts";
import { openSafetensors } from "../model/safetensors.ts";

const GOLDEN = join(import.meta.dirname as string, "..", "..", "test", "data", "golden");
let device: Device;
const folders: string[] = [];

beforeAll(async () => {
  device = await sharedDevice();
});
afterAll(() => {
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
/** By autograd through transformers' modules: test/reference/absorbed.py. */
const ABSORBED = JSON.parse(
  Deno.readTextFileSync(join(import.meta.dirname as string, "..", "..", "test", "data", "absorbed.json")),
) as Record<string, number>;
const nodeLayer = ({ nodeRelevance, inputIds }: RelevanceResult, layer: number) =>
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

test.each(Object.entries(ABSORBED))(
  "%s: what CP-LRP leaves of delta is what biases and positions absorb",
  async (name, absorbed) => {
    const golden = readGolden(name);
    const model = await loadModel(device, join(GOLDEN, name));
    const result = await model.attribute(requestOf(golden, "cplrp"));
    const largest = Math.max(...nodeLayer(result, 0).map(Math.abs));
    const left = result.logitDifference - sum(nodeLayer(result, 0));
    expect(Math.abs(left - absorbed) / largest).toBeLessThan(1e-4);
    model.dispose();
  },
);

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

/** A random model's config, and what holds of it. */
interface RandomShape {
  readonly config: Readonly<Record<string, unknown>>;
  readonly dtype: "F32" | "BF16";
  /** No bias, learned position or cap of logits stands in the way of CP-LRP's sum. */
  readonly conserves: boolean;
}

/** Sizes in the order: hidden, MLP, layers, heads, heads of keys, dimensions of a head, vocabulary. */
function shapeOf(
  type: string,
  [hidden, intermediate, layers, heads, keyHeads, head, vocabulary]: readonly number[],
  { dtype = "F32", conserves = true, ...more }: Partial<Omit<RandomShape, "config">> & Record<string, unknown>,
): RandomShape {
  const config = {
    model_type: type,
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyHeads,
    head_dim: head,
    vocab_size: vocabulary,
    max_position_embeddings: 256,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
    ...more,
  };
  return { config, dtype, conserves };
}

const YARN = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32 };
const LLAMA3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 16,
};
const LONG = { rope_type: "longrope", short_factor: [1, 1.5], long_factor: [2, 6] };

/** Odd sizes, grouped heads, both embeddings, both dtypes; every kind of the table in docs/method.md section 11. */
const SHAPES: readonly RandomShape[] = [
  shapeOf("olmo3", [28, 37, 5, 4, 2, 16, 33], { sliding_window: 9, rope_scaling: YARN }),
  shapeOf("qwen3", [20, 27, 3, 3, 1, 8, 37], { tie_word_embeddings: true }),
  shapeOf("qwen3", [33, 50, 2, 4, 2, 16, 50], { dtype: "BF16" }),
  shapeOf("qwen3", [48, 31, 2, 2, 2, 24, 21], {}),
  shapeOf("llama", [30, 26, 3, 3, 3, 10, 40], { rope_scaling: LLAMA3 }),
  shapeOf("llama", [26, 21, 2, 4, 2, 12, 31], {
    attention_bias: true,
    mlp_bias: true,
    conserves: false,
    dtype: "BF16",
  }),
  shapeOf("mistral", [22, 30, 3, 2, 1, 14, 29], { sliding_window: 5 }),
  shapeOf("qwen2", [24, 33, 3, 3, 1, 8, 35], { conserves: false, tie_word_embeddings: true }),
  shapeOf("smollm3", [28, 30, 4, 4, 2, 6, 33], { no_rope_layer_interval: 2 }),
  shapeOf("phi3", [36, 25, 2, 3, 1, 12, 30], {
    partial_rotary_factor: 0.4,
    rope_scaling: LONG,
    original_max_position_embeddings: 32,
  }),
  shapeOf("olmo2", [26, 29, 3, 3, 1, 10, 27], {}),
  shapeOf("gemma2", [30, 34, 4, 2, 1, 12, 32], {
    rms_norm_eps: 1e-6,
    query_pre_attn_scalar: 20,
    attn_logit_softcapping: 3,
    final_logit_softcapping: 5,
    sliding_window: 6,
    conserves: false,
  }),
  shapeOf("gemma3_text", [22, 27, 4, 3, 1, 10, 34], {
    query_pre_attn_scalar: 15,
    sliding_window: 5,
    sliding_window_pattern: 3,
    rope_scaling: { rope_type: "linear", factor: 4 },
  }),
  shapeOf("qwen3_moe", [26, 21, 3, 2, 1, 10, 28], {
    num_experts: 5,
    num_experts_per_tok: 2,
    moe_intermediate_size: 11,
    mlp_only_layers: [1],
    norm_topk_prob: false,
  }),
  shapeOf("qwen3_moe", [24, 20, 2, 2, 2, 8, 28], {
    num_experts: 4,
    num_experts_per_tok: 3,
    moe_intermediate_size: 18,
    norm_topk_prob: true,
    dtype: "BF16",
  }),
  {
    config: { model_type: "gpt2", n_embd: 30, n_head: 3, n_layer: 3, n_inner: 34, n_positions: 64, vocab_size: 31 },
    dtype: "F32",
    conserves: false,
  },
  {
    config: {
      model_type: "gpt_neox",
      hidden_size: 40,
      intermediate_size: 27,
      num_hidden_layers: 3,
      num_attention_heads: 4,
      vocab_size: 36,
      rotary_pct: 0.4,
      max_position_embeddings: 64,
    },
    dtype: "BF16",
    conserves: false,
  },
  {
    config: {
      model_type: "gpt_neox",
      hidden_size: 36,
      intermediate_size: 30,
      num_hidden_layers: 2,
      num_attention_heads: 3,
      vocab_size: 25,
      rotary_pct: 1,
      use_parallel_residual: false,
      max_position_embeddings: 64,
    },
    dtype: "F32",
    conserves: false,
  },
];

function randomModel({ config, dtype }: RandomShape, seed: number): string {
  const folder = temporaryFolder();
  writeRandomModel(folder, config, { dtype, seed });
  return folder;
}

const named = SHAPES.map((shape, index) => [`${shape.config["model_type"]} ${index}, ${shape.dtype}`, shape] as const);

describe.each(named)(
  "identities of %s",
  (_name, shape) => {
    const vocabulary = shape.config["vocab_size"] as number;
    const seed = (shape.config["hidden_size"] ?? shape.config["n_embd"]) as number;
    const random = seededRandom(seed);
    const ids = (length: number) => Array.from({ length }, () => random.integer(0, vocabulary - 1));
    const request = (length: number, rule: AttributionRequest["rule"]): AttributionRequest => {
      const target = random.integer(0, vocabulary - 2);
      return { inputIds: ids(length), target, contrast: target + 1, rule };
    };
    let directory: string;
    let model: LoadedModel;
    beforeAll(async () => {
      directory = randomModel(shape, seed);
      model = await loadModel(device, directory);
    });

    test.runIf(shape.conserves).each([1, 2, 17, 45])(
      "CP-LRP relevance sums to delta at every node layer, %i tokens",
      async (length) => {
        const result = await model.attribute(request(length, "cplrp"));
        for (let layer = 0; layer <= result.layers; layer++) {
          const relevance = nodeLayer(result, layer);
          const scale = Math.max(...relevance.map(Math.abs), Math.abs(result.logitDifference));
          expect(Math.abs(sum(relevance) - result.logitDifference) / scale, `layer ${layer}`).toBeLessThan(1e-4);
        }
      },
    );

    test.each(["attnlrp", "cplrp"] as const)(
      "columns of every transition sum to the source's relevance, %s",
      async (rule) => {
        for (const [length, transitions] of [[37, undefined], [20, [0, model.config.layers]]] as const) {
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
        const contrast = random.integer(0, vocabulary - 1);
        const rule = RULES[index % 3] as AttributionRequest["rule"];
        const inputIds = prompt.slice(0, [50, 50, 50, 34, 17, 16, 1, 49, 50][index]);
        return { inputIds, contrast, rule, ...(index === 0 ? {} : { target: (contrast + 1) % vocabulary }) };
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

    const term = (tokens: number): SeedTerm => {
      const target = random.integer(0, vocabulary - 2);
      const contrast = ([target + 1, "mean", null] as const)[random.integer(0, 2)] ?? null;
      return { position: random.integer(0, tokens - 1), target, contrast, factor: random.integer(-8, 8) / 4 || 1 };
    };
    const terms = (count: number, tokens: number) => Array.from({ length: count }, () => term(tokens));

    test.each(RULES)("a seed's relevance and value are the sums of its terms', %s", async (rule) => {
      const inputIds = ids(41);
      const seed = terms(6, 37);
      const parts = seed.map((one): SeedRequest => ({ inputIds, seed: [one], rule }));
      const [whole, ...single] = await model.attributeSeeds([{ inputIds, seed, rule }, ...parts]) as [
        SeedResult,
        ...SeedResult[],
      ];
      const sums = Float64Array.from(
        whole.nodeRelevance,
        (_, at) => single.reduce((all, { nodeRelevance }) => all + (nodeRelevance[at] as number), 0),
      );
      // Each term's rounding is relative to its own largest.
      const scale = single.reduce((all, { nodeRelevance }) => all + Math.max(...nodeRelevance.map(Math.abs)), 0);
      whole.nodeRelevance.forEach((value, at) =>
        expect(Math.abs(value - (sums[at] as number)) / scale).toBeLessThan(1e-6)
      );
      expect(whole.value).toBeCloseTo(single.reduce((all, { value }) => all + value, 0), 5);
      // Nothing behind the last position that is read.
      for (let layer = 0; layer <= whole.layers; layer++) {
        const behind = nodeLayer(whole, layer).slice(Math.max(...seed.map(({ position }) => position)) + 1);
        expect(behind.every((value) => value === 0)).toBe(true);
      }
    });

    test("seeds of one sequence, of its beginnings and of others are packed and give what each gives alone", async () => {
      const trace = ids(50);
      const requests = [50, 50, 34, 50, 17].map((length, index): SeedRequest => ({
        inputIds: trace.slice(0, length),
        seed: terms(index + 1, length),
        rule: RULES[index % 3] as SeedRequest["rule"],
      }));
      requests.push({ inputIds: ids(23), seed: terms(4, 23), rule: "attnlrp" });
      requests.push({ inputIds: ids(12), seed: terms(2, 12), rule: "attnlrp" });
      const frugal = await loadModel(device, directory, { keepBytes: 0 });
      for (const loaded of [model, frugal]) {
        const packed = await loaded.attributeSeeds(requests);
        for (const [index, one] of requests.entries()) {
          const [{ seconds: _, ...alone }] = await loaded.attributeSeeds([one]) as [SeedResult];
          const { seconds: __, ...found } = packed[index] as SeedResult;
          expect(found, `request ${index}`).toEqual(alone);
        }
      }
      frugal.dispose();
    });

    test.each(RULES)("a token pair is a seed of one term at the last position, to the last bit, %s", async (rule) => {
      const pair = request(26, rule);
      const { inputIds, target, contrast } = pair;
      const seed = [{ position: 25, target: target as number, contrast, factor: 1 }];
      const [found] = await model.attributeSeeds([{ inputIds, seed, rule }]) as [SeedResult];
      const alone = await model.attribute(pair);
      expect(found.nodeRelevance).toEqual(alone.nodeRelevance);
      expect(found.value).toBe(alone.logitDifference);
    });

    test("against the mean is against every token, an equal share each", async () => {
      const inputIds = ids(19);
      const logits = await model.logits(inputIds);
      const mean = logits.reduce((all, logit) => all + logit, 0) / vocabulary;
      const shares = Array.from({ length: vocabulary }, (_, contrast) => contrast).filter((contrast) => contrast !== 5)
        .map((contrast): SeedTerm => ({ position: 18, target: 5, contrast, factor: 1 / vocabulary }));
      const [found, spelled] = await model.attributeSeeds([
        { inputIds, seed: [{ position: 18, target: 5, contrast: "mean", factor: 1 }], rule: "attnlrp" },
        { inputIds, seed: shares, rule: "attnlrp" },
      ]) as [SeedResult, SeedResult];
      expect(relativeError(found.nodeRelevance, spelled.nodeRelevance)).toBeLessThan(1e-5);
      expect(Math.abs(found.value - ((logits[5] as number) - mean))).toBeLessThan(
        1e-5 * Math.max(...logits.map(Math.abs)),
      );
      expect(found.terms[0]?.contrastLogit).toBeCloseTo(mean, 5);
    });

    test.each(RULES)("the graph of a seed: its columns sum to the seed's relevance, %s", async (rule) => {
      const inputIds = ids(22);
      const seed = terms(3, 22);
      const everything = { mass: 1, minRelevance: 0, reach: "all" } as const;
      const graph = await model.graphOfSeed({ inputIds, seed, rule, ...everything });
      const [alone] = await model.attributeSeeds([{ inputIds, seed, rule }]) as [SeedResult];
      expect(graph.nodeRelevance).toEqual(alone.nodeRelevance);
      for (const { source, columnError } of graph.transitions) {
        expect(columnError, `from layer ${source}`).toBeLessThan(1e-4);
      }
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

  const term: SeedTerm = { position: 1, target: 5, contrast: "mean", factor: 1 };
  test.each<[string, readonly SeedTerm[], RegExp]>([
    ["no terms", [], /^seed: the seed has no terms; name/],
    ["a position that is not there", [term, { ...term, position: 3 }], /^seed\[1\]\.position: there is no position 3/],
    ["a position that is not whole", [{ ...term, position: 0.5 }], /^seed\[0\]\.position: there is no position 0\.5/],
    ["a target past the vocabulary", [{ ...term, target: 512 }], /^seed\[0\]\.target: token id 512 .*; use/],
    ["a contrast past the vocabulary", [{ ...term, contrast: -3 }], /^seed\[0\]\.contrast: token id -3 .*; use/],
    ["the same token twice", [{ ...term, contrast: 5 }], /^seed\[0\]\.contrast: .* same token 5; name/],
    ["a factor that is not finite", [{ ...term, factor: NaN }], /^seed\[0\]\.factor: NaN is no factor; use/],
  ])("a seed with %s", async (_, seed, message) => {
    const request: SeedRequest = { inputIds: [3, 4, 6], seed, rule: "attnlrp" };
    for (const asked of [model.graphOfSeed(request), model.attributeSeeds([request])]) {
      const error = await asked.catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(InputError);
      expect((error as InputError).message).toMatch(message);
    }
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
