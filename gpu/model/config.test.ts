import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { parseConfig } from "./config.ts";
import { TINY_CONFIG } from "./testing.ts";

const configs = JSON.parse(
  readFileSync(new URL("../../test/data/configs.json", import.meta.url).pathname, "utf8"),
) as Readonly<Record<string, Readonly<Record<string, unknown>>>>;

describe("real configs", () => {
  test.each(Object.keys(configs).filter((name) => name.startsWith("Qwen/Qwen3")))("%s", (name) => {
    const json = configs[name]!;
    expect(parseConfig(json, "config.json")).toEqual({
      architecture: "qwen3",
      vocabulary: json["vocab_size"],
      hidden: json["hidden_size"],
      intermediate: json["intermediate_size"],
      layers: json["num_hidden_layers"],
      heads: json["num_attention_heads"],
      keyValueHeads: json["num_key_value_heads"],
      headDimension: json["head_dim"],
      normEpsilon: json["rms_norm_eps"],
      ropeTheta: json["rope_theta"],
      tiedEmbeddings: json["tie_word_embeddings"],
      maxPositions: json["max_position_embeddings"],
      eosIds: [json["eos_token_id"]],
    });
  });

  test.each(["Qwen/Qwen2-1.5B-Instruct", "allenai/Olmo-3-7B-Think"])("%s is refused by its architecture", (name) => {
    const type = String(configs[name]!["model_type"]);
    expect(() => parseConfig(configs[name], "config.json")).toThrow(
      `config.json: the architecture "${type}" (model_type) is not supported; use a model of one of: qwen3`,
    );
  });
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

test("the ids that end a generation are merged", () => {
  const generation = { json: { eos_token_id: [5, 3] }, where: "generation_config.json" };
  expect(parseConfig({ ...TINY_CONFIG, eos_token_id: 3 }, "config.json", generation).eosIds).toEqual([5, 3]);
  expect(parseConfig({ ...TINY_CONFIG, eos_token_id: null }, "config.json").eosIds).toEqual([]);
});

describe("what the engine cannot compute is refused", () => {
  test.each([
    ["YaRN", { rope_scaling: { rope_type: "yarn", factor: 4 } }, /rope_scaling .*yarn.* is not supported/],
    ["YaRN in the older style", { rope_scaling: { type: "yarn", factor: 4 } }, /rope_scaling .* is not supported/],
    ["YaRN in the newer style", { rope_parameters: { rope_type: "yarn" } }, /rope_parameters .* is not supported/],
    [
      "partial rotary embeddings",
      { rope_parameters: { partial_rotary_factor: 0.5 } },
      /rope_parameters .* not supported/,
    ],
    ["attention biases", { attention_bias: true }, /attention_bias true is not supported/],
    ["sliding windows", { use_sliding_window: true }, /use_sliding_window true is not supported/],
    ["sliding layers", { layer_types: ["sliding_attention"] }, /layer_types .* is not supported/],
    [
      "another activation",
      { hidden_act: "gelu" },
      /hidden_act "gelu" is not supported; use a model with hidden_act silu/,
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
      "a theta for each kind of layer",
      { rope_theta: undefined, rope_parameters: { full_attention: { rope_theta: 10_000, rope_type: "default" } } },
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
