import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { renderChatTemplate } from "./chat.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

const DATA = new URL("../../test/data/tokenizers/", import.meta.url).pathname;
const read = (path: string) => readFileSync(`${DATA}${path}`, "utf8");

let folder: string;
let qwen: Tokenizer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "culprit-tokenizer-"));
  writeFileSync(join(folder, "tokenizer.json"), gunzipSync(readFileSync(`${DATA}qwen3/tokenizer.json.gz`)));
  writeFileSync(join(folder, "tokenizer_config.json"), read("qwen3/tokenizer_config.json"));
  qwen = await loadTokenizer(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Vector {
  readonly source: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly roundtrip: boolean;
}
const vectors = read("qwen3/vectors.jsonl").trim().split("\n").map((line) => JSON.parse(line) as Vector);

describe("Qwen's ids are those of Hugging Face tokenizers", () => {
  test("all vectors are here", () => expect(vectors).toHaveLength(130));
  test.each(vectors.map((vector, index) => ({ ...vector, title: `${index}: ${vector.source}` })))(
    "$title",
    ({ text, ids, roundtrip }) => {
      expect(qwen.encode(text)).toEqual(ids);
      // What does not come back is the same text in another Unicode form: the tokenizer normalizes to NFC.
      expect(qwen.decode(ids)).toBe(roundtrip ? text : text.normalize("NFC"));
    },
  );
});

describe.each(["ggml-vocab-qwen2", "ggml-vocab-deepseek-r1-qwen"])("llama.cpp's ids of %s", (name) => {
  const texts = read(`llama_cpp/${name}.gguf.inp`).split("\n__ggml_vocab_test__\n");
  const lines = read(`llama_cpp/${name}.gguf.out`).split("\n");
  test("all cases are here", () => expect([texts.length, lines.length]).toEqual([47, 47]));
  test.each(texts.map((text, index) => ({ text, index })))("$index: $text", ({ text, index }) => {
    expect(qwen.encode(text)).toEqual(lines[index]!.trim().split(/\s+/).filter((id) => id !== "").map(Number));
  });
});

interface Rendered {
  readonly template: string;
  readonly case: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly rendered: string;
}
describe("chat templates", () => {
  test.each(JSON.parse(read("templates/rendered_vectors.json")) as readonly Rendered[])(
    "$template renders $case as Jinja does",
    ({ template, input, rendered }) => {
      expect(renderChatTemplate({ text: read(`templates/${template}`), where: template }, input)).toBe(rendered);
    },
  );

  const withTemplate = async (name: string, files: Readonly<Record<string, string>>) => {
    const copy = join(folder, name);
    mkdirSync(copy);
    const small = {
      added_tokens: [],
      normalizer: null,
      decoder: { type: "ByteLevel" },
      model: { type: "BPE", vocab: { a: 0, b: 1 }, merges: [] },
    };
    writeFileSync(join(copy, "tokenizer.json"), JSON.stringify(small));
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(copy, file)), { recursive: true });
      writeFileSync(join(copy, file), text);
    }
    return await loadTokenizer(copy);
  };

  test("chat() has thinking off and opens the assistant's turn, by chat_template.jinja before the config", async () => {
    const tokenizer = await withTemplate("jinja", {
      "chat_template.jinja": read("templates/trl_qwen3.jinja"),
      "tokenizer_config.json": JSON.stringify({ chat_template: "wrong" }),
    });
    const messages = [{ role: "user", content: "Hi" }];
    expect(tokenizer.chat(messages)).toBe(
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    );
    expect(tokenizer.chat(messages, { thinking: true })).toBe(
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
    expect(tokenizer.chat(messages, { addGenerationPrompt: false })).toBe("<|im_start|>user\nHi<|im_end|>\n");
  });

  test("the template of tokenizer_config.json is used, and its special tokens are known by name", async () => {
    expect(qwen.chat([{ role: "user", content: "Hi" }])).toBe(
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n",
    );
    const tokenizer = await withTemplate("list", {
      "tokenizer_config.json": JSON.stringify({
        eos_token: { content: "</s>" },
        chat_template: [{ name: "tools", template: "no" }, { name: "default", template: "{{ eos_token }}" }],
      }),
    });
    expect(tokenizer.chat([])).toBe("</s>");
  });

  test("tools go to the template tool_use, of a list or of a folder of templates", async () => {
    const list = await withTemplate("tool-list", {
      "tokenizer_config.json": JSON.stringify({
        chat_template: [{ name: "default", template: "D" }, { name: "tool_use", template: "T{{ tools | length }}" }],
      }),
    });
    expect([list.chat([]), list.chat([], { tools: [] }), list.chat([], { tools: [{}] })]).toEqual(["D", "T0", "T1"]);
    const files = await withTemplate("tool-files", {
      "chat_template.jinja": "default\r\n{{ tools is none }}\r\n",
      "additional_chat_templates/tool_use.jinja": "files",
      "tokenizer_config.json": JSON.stringify({ chat_template: "wrong" }),
    });
    expect([files.chat([]), files.chat([], { tools: [] })]).toEqual(["default\nTrue", "files"]);
    const only = await withTemplate("tool-only", { "additional_chat_templates/tool_use.jinja": "files" });
    expect(() => only.chat([])).toThrow(/no chat template is called default, only tool_use; add chat_template\.jinja/);
  });

  test("no template, a broken one, and one that refuses are each one clear line", async () => {
    const none = await withTemplate("none", {});
    expect(() => none.chat([])).toThrow(/tokenizer_config\.json: the model has no chat template; add/);
    const broken = await withTemplate("broken", { "chat_template.jinja": "{% if %}" });
    expect(() => broken.chat([])).toThrow(/chat_template\.jinja: the chat template is broken: /);
    const refusing = await withTemplate("refusing", { "chat_template.jinja": "{{ raise_exception('no system') }}" });
    expect(() => refusing.chat([])).toThrow(
      /chat_template\.jinja: the chat template refuses the messages: .*no system/,
    );
    expect(() => refusing.chat([])).toThrow(InputError);
  });

  test("tokens that only tokenizer_config.json adds are parsed", async () => {
    const tokenizer = await withTemplate("added", {
      "tokenizer_config.json": JSON.stringify({ added_tokens_decoder: { 2: { content: "<x>", special: true } } }),
    });
    expect(tokenizer.encode("a<x>b")).toEqual([0, 2, 1]);
    expect(tokenizer.specialIds).toEqual([2]);
  });
});

describe("single tokens", () => {
  test("special tokens are parsed and known; <think> is a token but not special", () => {
    expect(qwen.encode("<|im_end|>")).toEqual([151645]);
    expect(qwen.isSpecial(151645)).toBe(true);
    expect(qwen.encode("<think>")).toEqual([151667]);
    expect(qwen.isSpecial(151667)).toBe(false);
    expect(qwen.decode([151644, 872, 198], { skipSpecial: true })).toBe("user\n");
  });

  test("a token is shown as its text, and bytes that are no whole character by their value", () => {
    expect(qwen.token(872)).toBe("user");
    expect(qwen.token(151645)).toBe("<|im_end|>");
    // U+10FFFF is four tokens of one byte each: F4 8F BF BF (vectors.jsonl).
    expect([176, 237, 123, 123].map(qwen.token)).toEqual(["<0xF4>", "<0x8F>", "<0xBF>", "<0xBF>"]);
    expect(qwen.decode([176, 237, 123, 123])).toBe("\u{10ffff}");
    expect(qwen.decode([176, 237])).toBe("\ufffd");
    expect(qwen.token(151_700)).toBe("<id 151700>");
    expect(qwen.decode([151_700])).toBe("");
  });

  test("the tokens of a text, shown one by one, join to it where none is part of a character", () => {
    const text = "<|im_start|>user\nÜber 中文，测试。";
    expect(qwen.encode(text).map(qwen.token).join("")).toBe(text);
  });

  test("single() takes exactly one token", () => {
    expect(qwen.single("user", "--target")).toBe(872);
    expect(() => qwen.single("user\n", "--target")).toThrow(
      '--target: "user\\n" is 2 tokens, not one: 872 "user", 198 "\\n"; give a text that is exactly one token',
    );
    expect(() => qwen.single("", "--target")).toThrow(/"" is 0 tokens, not one; give/);
  });

  test("the hash is that of the file", () => {
    expect(qwen.hash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("a tokenizer that makes its texts longer and longer is refused, whatever the text", () => {
  const twice = { type: "Replace", pattern: { String: "a" }, content: "aa" };
  const between = { type: "Replace", pattern: { String: "" }, content: "x" };
  const bytes = { type: "ByteLevel", use_regex: false };
  const many = (one: unknown) => Array.from({ length: 60 }, () => one);
  test.each<[string, object, string, RegExp]>([
    [
      "a normalizer of sixty that double",
      { normalizer: { type: "Sequence", normalizers: many({ type: "Sequence", normalizers: [twice] }) } },
      "aaa",
      /its normalizer and pre_tokenizer make \d+ characters of 3; correct/,
    ],
    [
      "a normalizer that puts in a book",
      { normalizer: { ...twice, content: "a".repeat(1e6) } },
      "aaa",
      /its normalizer and pre_tokenizer make 1000000 characters of 3; correct/,
    ],
    [
      "a pre-tokenizer that writes bytes sixty times",
      { pre_tokenizer: { type: "Sequence", pretokenizers: many(bytes) } },
      "\u00e9\u00e9",
      /its normalizer and pre_tokenizer make \d+ characters of 2; correct/,
    ],
    [
      "a mark that is nothing",
      { pre_tokenizer: { type: "Metaspace", replacement: "", prepend_scheme: "never" } },
      "a".repeat(100_000),
      /replacement is ""; give one character/,
    ],
    [
      "a decoder of sixty that double",
      { decoder: { type: "Sequence", decoders: many(twice) } },
      "a",
      /its decoder makes a token longer than 65536 characters; correct/,
    ],
    [
      "a decoder of sixty that put something between",
      { decoder: { type: "Sequence", decoders: many(between) } },
      "a",
      /its decoder makes a token longer than 65536 characters; correct/,
    ],
  ])("%s", async (name, change, text, message) => {
    const copy = join(folder, name);
    mkdirSync(copy);
    const plain = { normalizer: null, pre_tokenizer: null, decoder: { type: "Fuse" } };
    const model = { type: "BPE", vocab: { a: 0 }, merges: [] };
    writeFileSync(join(copy, "tokenizer.json"), JSON.stringify({ ...plain, ...change, model }));
    const read = async () => {
      const tokenizer = await loadTokenizer(copy);
      tokenizer.decode(tokenizer.encode(text));
    };
    await expect(read()).rejects.toThrow(message);
    await expect(read()).rejects.toThrow(InputError);
  });

  test("what real steps make of a text stays: Arabic's longest ligature, eighteen characters by NFKD", async () => {
    const copy = join(folder, "ligatures");
    mkdirSync(copy);
    const steps = { normalizer: { type: "NFKD" }, pre_tokenizer: null, decoder: { type: "Fuse" } };
    const vocab = Object.fromEntries([..."\ufdfa".normalize("NFKD")].map((one, id) => [one, id]));
    const model = { type: "BPE", vocab, merges: [] };
    writeFileSync(join(copy, "tokenizer.json"), JSON.stringify({ ...steps, model }));
    const tokenizer = await loadTokenizer(copy);
    expect(tokenizer.decode(tokenizer.encode("\ufdfa".repeat(1000)))).toBe("\ufdfa".normalize("NFKD").repeat(1000));
  });
});

describe("bad files", () => {
  test.each([
    ["broken JSON", "{\n  x", /tokenizer\.json:2: is not valid JSON/],
    ["no model", "{}", /has no tokenizer model/],
    [
      "another kind",
      '{"model":{"type":"Unigram"},"decoder":{"type":"Metaspace"}}',
      /the tokenizer model "Unigram" is not supported; use a model with a BPE/,
    ],
    [
      "an unknown model",
      '{"model":{"type":"X"},"decoder":{"type":"ByteLevel"}}',
      /the tokenizer model "X" is not supported/,
    ],
  ])("%s", async (name, text, message) => {
    const copy = join(folder, name);
    mkdirSync(copy);
    writeFileSync(join(copy, "tokenizer.json"), text);
    await expect(loadTokenizer(copy)).rejects.toThrow(message);
    await expect(loadTokenizer(copy)).rejects.toThrow(InputError);
  });

  test("a tokenizer of another format alone", async () => {
    const copy = join(folder, "sentencepiece");
    mkdirSync(copy);
    writeFileSync(join(copy, "tokenizer.model"), "");
    await expect(loadTokenizer(copy)).rejects.toThrow(
      /tokenizer\.json: there is no such file, and tokenizer\.model alone is not read; convert it: python -c '.*AutoTokenizer/,
    );
  });

  test("a missing tokenizer", async () => {
    await expect(loadTokenizer(join(folder, "nowhere"))).rejects.toThrow(/nowhere\/tokenizer\.json: there is no such/);
  });
});
