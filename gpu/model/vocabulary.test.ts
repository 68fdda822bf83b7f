import { describe, expect, test } from "vitest";
import { TINY_CONFIG, TINY_TOKENIZER } from "../../test/model_folder.ts";
import { InputError } from "../errors.ts";
import { parseConfig } from "./config.ts";
import { makeTokenizer } from "./tokenizer.ts";
import { checkVocabulary } from "./vocabulary.ts";

/** What is said of the tiny tokenizer, with more tokens, beside the tiny model of 12 embeddings. */
function check(...contents: readonly string[]): readonly string[] {
  const added = contents.map((content, index) => ({ id: 12 + index, content, special: content.startsWith("<") }));
  const tokenizer = makeTokenizer({
    json: { ...TINY_TOKENIZER, added_tokens: [...TINY_TOKENIZER.added_tokens, ...added] },
    path: "tokenizer.json",
    config: {},
    configPath: "tokenizer_config.json",
    templates: new Map(),
    hash: "",
  });
  return checkVocabulary(tokenizer, { config: parseConfig(TINY_CONFIG, "config.json"), directory: "models/tiny" });
}

describe("a tokenizer beside a model", () => {
  test("of as many embeddings", () => expect(check()).toEqual([]));
  test("of fewer is refused, with the first token that lacks one", () => {
    expect(() => check("<pad>", "more")).toThrow(InputError);
    expect(() => check("<pad>", "more")).toThrow(
      'models/tiny: the tokenizer has token 12 "<pad>" and 1 more, and the model only 12 embeddings; use the tokenizer',
    );
    expect(() => check("image")).toThrow(/token 12 "image", and the model only 12/);
  });
  test("that lacks those of pictures only is told so (Gemma 3 1B)", () => {
    expect(check("<image_soft_token>")).toEqual([
      'models/tiny: token 12 "<image_soft_token>" has no embedding in this model, and cannot be used',
    ]);
  });
});
