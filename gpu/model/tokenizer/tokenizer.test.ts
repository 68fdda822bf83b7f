/** Every kind of tokenizer against the tokenizers library (test/reference/tokenizer_kinds.py). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { InputError } from "../../errors.ts";
import type { JsonObject } from "../json.ts";
import { makeTokenizer } from "../tokenizer.ts";
import { compilePattern } from "./pattern.ts";

interface Kind {
  readonly name: string;
  readonly base: string;
  readonly json: JsonObject;
  /** [texts] */
  readonly ids: readonly (readonly number[])[];
  /** [texts] */
  readonly decoded: readonly string[];
}
interface Kinds {
  readonly bases: Readonly<Record<string, JsonObject>>;
  readonly texts: readonly string[];
  readonly kinds: readonly Kind[];
}
const FILE = new URL("../../../test/data/tokenizers/kinds.json", import.meta.url);
const { bases, texts, kinds }: Kinds = JSON.parse(readFileSync(FILE, "utf8"));

const tokenizerOf = ({ base, json }: Pick<Kind, "base" | "json">, change: JsonObject = {}, config: JsonObject = {}) =>
  makeTokenizer({
    json: { ...json, model: { ...json["model"] as JsonObject, ...bases[base] }, ...change },
    path: "tokenizer.json",
    config,
    configPath: "tokenizer_config.json",
    templates: new Map(),
    hash: "",
  });

test("all kinds and texts are here", () => expect([kinds.length, texts.length]).toEqual([21, 62]));

describe.each(kinds)("$name", (kind) => {
  const tokenizer = tokenizerOf(kind);
  test.each(texts.map((text, index) => ({ text, index })))("$index: $text", ({ text, index }) => {
    expect(tokenizer.encode(text)).toEqual(kind.ids[index]);
    // The library takes an added token's own letters for bytes: what comes out broken there comes out whole here.
    const decoded = tokenizer.decode(kind.ids[index]!);
    if (kind.decoded[index]!.includes("\ufffd")) expect(decoded).not.toContain("\ufffd");
    else expect(decoded).toBe(kind.decoded[index]);
  });
});

const kind = (name: string) => kinds.find((one) => one.name === name)!;

describe("a text that goes on where another ended", () => {
  test.each(["Llama 2", "Mistral", "Metaspace, always", "GPT-2 with a space in front"])(
    "%s puts no space before it",
    (name) => {
      const tokenizer = tokenizerOf(kind(name));
      const show = (text: string, continues: boolean) =>
        tokenizer.encode(text, { continues }).map(tokenizer.token).join("|");
      expect(show("x y", false).startsWith(" ")).toBe(true);
      expect(show("x y", true).startsWith("x")).toBe(true);
      // What a model wrote comes back as it was.
      const ids = tokenizer.encode(" x y", { continues: true });
      expect(tokenizer.decode(ids, { continues: true })).toBe(" x y");
    },
  );

  test("a single token is one of those", () => {
    const tokenizer = tokenizerOf(kind("Llama 2"));
    expect(tokenizer.token(tokenizer.single("x", "--target"))).toBe("x");
    expect(tokenizer.token(tokenizer.single(" a", "--target"))).toBe(" a");
  });

  test("bytes of a character are shown one by one, and read together", () => {
    const tokenizer = tokenizerOf(kind("Gemma"));
    const ids = tokenizer.encode("\u{12345}");
    expect(ids.map(tokenizer.token)).toEqual(["<0xF0>", "<0x92>", "<0x8D>", "<0x85>"]);
    expect(tokenizer.decode(ids)).toBe("\u{12345}");
  });
});

describe("the token before every plain prompt", () => {
  const template = {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: {} }],
  };
  const [start] = (kind("Llama 2").json["added_tokens"] as readonly { id: number }[]).map(({ id }) => id);
  const first = (text: string, change: JsonObject, config: JsonObject = {}) =>
    tokenizerOf(kind("Llama 2"), change, config).prompt(text).filter((id) => id === start).length;
  test("is the post-processor's, once, and not before rendered conversations", () => {
    const change = { post_processor: template };
    expect(first("a", change)).toBe(1);
    expect(first("<s>a", change)).toBe(1);
    expect(first("a", { post_processor: { type: "Sequence", processors: [{ type: "ByteLevel" }, template] } })).toBe(1);
    expect(tokenizerOf(kind("Llama 2"), change).encode("a")).not.toContain(start);
  });
  test("or what tokenizer_config.json says", () => {
    expect(first("a", {})).toBe(0);
    expect(first("a", {}, { add_bos_token: true, bos_token: { content: "<s>" } })).toBe(1);
    expect(first("a", { post_processor: template }, { add_bos_token: false })).toBe(0);
  });
});

test("tokens that a model has no embedding for", () => {
  const tokenizer = tokenizerOf(kind("Qwen"));
  const size = Object.keys(bases["bytes"]!["vocab"] as JsonObject).length + 9;
  expect(tokenizer.idsBeyond(size)).toEqual([]);
  expect(tokenizer.idsBeyond(size - 2)).toEqual([size - 2, size - 1]);
});

describe("what is not supported, and what is broken, is refused by name", () => {
  const bytes = kind("GPT-2");
  const model = (change: JsonObject) => ({ model: { type: "BPE", ...bases["bytes"], ...change } });
  test.each([
    ["a word piece model", model({ type: "WordPiece" }), /the tokenizer model "WordPiece" is not supported/],
    [
      "prefixes of words",
      model({ continuing_subword_prefix: "##" }),
      /continuing_subword_prefix "##" is not supported/,
    ],
    ["chance", model({ dropout: 0.1 }), /dropout 0\.1 is not supported/],
    ["an id of text", model({ vocab: { a: "1" } }), /model\.vocab gives "a" the id "1"/],
    ["an id that is too large", model({ vocab: { a: 1e9 } }), /the id 1000000000/],
    ["a merge to no token", model({ merges: ["a b c"] }), /merge 0, "a b c", is not of two tokens to one/],
    ["merges of another kind", model({ merges: {} }), /model\.merges is not a list/],
    ["a normalizer", { normalizer: { type: "Precompiled" } }, /the normalizer "Precompiled" is not supported/],
    ["a pre-tokenizer", { pre_tokenizer: { type: "UnicodeScripts" } }, /the pre-tokenizer "UnicodeScripts" is not/],
    ["a decoder", { decoder: { type: "WordPiece" } }, /the decoder "WordPiece" is not supported/],
    ["no pattern", { pre_tokenizer: { type: "Split", behavior: "Isolated" } }, /pattern is undefined/],
    [
      "no behavior",
      { pre_tokenizer: { type: "Split", pattern: { String: " " } } },
      /behavior is undefined; use one of/,
    ],
    [
      "a broken pattern",
      { normalizer: { type: "Replace", pattern: { Regex: "(a" }, content: "" } },
      /pattern "\(a" is not/,
    ],
    ["an added token without an id", { added_tokens: [{ content: "x" }] }, /the added token \{"content":"x"\} has no/],
  ])("%s", (_, change, message) => {
    expect(() => tokenizerOf(bytes, change)).toThrow(InputError);
    expect(() => tokenizerOf(bytes, change)).toThrow(message);
  });
});

describe("patterns that are not translated are refused, never read otherwise", () => {
  test.each(["(a)\\1", "\\X", "\\p{Nothing}", "(?x:a b)", "a)", "(a", "[a", "(?~a)", "\\", "a**+b(?<n>x)\\k<n>"])(
    "%s",
    (source) => {
      expect(() => compilePattern(source, "tokenizer.json")).toThrow(InputError);
    },
  );
});
