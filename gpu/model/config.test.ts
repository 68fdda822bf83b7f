import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { ARCHITECTURES } from "./architectures.ts";
import { parseConfig } from "./config.ts";
import { plainRotation } from "./rotary.ts";
import { plainFields, TINY_CONFIG } from "../../test/model_folder.ts";

const file = JSON.parse(
  readFileSync(new URL("../../test/data/configs.json", import.meta.url).pathname, "utf8"),
) as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
const configs = Object.fromEntries(Object.entries(file).map(([name, config]) => [name, plainFields(config)]));

describe("real configs", () => {
  test.each(Object.keys(configs).filter((name) => name.startsWith("Qwen/Qwen3")))("%s", (name) => {
    const json = configs[name]!;
    expect(parseConfig(json, "config.json")).toEqual({
      architecture: "qwen3",
      vocabulary: json["vocab_size"],
      hidden: json["hidden_size"],
      layers: json["num_hidden_layers"],
      heads: json["num_attention_heads"],
      keyValueHeads: json["num_key_value_heads"],
      headDimension: json["head_dim"],
      normEpsilon: json["rms_norm_eps"],
      attention: Array(json["num_hidden_layers"] as number).fill({
        window: null,
        rotation: plainRotation(json["rope_theta"] as number, json["head_dim"] as number),
        scale: 1 / Math.sqrt(json["head_dim"] as number),
        cap: null,
      }),
      mlp: Array(json["num_hidden_layers"] as number).fill({
        kind: "gated",
        activation: "silu",
        width: json["intermediate_size"],
      }),
      biases: { queryKeyValue: false, output: false, mlp: false },
      isParallel: false,
      embeddingScale: 1,
      logitCap: null,
      tiedEmbeddings: json["tie_word_embeddings"],
      maxPositions: json["max_position_embeddings"],
      eosIds: [json["eos_token_id"]],
      notes: [],
    });
  });

  test("allenai/Olmo-3-7B-Think: sliding windows three in four, YaRN on full attention only", () => {
    // The data file says layer_types in words; they are what Olmo-3 has when the field is missing.
    const { layer_types: _, ...json } = configs["allenai/Olmo-3-7B-Think"]!;
    const config = parseConfig(json, "config.json");
    expect(config).toMatchObject({ architecture: "olmo3", layers: 32 });
    const scores = { scale: 1 / Math.sqrt(128), cap: null };
    const sliding = { window: 4096, rotation: plainRotation(500_000, 128), ...scores };
    const full = config.attention[3];
    expect(full).toMatchObject({ window: null, rotation: { dimension: 128, attentionFactor: 1.2079441541679836 } });
    expect(full?.rotation.frequencies).not.toEqual(sliding.rotation.frequencies);
    expect(config.attention).toEqual(Array.from({ length: 32 }, (_, layer) => layer % 4 === 3 ? full : sliding));
  });

  test("Qwen/Qwen2-1.5B-Instruct: biases of q, k and v, and no norms of heads", () => {
    const config = parseConfig(configs["Qwen/Qwen2-1.5B-Instruct"], "config.json");
    expect(config).toMatchObject({
      architecture: "qwen2",
      biases: { queryKeyValue: true, output: false, mlp: false },
      headDimension: 128,
      keyValueHeads: 2,
    });
    expect(config.attention.every(({ window }) => window === null)).toBe(true);
  });
});

describe("what nobody understands is refused by name", () => {
  const config = configs["Qwen/Qwen3-0.6B"]!;

  test("a family: which are, and what is missing where that is known", () => {
    const unnamed = { ...config, architectures: undefined };
    const kinds = `use a model of one of: ${ARCHITECTURES.join(", ")}`;
    expect(() => parseConfig({ ...unnamed, model_type: "unheard" }, "config.json")).toThrow(
      `config.json: the architecture "unheard" (model_type) is not supported; ${kinds}`,
    );
    expect(() => parseConfig({ ...unnamed, model_type: "mllama" }, "config.json")).toThrow(
      `the architecture "mllama" (model_type) is not supported: vision and cross attention are not computed; ${kinds}`,
    );
  });

  test("a field; what asks for nothing is not", () => {
    expect(() => parseConfig({ ...config, residual_multiplier: 0.22 }, "config.json")).toThrow(
      "config.json: residual_multiplier 0.22 is not supported; nobody reads this field: remove it, if the model is " +
        "right without it",
    );
    expect(() => parseConfig({ ...config, attention_bias: true }, "config.json")).toThrow(/attention_bias true/);
    const silent = { ...config, use_qk_clip: false, unheard: null, attention_dropout: 0.1, id2label: { 0: "A" } };
    expect(parseConfig(silent, "config.json")).toEqual(parseConfig(config, "config.json"));
  });
});

test("each kind of layer has its own rotation in the style of transformers 5", () => {
  const rotations = {
    full_attention: { rope_type: "yarn", rope_theta: 5e5, factor: 4, original_max_position_embeddings: 64 },
    sliding_attention: { rope_type: "default", rope_theta: 1e4 },
  };
  const { rope_theta: _, rope_scaling: __, ...rest } = TINY_CONFIG;
  const json = {
    ...rest,
    model_type: "olmo3",
    architectures: ["Olmo3ForCausalLM"],
    num_hidden_layers: 2,
    layer_types: ["full_attention", "sliding_attention"],
    sliding_window: 5,
    rope_parameters: rotations,
  };
  const { attention } = parseConfig(json, "config.json");
  expect(attention[1]).toMatchObject({ window: 5, rotation: plainRotation(1e4, 8) });
  expect(attention[0]?.window).toBeNull();
  expect(attention[0]?.rotation.attentionFactor).toBeCloseTo(0.1 * Math.log(4) + 1, 12);
});

test("Qwen3's sliding layers and YaRN are read", () => {
  const sliding = { use_sliding_window: true, sliding_window: 6, max_window_layers: 1 };
  const scaled = { rope_scaling: { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32 } };
  const { attention } = parseConfig({ ...TINY_CONFIG, ...sliding, ...scaled }, "config.json");
  expect(attention.map(({ window }) => window)).toEqual([null, 6]);
  expect(attention[0]?.rotation.attentionFactor).toBeCloseTo(0.1 * Math.log(4) + 1, 12);
  expect(attention[1]?.rotation).toBe(attention[0]?.rotation);
});

test("both styles of transformers say the same", () => {
  const { rope_theta: theta, rope_scaling: _, torch_dtype: dtype, ...rest } = TINY_CONFIG;
  const newer = { ...rest, dtype, rope_parameters: { rope_theta: theta, rope_type: "default" } };
  expect(parseConfig(newer, "config.json")).toEqual(parseConfig(TINY_CONFIG, "config.json"));
});

test("head_dim is hidden / heads, and key-value heads are the heads, where they are missing", () => {
  const { head_dim: _, num_key_value_heads: __, ...rest } = TINY_CONFIG;
  const config = parseConfig(rest, "config.json");
  expect([config.headDimension, config.keyValueHeads]).toEqual([4, 2]);
});

test("the ids that end a generation are those of generation_config.json, where it names any", () => {
  const ends = (own: unknown, named: unknown) => {
    const generation = { json: { eos_token_id: named }, where: "generation_config.json" };
    return parseConfig({ ...TINY_CONFIG, eos_token_id: own }, "config.json", generation).eosIds;
  };
  expect(ends(4, [5, 3])).toEqual([5, 3]);
  expect(ends(4, null)).toEqual([4]);
  expect(ends([4, 4], [])).toEqual([4]);
  expect(parseConfig({ ...TINY_CONFIG, eos_token_id: null }, "config.json").eosIds).toEqual([]);
});

describe("what the engine cannot compute is refused", () => {
  test.each([
    [
      "more layers than any model has",
      { num_hidden_layers: 1e9 },
      /^config\.json: num_hidden_layers is 1000000000; use a model of at most 10000 layers$/,
    ],
    [
      "more heads than any model has",
      { num_attention_heads: 1e9 },
      /^config\.json: num_attention_heads is 1000000000; use a model of at most 1024 heads$/,
    ],
    ["a rope type that is not computed", { rope_scaling: { type: "dynamic", factor: 4 } }, /rope_type "dynamic"/],
    ["a key of a rope block that nobody reads", { rope_scaling: { mscale: 1 } }, /nobody reads the key "mscale"/],
    ["part of a head", { partial_rotary_factor: 0.5 }, /partial_rotary_factor is 0.5, where whole heads turn/],
    ["attention biases", { attention_bias: true }, /attention_bias true is not supported/],
    ["sliding windows of no size", { use_sliding_window: true, max_window_layers: 1 }, /sliding_window is missing/],
    ["layers of no known kind", { layer_types: ["chunked", "chunked"] }, /layer_types .* is not supported/],
    ["too few layer types", { layer_types: ["full_attention"] }, /layer_types .* is not supported; list 2 layers/],
    [
      "another activation",
      { hidden_act: "relu" },
      /hidden_act "relu" is not supported; use a model with hidden_act silu/,
    ],
    ["quantized weights", { quantization_config: { bits: 4 } }, /quantization_config .* is not supported/],
    ["no language model", { architectures: ["Qwen3ForSequenceClassification"] }, /model class .* is not supported/],
    ["no architecture", { model_type: undefined, architectures: undefined }, /architecture null .* is not supported/],
  ])("%s", (_, change, message) => {
    expect(() => parseConfig({ ...TINY_CONFIG, ...change }, "config.json")).toThrow(InputError);
    expect(() => parseConfig({ ...TINY_CONFIG, ...change }, "config.json")).toThrow(message);
  });
});

describe("broken fields are named", () => {
  test.each([
    ["a missing theta", { rope_theta: undefined }, /rope_theta is missing; add rope_theta/],
    [
      "a theta missing for one kind of layer",
      {
        rope_theta: undefined,
        rope_parameters: { full_attention: { rope_theta: 10_000, rope_type: "default" } },
        layer_types: ["full_attention", "sliding_attention"],
        sliding_window: 4,
      },
      /rope_theta is missing/,
    ],
    ["a missing size", { vocab_size: undefined }, /vocab_size is missing; add vocab_size/],
    ["a text for a number", { hidden_size: "8" }, /hidden_size is "8"; use a positive whole number/],
    ["a fraction", { num_hidden_layers: 1.5 }, /num_hidden_layers is 1.5/],
    ["heads that do not divide", { num_attention_heads: 3, num_key_value_heads: 2 }, /not a multiple/],
    ["an odd head", { head_dim: 3 }, /head_dim is 3, where rotary embeddings need an even/],
    ["no head", { head_dim: null, num_attention_heads: 3 }, /head_dim is 2\.66\d+, where/],
    ["a negative epsilon", { rms_norm_eps: -1 }, /rms_norm_eps is -1/],
    ["a flag of text", { tie_word_embeddings: "yes" }, /tie_word_embeddings is "yes"; use true or false/],
    ["an end of text", { eos_token_id: "</s>" }, /eos_token_id is "<\/s>"/],
  ])("%s", (_, change, message) => {
    expect(() => parseConfig({ ...TINY_CONFIG, ...change }, "config.json")).toThrow(InputError);
    expect(() => parseConfig({ ...TINY_CONFIG, ...change }, "config.json")).toThrow(message);
  });
  test("a list", () => expect(() => parseConfig([], "config.json")).toThrow(/config\.json: is not a JSON object/));
});
