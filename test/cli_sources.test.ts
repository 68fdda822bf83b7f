/** Models from adapters and GGUF files on the command line: what is computed is what the whole float32 folder gives. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Buffer } from "node:buffer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../gpu/mod.ts";
import { sharedEngine } from "./shared_device.ts";
import { readNumbers } from "../gpu/model/derived_tensor.ts";
import { openModelDirectory } from "../gpu/model/directory.ts";
import { culprit, refused } from "./command_line.ts";
import { relativeError } from "./compare.ts";

const DATA = new URL("data/", import.meta.url).pathname;
const LORA = join(DATA, "lora");
/** Largest difference of node relevance, relative to the largest relevance. */
const TOLERANCE = 1e-4;

let folder: string;
let ids: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-sources-"));
  ids = join(folder, "ids.json");
  writeFileSync(ids, JSON.stringify([5, 11, 3, 40, 22, 9, 60]));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Attributed {
  readonly nodeRelevance: readonly (readonly number[])[];
  readonly logitDifference: number;
  readonly target: { readonly id: number };
}

async function attributed(...model: readonly string[]): Promise<Attributed> {
  const args = ["attribute", "--model", ...model, "--ids", ids, "--contrast", "7", "--layers", "--json"];
  const { code, out, err } = await culprit(args);
  expect({ code, err }).toEqual({ code: 0, err: expect.stringMatching(/^(note: .*\n)*$/) });
  return JSON.parse(out) as Attributed;
}

describe("adapters", () => {
  const adapters = ["--lora", join(LORA, "stabilised"), "--lora", join(LORA, "whole")];

  test("node relevance is that of the folder into which PEFT merged them", async () => {
    const [found, merged, base] = [
      await attributed(join(LORA, "base"), ...adapters),
      await attributed(join(LORA, "merged-both")),
      await attributed(join(LORA, "base")),
    ];
    expect(found.target.id).toBe(merged.target.id);
    expect(relativeError(found.nodeRelevance.flat(), merged.nodeRelevance.flat())).toBeLessThan(TOLERANCE);
    // The adapters do change what the model says.
    expect(relativeError(base.nodeRelevance.flat(), merged.nodeRelevance.flat())).toBeGreaterThan(0.1);
  });

  test("inspect, generate and plan take them too", async () => {
    const model = [join(LORA, "base"), ...adapters];
    const { out: inspected } = await culprit(["inspect", ...model, "--json"]);
    const names = (JSON.parse(inspected) as { tensors: { name: string }[] }).tensors.map(({ name }) => name);
    expect(names).toContain("lm_head.weight");
    const run = async (path: readonly string[]) => {
      const { out } = await culprit(["generate", "--model", ...path, "--ids", ids, "--max-tokens", "4", "--json"]);
      return (JSON.parse(out) as { ids: number[] }).ids;
    };
    expect(await run(model)).toEqual(await run([join(LORA, "merged-both")]));
    const planned = await culprit([
      "plan",
      "attribute",
      "--model",
      ...model,
      "--ids",
      ids,
      "--contrast",
      "7",
      "--json",
    ]);
    expect((JSON.parse(planned.out) as { fits: boolean }).fits).toBe(true);
  });

  test("a folder that is no adapter is one line", async () => {
    await refused(["inspect", join(LORA, "base"), "--lora", join(LORA, "dora")], /dora\/adapter_config\.json: DoRA/);
    await refused(["inspect", join(LORA, "base"), "--lora", folder], /adapter_config\.json: there is no such file/);
  });
});

/** A float32 folder of the numbers that a GGUF file stands for (they are the gguf package's: gguf/families.test.ts). */
async function float32Folder(name: string): Promise<string> {
  const model = await openModelDirectory(join(DATA, `gguf/${name}.gguf`));
  const directory = join(folder, name);
  mkdirSync(directory);
  const golden = JSON.parse(readFileSync(join(DATA, "gguf/families.json"), "utf8")) as Record<
    string,
    { config: object }
  >;
  writeFileSync(join(directory, "config.json"), JSON.stringify(golden[name]!.config));
  const parts: Uint8Array[] = [];
  const header: Record<string, object> = {};
  let at = 0;
  for (const tensor of model.tensors.values()) {
    const bytes = new Uint8Array(readNumbers(tensor).buffer);
    header[tensor.info.name] = { dtype: "F32", shape: tensor.info.shape, data_offsets: [at, at += bytes.length] };
    parts.push(bytes);
  }
  model.close();
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
  writeFileSync(join(directory, "model.safetensors"), Buffer.concat([length, text, ...parts]));
  return directory;
}

describe("GGUF files", () => {
  // One engine for all: they share most kernels.
  let engine: Engine;
  beforeAll(async () => {
    engine = await sharedEngine();
  });

  async function nodeRelevance(path: string): Promise<Float32Array> {
    const model = await engine.loadModel(path);
    const { nodeRelevance } = await model.attribute({
      inputIds: [5, 11, 3, 40, 22, 9, 60],
      target: 17,
      contrast: 7,
      rule: "attnlrp",
    });
    model.dispose();
    return nodeRelevance;
  }

  test.each(["llama", "llama-q4_0", "llama-q4_1", "llama-q5_0", "llama-q5_1", "llama-mixed", "qwen3moe", "gemma2"])(
    "%s: node relevance is that of the float32 folder made of it",
    async (name) => {
      const found = await nodeRelevance(join(DATA, `gguf/${name}.gguf`));
      const whole = await nodeRelevance(await float32Folder(name));
      expect(relativeError(found, whole)).toBeLessThan(TOLERANCE);
    },
  );

  test("inspect shows the config and the tensors as they are stored", async () => {
    const { code, out } = await culprit(["inspect", join(DATA, "gguf/llama-mixed.gguf"), "--json"]);
    const inspected = JSON.parse(out) as { config: { model_type: string }; tensors: { name: string; dtype: string }[] };
    expect({ code, type: inspected.config.model_type }).toEqual({ code: 0, type: "llama" });
    const dtypes = Object.fromEntries(inspected.tensors.map(({ name, dtype }) => [name.split(".").at(-2), dtype]));
    expect(dtypes).toMatchObject({
      q_proj: "Q4_0",
      k_proj: "Q5_1",
      v_proj: "F16",
      gate_proj: "BF16",
      down_proj: "Q8_0",
    });
  });

  test("tokenize, generate and plan take one", async () => {
    const model = join(DATA, "gguf/llama.gguf");
    const tokens = await culprit(["tokenize", "--model", model, "--json"], ['{"text":"ab"}\n']);
    expect(JSON.parse(tokens.out)).toEqual({ ids: [64, 65], tokens: ["a", "b"] });
    const made = await culprit(["generate", "--model", model, "--prompt", "ab", "--max-tokens", "3", "--json"]);
    expect((JSON.parse(made.out) as { ids: number[] }).ids.length).toBeGreaterThan(0);
    const planned = await culprit(["plan", "attribute", "--model", model, "--ids", ids, "--contrast", "7", "--json"]);
    expect((JSON.parse(planned.out) as { fits: boolean }).fits).toBe(true);
  });

  test("what is no GGUF file is one line", async () => {
    const path = join(folder, "page.gguf");
    writeFileSync(path, "<!doctype html>");
    await refused(["inspect", path], /page\.gguf: is not a GGUF file; give a \.gguf file/);
  });
});
