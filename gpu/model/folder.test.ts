/** Model folders as people have them: what trainers, tools and broken downloads leave, each with its right reading. */
import { Buffer } from "node:buffer";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type TestTensor,
  TINY_CONFIG,
  tinyTensors,
  writeSafetensors,
  writeTinyModel,
} from "../../test/model_folder.ts";
import { InputError } from "../errors.ts";
import { type ModelDirectory, openModelDirectory } from "./directory.ts";

let folder: string;
let count = 0;
const fresh = () => join(folder, `model-${++count}`);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-folder-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const refused = async (directory: string, message: RegExp) => {
  await expect(openModelDirectory(directory)).rejects.toThrow(InputError);
  await expect(openModelDirectory(directory)).rejects.toThrow(message);
};

async function withModel<Result>(path: string, read: (model: ModelDirectory) => Result): Promise<Result> {
  const model = await openModelDirectory(path);
  try {
    return read(model);
  } finally {
    model.close();
  }
}

const bytesOf = (model: ModelDirectory, name: string) => {
  const bytes = new Uint8Array(4);
  model.readInto(name, 0, bytes);
  return bytes;
};

const UNTIED = { ...TINY_CONFIG, tie_word_embeddings: false };

/** The tensors of the tiny model under other names. */
const renamedBy = (rename: (name: string) => string, config = UNTIED) =>
  tinyTensors(config).map((tensor): TestTensor => ({ ...tensor, name: rename(tensor.name) }));

describe("names that trainers leave are taken off, and said", () => {
  const plain = () =>
    withModel(writeTinyModel(fresh(), { config: UNTIED, tensors: tinyTensors(UNTIED) }), (model) => model);
  test.each([
    ["torch.compile", "_orig_mod.", /_orig_mod is taken off the names of 25 of 25 tensors/],
    ["DataParallel", "module.", /module\. is taken off the names of all tensors/],
    ["PEFT", "base_model.model.", /base_model\.model\. is taken off/],
    ["TRL", "pretrained_model.", /pretrained_model\. is taken off/],
    ["both wrapped", "module._orig_mod.", /_orig_mod is taken off/],
    ["Lightning", "lm.", /lm\. is taken off/],
  ])("%s", async (_, prefix, note) => {
    const path = writeTinyModel(fresh(), { config: UNTIED, tensors: renamedBy((name) => prefix + name) });
    const model = await openModelDirectory(path);
    const expected = await plain();
    expect(model.notes.join("\n")).toMatch(note);
    expect(model.notes[0]).toContain(join(path, "model.safetensors"));
    expect([...model.tensors.keys()]).toEqual([...expected.tensors.keys()]);
    expect(model.tensor("model.norm.weight").info.name).toBe("model.norm.weight");
    expect(bytesOf(model, "lm_head.weight")).toEqual(
      bytesOf(await openModelDirectory(expected.directory), "lm_head.weight"),
    );
    expect(model.hash).toBe(expected.hash);
    model.close();
  });

  test("FSDP and torch.compile wrap blocks", async () => {
    const tensors = renamedBy((name) => name.replace(/layers\.(\d+)\./, "layers.$1._fsdp_wrapped_module._orig_mod."));
    await withModel(writeTinyModel(fresh(), { config: UNTIED, tensors }), ({ notes, tensor }) => {
      expect(notes).toHaveLength(1);
      expect(notes[0]).toMatch(/_fsdp_wrapped_module, _orig_mod is taken off the names of 22 of 25 tensors$/);
      expect(tensor("model.layers.1.self_attn.q_norm.weight").info.shape).toEqual([8]);
    });
  });

  test("the inner model saved alone lacks `model.`", async () => {
    const tensors = renamedBy((name) => name.replace(/^model\./, ""));
    await withModel(writeTinyModel(fresh(), { config: UNTIED, tensors }), ({ notes, tensor }) => {
      expect(notes[0]).toMatch(/model\. is put before the names of all tensors$/);
      expect(tensor("lm_head.weight").info.shape).toEqual([12, 8]);
      expect(tensor("model.layers.0.mlp.up_proj.weight").info.shape).toEqual([6, 8]);
    });
  });

  test("a prefix that only some names have is not taken off", async () => {
    const tensors = renamedBy((name) => name === "lm_head.weight" ? name : `module.${name}`);
    await refused(
      writeTinyModel(fresh(), { config: UNTIED, tensors }),
      /tensor model\.embed_tokens\.weight .* is missing/,
    );
  });

  test("two tensors that would get one name keep theirs, and the one too many is refused", async () => {
    const tensors = [...tinyTensors(UNTIED), { name: "_orig_mod.lm_head.weight", dtype: "F32", shape: [12, 8] }];
    await refused(writeTinyModel(fresh(), { config: UNTIED, tensors }), /reads tensor _orig_mod\.lm_head\.weight;/);
  });

  test("TRL's value head is left out, and said", async () => {
    const head = { name: "v_head.summary.weight", dtype: "F32", shape: [1, 8] };
    const tensors = [...renamedBy((name) => `pretrained_model.${name}`), head];
    await withModel(writeTinyModel(fresh(), { config: UNTIED, tensors }), ({ notes }) => {
      expect(notes.join("\n")).toMatch(/1 tensors of a value head \(v_head\.\) are not read/);
    });
  });
});

describe("Gemma3ForConditionalGeneration: the text part is read as Gemma3ForCausalLM saves it alone", () => {
  const alone = new URL("../../test/data/golden/gemma3-a/", import.meta.url).pathname;
  const text = JSON.parse(readFileSync(`${alone}config.json`, "utf8"));
  const config = {
    architectures: ["Gemma3ForConditionalGeneration"],
    model_type: "gemma3",
    text_config: text,
    vision_config: { model_type: "siglip_vision_model", hidden_size: 8 },
    image_token_index: 399,
    mm_tokens_per_image: 4,
  };
  /** The golden weights under other names, and one more tensor. */
  const write = (rename: (name: string) => string, more: string) => {
    const bytes = readFileSync(`${alone}model.safetensors`);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, object>;
    const data = bytes.subarray(8 + length);
    const renamed = Object.entries(header).map(([name, info]) => [name === "__metadata__" ? name : rename(name), info]);
    const extra = { dtype: "F32", shape: [2], data_offsets: [data.length, data.length + 8] };
    const written = Buffer.from(JSON.stringify({ ...Object.fromEntries(renamed), [more]: extra }));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(written.length));
    const path = fresh();
    mkdirSync(path);
    writeFileSync(join(path, "config.json"), JSON.stringify(config));
    writeFileSync(join(path, "model.safetensors"), Buffer.concat([size, written, data, Buffer.alloc(8)]));
    return path;
  };
  test.each([
    ["as published", (name: string) => `language_model.${name}`, "vision_tower.vision_model.post_layernorm.weight"],
    [
      "as transformers 4.52 and later name them",
      (name: string) => name.replace(/^model\./, "model.language_model."),
      "model.multi_modal_projector.mm_soft_emb_norm.weight",
    ],
  ])("%s", async (_, rename, more) => {
    const found = await openModelDirectory(write(rename, more));
    const expected = await openModelDirectory(alone);
    const { architecture: _own, ...shape } = found.config;
    const { architecture: _alone, ...wanted } = expected.config;
    expect(shape).toEqual(wanted);
    expect([...found.tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort());
    for (const name of expected.tensors.keys()) expect(bytesOf(found, name), name).toEqual(bytesOf(expected, name));
    [found, expected].forEach((model) => model.close());
  });

  test("a tensor of neither part is refused by name", async () => {
    await refused(write((name) => `language_model.${name}`, "audio_tower.weight"), /reads tensor audio_tower\.weight;/);
  });
});

describe("tied embeddings and a head in the file", () => {
  const tensors = (fill: number | undefined): readonly TestTensor[] => {
    const own = tinyTensors().map((tensor, index) => index === 0 ? { ...tensor, fill: 9 } : tensor);
    return [...own, { name: "lm_head.weight", dtype: "F32", shape: [12, 8], ...(fill === undefined ? {} : { fill }) }];
  };

  test("an equal copy changes nothing", async () => {
    await withModel(writeTinyModel(fresh(), { tensors: tensors(9) }), ({ config, notes }) => {
      expect(config.tiedEmbeddings).toBe(true);
      expect(notes).toEqual([]);
    });
  });

  test("a head that differs is used, and said (LlamaFactory#10560)", async () => {
    await withModel(writeTinyModel(fresh(), { tensors: tensors(8) }), ({ config, notes }) => {
      expect(config.tiedEmbeddings).toBe(false);
      expect(notes).toHaveLength(1);
      expect(notes[0]).toMatch(
        /lm_head\.weight differs from model\.embed_tokens\.weight, though .* is true: it is used/,
      );
    });
  });
});

describe("tensors that nobody reads", () => {
  const extra = (name: string) => [...tinyTensors(), { name, dtype: "F32", shape: [4] }];
  test.each(["model.layers.0.self_attn.q_proj.bias", "model.layers.2.mlp.up_proj.weight", "vision.weight"])(
    "%s is refused",
    async (name) => {
      const message = new RegExp(
        `model\\.safetensors: nothing of qwen3 reads tensor ${name.replaceAll(".", "\\.")}; use`,
      );
      await refused(writeTinyModel(fresh(), { tensors: extra(name) }), message);
    },
  );
  test("several are counted", async () => {
    const tensors = [...extra("a"), { name: "b", dtype: "F32", shape: [1] }];
    await refused(writeTinyModel(fresh(), { tensors }), /reads tensor a and 1 more/);
  });
  test.each([
    "model.rotary_emb.inv_freq",
    "model.layers.0.self_attn.rotary_emb.inv_freq",
    "transformer.h.0.attn.bias",
    "gpt_neox.layers.0.attention.masked_bias",
  ])("the buffer %s is no weight", async (name) => {
    await withModel(writeTinyModel(fresh(), { tensors: extra(name) }), ({ notes }) => expect(notes).toEqual([]));
  });
});

describe("shards without an index", () => {
  const shard = (index: number, of: number) => `model-0000${index}-of-0000${of}.safetensors`;
  test("one is the whole model", async () => {
    const path = writeTinyModel(fresh());
    renameSync(join(path, "model.safetensors"), join(path, shard(1, 1)));
    await withModel(path, ({ files }) => expect(files).toEqual([join(path, shard(1, 1))]));
  });
  test("all of several are", async () => {
    const path = writeTinyModel(fresh(), { shards: 2 });
    rmSync(join(path, "model.safetensors.index.json"));
    await withModel(path, ({ files }) => expect(files).toHaveLength(2));
    rmSync(join(path, shard(2, 2)));
    await refused(
      path,
      /model-00002-of-00002\.safetensors: the shard is missing, and model\.safetensors\.index\.json;/,
    );
  });
  test("shards of two models, and one tensor in two shards, are refused", async () => {
    const path = writeTinyModel(fresh(), { shards: 2 });
    rmSync(join(path, "model.safetensors.index.json"));
    writeSafetensors(join(path, shard(1, 3)), tinyTensors());
    await refused(path, /shards of two models|the shard is missing/);
    rmSync(join(path, shard(1, 3)));
    writeSafetensors(join(path, shard(2, 2)), tinyTensors());
    await refused(path, /holds tensor model\.embed_tokens\.weight, which model-00001-of-00002\.safetensors holds too/);
  });
});

const LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1192135096\n";

describe("files that are not what their name says", () => {
  test.each([
    ["a Git LFS pointer", LFS, /is a Git LFS pointer to a file of 1192135096 bytes, not .*; run `git lfs pull`/],
    ["a web page", "<!DOCTYPE html>\n<html>Sign in</html>", /is a web page: .*; download the file again/],
    ["a page after a byte order mark", "\ufeff <html>", /is a web page/],
    ["a zip of PyTorch", "PK\x03\x04aaaaaaaaaaaa", /is a zip archive/],
    ["GGUF", "GGUF\x03\0\0\0aaaaaaaa", /is a GGUF file; give its path, with the ending \.gguf/],
  ])("weights: %s", async (_, text, message) => {
    const path = writeTinyModel(fresh());
    writeFileSync(join(path, "model.safetensors"), text);
    await refused(path, message);
  });
  test("config.json: a Git LFS pointer, a web page", async () => {
    const path = writeTinyModel(fresh());
    writeFileSync(join(path, "config.json"), LFS);
    await refused(path, /config\.json: is a Git LFS pointer/);
    writeFileSync(join(path, "config.json"), "<html><head>");
    await refused(path, /config\.json: is a web page/);
  });
});

describe("weights of other kinds get the line that helps", () => {
  const with_ = (names: Readonly<Record<string, string>>, config: object = TINY_CONFIG) => {
    const path = fresh();
    mkdirSync(path);
    writeFileSync(join(path, "config.json"), JSON.stringify(config));
    for (const [name, text] of Object.entries(names)) writeFileSync(join(path, name), text);
    return path;
  };
  test.each([
    [
      "PyTorch",
      "pytorch_model.bin",
      /pytorch_model\.bin: the weights are in PyTorch's own .*; convert it: python -c '.*AutoModelForCausalLM as M; M\.from_pretrained\("/,
    ],
    ["PyTorch in shards", "pytorch_model-00001-of-00002.bin", /convert it/],
    ["TensorFlow", "tf_model.h5", /TensorFlow's .*; convert it/],
    ["DeepSpeed", "zero_pp_rank_0_mp_rank_00_model_states.pt", /DeepSpeed's .* zero_to_fp32\.py/],
    ["FSDP", "__0_0.distcp", /accelerate merge-weights/],
    ["Mistral's own", "consolidated.safetensors", /Meta's or Mistral's own code, not in safetensors; use/],
    ["GGUF", "model-q4.gguf", /GGUF, not in safetensors; give the \.gguf file/],
    ["another name", "diffusion.safetensors", /diffusion\.safetensors: is not called model\.safetensors; rename it/],
  ])("%s", async (_, name, message) => {
    await refused(with_({ [name]: "x" }), message);
  });

  test("MLX", async () => {
    const config = { ...TINY_CONFIG, quantization: { group_size: 64, bits: 4 } };
    await refused(with_({}, config), /quantised to 4 bits by MLX, which is not read; use the original model/);
  });

  test("ZeRO-3's empty placeholders", async () => {
    const tensors = tinyTensors().map((tensor) => ({ ...tensor, shape: [0] }));
    await refused(
      writeTinyModel(fresh(), { tensors }),
      /is empty, of shape \[0\]: a placeholder of DeepSpeed ZeRO-3; gather/,
    );
  });

  test("an adapter that was not merged", async () => {
    const tensors = renamedBy((name) => `base_model.model.${name}`);
    const lora = {
      name: "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
      dtype: "F32",
      shape: [2, 8],
    };
    const path = writeTinyModel(fresh(), { config: UNTIED, tensors: [...tensors, lora] });
    await refused(path, /holds a LoRA adapter that was not merged \(model\.layers\.0.*lora_A\.default\.weight\); save/);
  });

  test("an adapter beside the model", async () => {
    const path = writeTinyModel(fresh());
    writeFileSync(join(path, "adapter_config.json"), '{"peft_type":"LORA"}');
    await refused(path, /adapter_config\.json: a LoRA adapter lies beside the model, which would not be merged/);
  });
});

describe("folders without config.json", () => {
  const holding = (names: Readonly<Record<string, string>>) => {
    const path = fresh();
    mkdirSync(path);
    for (const [name, text] of Object.entries(names)) {
      if (text === "/") mkdirSync(join(path, name), { recursive: true });
      else writeFileSync(join(path, name), text);
    }
    return path;
  };
  test("an adapter names its base", async () => {
    const path = holding({ "adapter_config.json": '{"base_model_name_or_path":"Qwen/Qwen3-0.6B"}' });
    await refused(
      path,
      /holds a LoRA adapter of Qwen\/Qwen3-0\.6B and no model; .* --model Qwen\/Qwen3-0\.6B --lora \/.*model-\d+$/,
    );
    await refused(holding({ "adapter_config.json": "{}" }), /holds a LoRA adapter and no model; give .*--model MODEL/);
  });
  test("GGUF files, another format, models inside", async () => {
    await refused(holding({ "a-q4.gguf": "" }), /holds GGUF files; give the file: \/.*\/a-q4\.gguf$/);
    await refused(
      holding({ "params.json": "{}", "consolidated.00.pth": "" }),
      /format of Meta's or Mistral's own code/,
    );
    const path = holding({ "checkpoint-5": "/", "runs": "/" });
    writeFileSync(join(path, "checkpoint-5", "config.json"), "{}");
    await refused(path, /has no config\.json, but models inside; give one of: \/.*\/checkpoint-5$/);
  });
});
