/** Rotations against those of transformers (test/reference/rotary.py). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import { InputError } from "../errors.ts";
import { rotationAngles } from "../kernels/rotate.ts";
import type { JsonObject } from "./json.ts";
import { COMMON_ROTARY, frequenciesFor, LAYER_TYPES, readRotations, type RotaryRow, type Rotation } from "./rotary.ts";

interface Row {
  readonly name: string;
  readonly json: JsonObject;
  readonly rotations: Readonly<Record<string, Pick<Rotation, "frequencies" | "attentionFactor"> & Partial<Rotation>>>;
}
const rows: readonly Row[] = JSON.parse(readFileSync(new URL("../../test/data/rotary.json", import.meta.url), "utf8"));

const FAMILIES: Readonly<Record<string, RotaryRow>> = {
  phi3: { ...COMMON_ROTARY, share: { field: "partial_rotary_factor", fallback: 1 } },
  olmo3: { ...COMMON_ROTARY, sliding: "plain" },
  gemma3_text: {
    ...COMMON_ROTARY,
    theta: { field: "rope_theta", fallback: 1e6 },
    sliding: { field: "rope_local_base_freq", fallback: 1e4 },
  },
  gpt_neox: {
    theta: { field: "rotary_emb_base", fallback: 1e4 },
    share: { field: "rotary_pct", fallback: 0.25 },
    sliding: "same",
  },
};

function read(json: JsonObject) {
  const number = (name: string) => json[name] as number;
  return readRotations({
    json,
    where: "config.json",
    row: FAMILIES[json["model_type"] as string] ?? COMMON_ROTARY,
    headDimension: json["head_dim"] === undefined
      ? number("hidden_size") / number("num_attention_heads")
      : number("head_dim"),
    maxPositions: number("max_position_embeddings"),
  });
}

/** Each within two units in the last place of float32. */
function near(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, pair) =>
    expect(Math.abs(value / (expected[pair] as number) - 1), `pair ${pair}`).toBeLessThan(2.4e-7)
  );
}

describe("frequencies and factor are those of transformers", () => {
  test.each(rows)("$name", ({ json, rotations }) => {
    const { ofType } = read(json);
    for (const type of LAYER_TYPES) {
      const expected = rotations[type] ?? rotations["all"]!;
      const { dimension, frequencies, attentionFactor, long } = ofType[type];
      expect(dimension).toBe(2 * expected.frequencies.length);
      near(frequencies, expected.frequencies);
      expect(attentionFactor).toBeCloseTo(expected.attentionFactor, 12);
      expect(long?.beyond).toBe(expected.long?.beyond);
      if (expected.long) near(long!.frequencies, expected.long.frequencies);
    }
    if (rotations["all"]) expect(ofType.sliding_attention).toBe(ofType.full_attention);
  });
});

const row = (name: string) => rows.find((one) => one.name === name)!.json;

test("Olmo-3's flat block of transformers 5.0.0 stretches full attention only (allenai/OLMo-core#685)", () => {
  const nested = row("Olmo-3, transformers 5");
  const { full_attention: flat } = nested["rope_parameters"] as Readonly<Record<string, JsonObject>>;
  expect(read({ ...nested, rope_parameters: flat })).toEqual(read(nested));
});

test("early Phi-3 files call longrope su or yarn", () => {
  const json = row("Phi-3 long");
  const block = json["rope_scaling"] as JsonObject;
  for (const type of ["su", "yarn"]) expect(read({ ...json, rope_scaling: { ...block, type } })).toEqual(read(json));
});

test("longrope turns a whole context by the factors of its length", () => {
  const { ofType: { full_attention: rotation } } = read(row("Phi-3 long"));
  expect(frequenciesFor(rotation, 4096)).toBe(rotation.frequencies);
  expect(frequenciesFor(rotation, 4097)).toBe(rotation.long!.frequencies);
  const { ofType: { full_attention: plain } } = read(row("default, transformers 4"));
  expect(frequenciesFor(plain, 100_000)).toBe(plain.frequencies);
});

test("attn_factor is said, with what vLLM makes of it", () => {
  expect(read(row("yarn with attn_factor")).notes).toEqual([
    "config.json (rope_scaling): attn_factor 0.8782488562869419 is not read, as in transformers; " +
    'vLLM reads it: for its numbers add "attention_factor": 1',
  ]);
  expect(read(row("yarn")).notes).toEqual([]);
});

test("cosines and sines carry the attention factor", () => {
  const { ofType: { full_attention: rotation } } = read(row("yarn"));
  const [stretched, flat] = [rotation, { ...rotation, attentionFactor: 1 }]
    .map((one) => rotationAngles([0, 1, 777], one, rotation.dimension, [778, 778, 778])) as [
      Float32Array,
      Float32Array,
    ];
  expect(relativeError(stretched, flat.map((value) => value * rotation.attentionFactor))).toBeLessThan(2e-7);
});

describe("what is not computed, and what nobody reads, is refused", () => {
  const json = row("default, transformers 4");
  const longrope = { rope_type: "longrope", original_max_position_embeddings: 64 };
  test.each([
    ["dynamic", { rope_scaling: { type: "dynamic", factor: 2 } }, /"dynamic", whose frequencies change with every/],
    [
      "an unknown type",
      { rope_parameters: { rope_type: "wavy" } },
      /\(rope_parameters\): rope_type "wavy" is not supp/,
    ],
    ["a type that is no text", { rope_scaling: { rope_type: 3 } }, /rope_type 3 is not supported/],
    ["no object", { rope_scaling: 4 }, /rope_scaling 4 is not supported; use a JSON object/],
    ["an unknown key", { rope_scaling: { type: "linear", factor: 2, mrope_section: [1] } }, /the key "mrope_section"/],
    [
      "a key of another type",
      { rope_parameters: { factor: 2 } },
      /key "factor" \(2\); remove it, if rope_type default/,
    ],
    [
      "a stray key beside blocks",
      { rope_parameters: { full_attention: {}, factor: 2 } },
      /key "factor" \(2\); keep one/,
    ],
    [
      "two blocks",
      { rope_scaling: { type: "linear", factor: 2 }, rope_parameters: { rope_type: "yarn" } },
      /keep one of/,
    ],
    [
      "YaRN without its range",
      { rope_scaling: { type: "yarn", factor: 4 } },
      /original_max_position_embeddings is miss/,
    ],
    ["no factor", { rope_scaling: { type: "linear" } }, /factor is missing/],
    [
      "factors of the wrong length",
      { rope_scaling: { ...longrope, short_factor: [1] } },
      /short_factor is a list of 1/,
    ],
    [
      "factors that are none",
      { rope_scaling: { ...longrope, short_factor: 3 } },
      /short_factor is 3; list 32 positive/,
    ],
    ["a share where whole heads turn", { partial_rotary_factor: 0.5 }, /partial_rotary_factor is 0.5, where whole/],
    ["an odd share", { model_type: "phi3", partial_rotary_factor: 0.05 }, /3 of a head's 64 dimensions turn \(partial/],
    ["no share", { model_type: "phi3", partial_rotary_factor: 0.01 }, /0 of a head's 64 dimensions turn/],
    ["more than a head", { model_type: "phi3", partial_rotary_factor: 2 }, /128 of a head's 64 dimensions turn/],
    ["a base of text", { rope_theta: "x" }, /rope_theta is "x"; use a positive number/],
    [
      "a range of frequencies upside down",
      { rope_scaling: { ...(row("llama3, transformers 4")["rope_scaling"] as JsonObject), low_freq_factor: 4 } },
      /high_freq_factor 4 is not above low_freq_factor 4/,
    ],
  ])("%s", (_, change, message) => {
    expect(() => read({ ...json, ...change })).toThrow(InputError);
    expect(() => read({ ...json, ...change })).toThrow(message);
  });
  test("a missing base", () => {
    const { rope_theta: _, ...rest } = json;
    expect(() => read(rest)).toThrow(/rope_theta is missing/);
  });
  test("keys that are null, and one block beside an equal base, are fine", () => {
    const { rope_theta: theta, ...rest } = json;
    const block = { rope_type: "linear", factor: 2, attention_factor: null };
    expect(read({ ...rest, rope_parameters: { rope_theta: theta, rope_type: "default" }, rope_scaling: block }))
      .toEqual(read({ ...json, rope_scaling: block }));
  });
});
