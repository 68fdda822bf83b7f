import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { openModelDirectory } from "./directory.ts";
import { TINY_CONFIG, tinyTensors, writeTinyModel, writeTinyTokenizer } from "../../test/model_folder.ts";

let folder: string;
let count = 0;
const fresh = () => join(folder, `model-${++count}`);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-directory-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const refused = async (directory: string, message: RegExp) => {
  await expect(openModelDirectory(directory)).rejects.toThrow(InputError);
  await expect(openModelDirectory(directory)).rejects.toThrow(message);
};

describe("a whole model", () => {
  test("has its name, config, tensors and the number of its parameters", async () => {
    const path = writeTinyModel(fresh());
    const model = await openModelDirectory(path);
    // Counted by hand: embeddings 12*8; a layer 8 + 16*8 + 2*(8*8) + 8 + 8 + 8*16 + 8 + 3*(6*8); the last norm 8.
    expect(model.parameters).toBe(96 + 2 * 560 + 8);
    expect(model.name).toBe(`model-${count}`);
    expect(model.directory).toBe(path);
    expect(model.config.layers).toBe(2);
    expect(model.configJson).toEqual(TINY_CONFIG);
    expect(model.files).toHaveLength(1);
    expect(model.tensor("model.norm.weight").info.shape).toEqual([8]);
    expect(() => model.tensor("lm_head.weight")).toThrow(RangeError);
    expect(model.tokenizerHash).toBeNull();
    model.close();
  });

  test("in shards is the same model as in one file", async () => {
    const whole = await openModelDirectory(writeTinyModel(fresh(), { tensors: tinyTensors().toReversed() }));
    const order = await openModelDirectory(writeTinyModel(fresh()));
    expect(order.parameters).toBe(whole.parameters);
    const sharded = await openModelDirectory(writeTinyModel(fresh(), { shards: 3 }));
    expect(sharded.parameters).toBe(whole.parameters);
    expect(sharded.files).toHaveLength(3);
    const bytes = new Uint8Array(4);
    for (const { name } of tinyTensors()) {
      const { readInto, info } = sharded.tensor(name);
      expect(info.shape).toEqual(whole.tensor(name).info.shape);
      sharded.readInto(name, 4, bytes);
      const direct = new Uint8Array(4);
      readInto(4, direct);
      expect(bytes).toEqual(direct);
    }
    for (const model of [whole, order, sharded]) model.close();
  });

  test("the hash tells apart configs and weights, and not how weights are cut", async () => {
    const hash = async (
      ...options: Parameters<typeof writeTinyModel> extends [string, ...infer Rest] ? Rest : never
    ) => {
      const model = await openModelDirectory(writeTinyModel(fresh(), ...options));
      model.close();
      return model.hash;
    };
    const first = await hash();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await hash()).toBe(first);
    expect(await hash({ seed: 2 })).not.toBe(first);
    expect(await hash({ config: { ...TINY_CONFIG, rope_theta: 20_000 } })).not.toBe(first);
    expect(await hash({ tensors: tinyTensors().map((tensor) => ({ ...tensor, dtype: "BF16" })) })).not.toBe(first);
    // One shard holds the same bytes as one file.
    expect(await hash({ shards: 1 })).toBe(first);
  });

  test("a tokenizer is hashed by itself", async () => {
    const path = writeTinyModel(fresh());
    writeTinyTokenizer(path);
    const model = await openModelDirectory(path);
    expect(model.tokenizerHash).toMatch(/^[0-9a-f]{64}$/);
    model.close();
  });

  test("untied embeddings need lm_head", async () => {
    const config = { ...TINY_CONFIG, tie_word_embeddings: false };
    await refused(writeTinyModel(fresh(), { config }), /tensor lm_head\.weight of shape \[12,8\] is missing/);
    const model = await openModelDirectory(writeTinyModel(fresh(), { config, tensors: tinyTensors(config) }));
    model.close();
  });
});

describe("a model that is not whole is refused by file", () => {
  test("no folder, a file, no config, broken config", async () => {
    await refused(join(folder, "nowhere"), /nowhere: there is no such folder; give/);
    const path = fresh();
    writeFileSync(path, "");
    await refused(path, /is not a folder; give the model directory/);
    const empty = fresh();
    mkdirSync(empty);
    await refused(empty, /config\.json: there is no such file; download it/);
    writeFileSync(join(empty, "config.json"), '{\n"model_type": qwen3\n}');
    await refused(empty, /config\.json:2: is not valid JSON: .*; correct/);
    writeFileSync(join(empty, "config.json"), JSON.stringify(TINY_CONFIG));
    await refused(empty, /model\.safetensors: there is no such file, nor model\.safetensors\.index\.json beside it/);
    writeFileSync(join(empty, "generation_config.json"), "[");
    await refused(empty, /generation_config\.json:1: is not valid JSON/);
  });

  test("a missing shard", async () => {
    const path = writeTinyModel(fresh(), { shards: 2 });
    rmSync(join(path, "model-00002-of-00002.safetensors"));
    await refused(
      path,
      /model-00002-of-00002\.safetensors: the shard is missing, though .*index\.json names it; download/,
    );
  });

  test("a truncated shard", async () => {
    const path = writeTinyModel(fresh(), { shards: 2 });
    const shard = join(path, "model-00002-of-00002.safetensors");
    truncateSync(shard, statSync(shard).size - 1);
    await refused(
      path,
      /model-00002-of-00002\.safetensors: truncated: the header describes \d+ bytes, the file has \d+/,
    );
  });

  test("shards of another revision than the index", async () => {
    const path = writeTinyModel(fresh(), { shards: 2 });
    const [first, second] = [1, 2].map((shard) => join(path, `model-0000${shard}-of-00002.safetensors`));
    renameSync(first!, `${first}.away`);
    renameSync(second!, first!);
    renameSync(`${first}.away`, second!);
    await refused(path, /has no tensor ".*", which model\.safetensors\.index\.json says it holds; download shard/);
  });

  test.each([
    ["no map", "{}", /has no weight_map/],
    ["an empty map", '{"weight_map":{}}', /has no weight_map/],
    ["a shard elsewhere", '{"weight_map":{"a":"../x.safetensors"}}', /the shard "\.\.\/x\.safetensors"; name a/],
    ["a shard that is no text", '{"weight_map":{"a":3}}', /the shard 3; name a/],
    ["broken JSON", "{", /index\.json:1: is not valid JSON/],
  ])("an index with %s", async (_, text, message) => {
    const path = writeTinyModel(fresh(), { shards: 2 });
    writeFileSync(join(path, "model.safetensors.index.json"), text);
    await refused(path, message);
  });
});

describe("tensors are checked against the architecture", () => {
  const NAME = "model.layers.1.mlp.down_proj.weight";
  const change = (replacement: Partial<{ name: string; dtype: string; shape: readonly number[] }>) =>
    tinyTensors().map((tensor) => tensor.name === NAME ? { ...tensor, ...replacement } : tensor);

  test("a missing one", async () => {
    await refused(
      writeTinyModel(fresh(), { tensors: change({ name: "other" }) }),
      new RegExp(`tensor ${NAME} .* missing`),
    );
  });
  test("another shape", async () => {
    const path = writeTinyModel(fresh(), { tensors: change({ shape: [6, 8] }) });
    await refused(path, new RegExp(`model\\.safetensors: tensor ${NAME} has shape \\[6,8\\], expected \\[8,6\\]; use`));
  });
  test("another rank", async () => {
    await refused(writeTinyModel(fresh(), { tensors: change({ shape: [48] }) }), /has shape \[48\], expected \[8,6\]/);
  });
  test("another dtype", async () => {
    const path = writeTinyModel(fresh(), { tensors: change({ dtype: "I16" }) });
    await refused(path, /has dtype I16, expected one of F32, F16, BF16; use weights that are not quantized/);
  });
});
