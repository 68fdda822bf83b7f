import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
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
