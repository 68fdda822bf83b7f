import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { readNumbers } from "./derived_tensor.ts";
import { openModelDirectory } from "./directory.ts";
import { modelPath, parseModelPath } from "./model_path.ts";
import { openSafetensors, tensorOf } from "./safetensors.ts";
import type { ModelTensor } from "./tensor.ts";

// Written by test/reference/lora.py with PEFT.
const DATA = new URL("../../test/data/lora/", import.meta.url).pathname;
const base = join(DATA, "base");

const open = (...adapters: readonly string[]) => openModelDirectory(modelPath({ base, adapters }));

/** Tensors whose numbers differ from the expected ones by more than float32's rounding, and by how much at most. */
function differing(found: ReadonlyMap<string, ModelTensor>, expected: ReadonlyMap<string, ModelTensor>) {
  return [...expected].flatMap(([name, tensor]) => {
    const [one, other] = [readNumbers(found.get(name)!), readNumbers(tensor)];
    const largest = Math.max(...one.map((value, i) => Math.abs(value - other[i]!)));
    return largest <= 2e-6 ? [] : [[name, largest]];
  });
}

test.each(["plain", "stabilised", "whole", "embedding"])(
  "%s: merged as PEFT merges it, and nothing else",
  async (name) => {
    const [model, plain] = [await open(join(DATA, name)), await open()];
    const file = openSafetensors(join(DATA, `merged-${name}.safetensors`));
    const changed = new Map([...file.tensors].map(([tensor, info]) => [tensor, tensorOf(file, info)]));
    expect(changed.size).toBeGreaterThan(1);
    expect(differing(model.tensors, changed)).toEqual([]);
    const others = new Map([...plain.tensors].filter(([tensor]) => !changed.has(tensor)));
    expect(differing(model.tensors, others)).toEqual([]);
    expect([...model.tensors.keys()].sort()).toEqual([...new Set([...changed.keys(), ...others.keys()])].sort());
    [model, plain, file].forEach((opened) => opened.close());
  },
);

test("several are merged in their order", async () => {
  const [model, merged] = [
    await open(join(DATA, "stabilised"), join(DATA, "whole")),
    await openModelDirectory(join(DATA, "merged-both")),
  ];
  expect(differing(model.tensors, merged.tensors)).toEqual([]);
  expect(model.config).toEqual(merged.config);
  expect(model.name).toBe("base+stabilised+whole");
  [model, merged].forEach((opened) => opened.close());
});

test("adapters tell a model from its base, and their order too; the tokenizer is the base's", async () => {
  const paths = [[], ["plain"], ["stabilised"], ["plain", "stabilised"], ["stabilised", "plain"]];
  const hashes = new Set<string>();
  for (const names of paths) {
    const model = await open(...names.map((name) => join(DATA, name)));
    hashes.add(model.hash);
    model.close();
  }
  expect(hashes.size).toBe(paths.length);
});

test("a path names its adapters as the command line does", () => {
  expect(parseModelPath("models/a b")).toEqual({ base: "models/a b", adapters: [] });
  const path = { base: "/m/base", adapters: ["/runs/one", "/runs/two"] };
  expect(modelPath(path)).toBe("/m/base --lora /runs/one --lora /runs/two");
  expect(parseModelPath(modelPath(path))).toEqual(path);
  expect(() => modelPath({ base: "/m/x --lora y", adapters: [] })).toThrow(/rename the folder/);
});

function writeAdapter(folder: string, header: object, dataBytes: number): void {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  writeFileSync(join(folder, "adapter_model.safetensors"), bytes);
}

describe("what is refused, in one line", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "culprit-lora-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const changed = (name: string, changes: object) => {
    cpSync(join(DATA, name), folder, { recursive: true });
    const path = join(folder, "adapter_config.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")) as object, ...changes }));
    return open(folder);
  };

  test.each<[string, string, object, RegExp]>([
    ["DoRA", "dora", {}, /DoRA \(use_dora\) is not supported/],
    ["DoRA whose config does not say so", "dora", { use_dora: false }, /DoRA's .*lora_magnitude_vector/],
    ["another kind of adapter", "plain", { peft_type: "IA3" }, /peft_type "IA3" is not supported/],
    ["a start that changes the model", "plain", { init_lora_weights: "pissa_niter_4" }, /"pissa_niter_4"/],
    ["a field that nobody knows", "plain", { use_new_trick: 3 }, /use_new_trick 3 is not supported/],
    ["biases of its own", "plain", { lora_bias: true }, /lora_bias true/],
    ["an alpha that is no number", "plain", { lora_alpha: "8" }, /lora_alpha is "8"/],
    ["a pattern that is an expression", "plain", { alpha_pattern: { "(a+)+$": 3 } }, /alpha_pattern "\(a\+\)\+\$"/],
  ])("%s", async (_, name, changes, message) => {
    await expect(changed(name, changes)).rejects.toThrow(InputError);
    await expect(changed(name, changes)).rejects.toThrow(message);
  });

  test("an adapter of another model, of another shape, half of one, a model, an empty folder", async () => {
    const other = new URL("../../test/data/golden/qwen3-a", import.meta.url).pathname;
    await expect(openModelDirectory(modelPath({ base: other, adapters: [join(DATA, "plain")] })))
      .rejects.toThrow(/has shape \[4,32\], and the model needs \[4,64\]; give the model that the adapter/);
    await expect(open(base)).rejects.toThrow(/holds a model and no adapter; give it as the model, without --lora/);
    await expect(open(folder)).rejects.toThrow(/adapter_config\.json: there is no such file/);
    cpSync(join(DATA, "plain/adapter_config.json"), join(folder, "adapter_config.json"));
    await expect(open(folder)).rejects.toThrow(/adapter_model\.safetensors: there is no such file/);
    const name = "base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight";
    writeAdapter(folder, { [name]: { dtype: "F32", shape: [1, 1], data_offsets: [0, 4] } }, 4);
    await expect(open(folder)).rejects.toThrow(/without its other half/);
    const otherHalf = name.replace("_A", "_B");
    writeAdapter(folder, {
      [name]: { dtype: "F32", shape: [1, 1], data_offsets: [0, 4] },
      [otherHalf]: { dtype: "F32", shape: [1, 1], data_offsets: [4, 8] },
    }, 8);
    await expect(open(folder)).rejects.toThrow(
      /a tensor model\.layers\.9\.self_attn\.q_proj\.weight, which the model does not/,
    );
    rmSync(join(folder, "adapter_model.safetensors"));
    writeFileSync(join(folder, "adapter_model.bin"), "");
    await expect(open(folder)).rejects.toThrow(/PyTorch's own format .*safe_serialization=True/);
  });
});
