import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type GgufTensor, readGgufModel, writtenGguf } from "../../../test/grammar_gguf.ts";
import { InputError } from "../../errors.ts";
import { parseConfig } from "../config.ts";
import { readNumbers } from "../derived_tensor.ts";
import { openModelDirectory } from "../directory.ts";
import type { JsonObject } from "../json.ts";

const DATA = new URL("../../../test/data/gguf/", import.meta.url).pathname;

interface Golden {
  readonly config: JsonObject;
  readonly tensors: Readonly<Record<string, string>>;
}
// Written by test/reference/gguf_families.py with gguf and transformers.
const golden = JSON.parse(readFileSync(`${DATA}families.json`, "utf8")) as Readonly<Record<string, Golden>>;
describe("a whole file whose tensors say something else than its settings", () => {
  const folder = mkdtempSync(join(tmpdir(), "culprit-families-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const changed = (family: string, name: string, change: Partial<GgufTensor>): string => {
    const { fields, tensors } = readGgufModel(family);
    const path = join(folder, `${family}.gguf`);
    const other = tensors.map((one) => one.name === name ? { ...one, ...change } : one);
    writeFileSync(path, writtenGguf({ fields, tensors: other }));
    return path;
  };
  test.each<[string, string, string, Partial<GgufTensor>, RegExp]>([
    [
      "more experts than its settings say",
      "qwen3moe",
      "blk.0.ffn_gate_exps.weight",
      { shape: [4096, 1, 1], dtype: "F32" },
      /blk\.0\.ffn_gate_exps\.weight holds 4096 experts, where expert_count is \d+; download/,
    ],
    [
      "rows that are no whole blocks",
      "llama",
      "blk.0.attn_q.weight",
      { shape: [64], dtype: "Q8_0" },
      /rows of tensor model\.layers\.0\.self_attn\.q_proj\.weight of Q8_0 \[64\] cannot be reordered; download/,
    ],
  ])("%s", async (_, family, name, change, message) => {
    const path = changed(family, name, change);
    await expect(openModelDirectory(path)).rejects.toThrow(InputError);
    await expect(openModelDirectory(path)).rejects.toThrow(message);
  });

  test("unchanged it is read", async () => {
    const model = await openModelDirectory(changed("qwen3moe", "none", {}));
    model.close();
    expect(model.config.mlp[0]).toMatchObject({ kind: "experts" });
  });
});

describe.each(Object.entries(golden))("%s", (name, { config, tensors }) => {
  test("the config is the one that transformers writes", async () => {
    const model = await openModelDirectory(`${DATA}${name}.gguf`);
    model.close();
    expect(model.config).toEqual(parseConfig(config, "config.json"));
  });

  test("every tensor has the numbers that the gguf package gives, under Hugging Face's name", async () => {
    const model = await openModelDirectory(`${DATA}${name}.gguf`);
    const found = [...model.tensors.values()].map((tensor) => {
      const bytes = new Uint8Array(readNumbers(tensor).buffer);
      return [tensor.info.name, createHash("sha256").update(bytes).digest("hex")];
    });
    model.close();
    expect(Object.fromEntries(found)).toEqual(tensors);
  });
});
