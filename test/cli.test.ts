import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY_CONFIG, tinyTensors, writeTinyModel, writeTinyTokenizer } from "./model_folder.ts";
import { culprit, refused } from "./command_line.ts";

const TEMPLATE = "{% for message in messages %}{% if message.role == 'tool' %}{{ raise_exception('no tools here') }}" +
  "{% endif %}{{ message.content }}<|end|>{% endfor %}{% if add_generation_prompt %}h{% endif %}" +
  "{% if enable_thinking %}g{% endif %}";

let folder: string;
/** A model of ids only. */
let bare: string;
/** The same with a tokenizer and a chat template. */
let model: string;
let ids: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-cli-"));
  bare = writeTinyModel(join(folder, "bare"));
  model = writeTinyModel(join(folder, "model"));
  writeTinyTokenizer(model, TEMPLATE);
  ids = file("ids.json", "[1, 2, 3]");
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("help", () => {
  test("lists the verbs, and each verb has usage, options and an example", async () => {
    const list = await culprit(["--help"]);
    expect(list.code).toBe(0);
    for (const verb of ["inspect", "tokenize", "attribute", "graph", "serve", "worker", "model add", "import"]) {
      expect(list.out).toContain(`\n  ${verb} `);
      const help = await culprit([...verb.split(" "), "--help"]);
      expect(help.code).toBe(0);
      expect(help.out).toMatch(new RegExp(`\nusage: npx culprit ${verb}\\s`));
      expect(help.out).toMatch(/example:\n {2}.*npx culprit /);
      for (const option of ["--json", "--verbose", "--help"]) expect(help.out).toContain(option);
    }
  });

  test("no verb, an unknown verb, an unknown option, a value that is missing", async () => {
    await refused([], /^culprit: no verb is given; give one of: /);
    await refused(["explain"], /^culprit: there is no verb "explain"; give one of: inspect, /);
    await refused(["toString"], /there is no verb "toString"/);
    await refused(["inspect", "--colour"], /^culprit inspect: Unknown option '--colour'; npx culprit inspect --help/);
    await refused(["attribute", "--model"], /^culprit attribute: Option '--model <value>' argument missing; /);
  });

  test("--verbose adds the stack", async () => {
    const { code, err } = await culprit(["inspect", join(folder, "nowhere"), "--verbose"]);
    expect(code).toBe(2);
    expect(err).toMatch(/\n\s+at /);
  });
});

describe("inspect", () => {
  test("--json prints config, parameters and tensors of a model", async () => {
    const { code, out, err } = await culprit(["inspect", bare, "--json"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out.endsWith("}\n")).toBe(true);
    expect(JSON.parse(out)).toEqual({
      config: TINY_CONFIG,
      parameters: 1224,
      tensors: tinyTensors().map(({ name, dtype, shape }) => ({
        name,
        dtype,
        shape,
        bytes: 4 * shape.reduce((product, size) => product * size, 1),
      })),
    });
  });

  test("shards are one model", async () => {
    const sharded = await culprit(["inspect", writeTinyModel(join(folder, "shards"), { shards: 2 }), "--json"]);
    expect((JSON.parse(sharded.out) as { parameters: number }).parameters).toBe(1224);
  });

  test("what was decided while reading is said beside the result", async () => {
    const tensors = tinyTensors().map((tensor) => ({ ...tensor, name: `_orig_mod.${tensor.name}` }));
    const wrapped = writeTinyModel(join(folder, "wrapped"), { tensors });
    const { code, out, err } = await culprit(["inspect", wrapped, "--json"]);
    expect(code).toBe(0);
    expect(err).toMatch(/^note: .*model\.safetensors: _orig_mod is taken off the names of 24 of 24 tensors\n$/);
    expect(JSON.parse(out).tensors[0].name).toBe("model.embed_tokens.weight");
  });

  test("a single file has no config", async () => {
    const { out } = await culprit(["inspect", join(bare, "model.safetensors"), "--json"]);
    const { config, parameters, tensors } = JSON.parse(out);
    expect([config, parameters, tensors.length]).toEqual([null, 1224, 24]);
  });

  test("without --json a table for people", async () => {
    const { code, out } = await culprit(["inspect", bare]);
    expect(code).toBe(0);
    expect(out).toContain('model_type: "qwen3"\n');
    expect(out).toMatch(/\nmodel\.embed_tokens\.weight +F32 +\[12, 8\] +384 bytes\n/);
    expect(out).toMatch(/\n24 tensors, 1224 parameters, 4896 bytes\n$/);
  });

  test("bad models", async () => {
    await refused(["inspect"], /^culprit inspect: 0 paths are given; give one model or /);
    await refused(["inspect", bare, model], /2 paths are given/);
    await refused(["inspect", join(folder, "nowhere")], /nowhere: there is no such folder; give/);
    await refused(["inspect", join(folder, "x.safetensors")], /x\.safetensors: there is no such file; check/);
    await refused(["inspect", ids], /ids\.json: .*header.*; /);
    const missing = writeTinyModel(join(folder, "missing-shard"), { shards: 2 });
    rmSync(join(missing, "model-00001-of-00002.safetensors"));
    await refused(["inspect", missing], /model-00001-of-00002\.safetensors: the shard is missing, .*; download it/);
    const cut = writeTinyModel(join(folder, "cut-shard"), { shards: 2 });
    const shard = join(cut, "model-00002-of-00002.safetensors");
    truncateSync(shard, Math.floor(statSync(shard).size / 2));
    await refused(["inspect", cut], /model-00002-of-00002\.safetensors: truncated: .*; download or export/);
    const mamba = writeTinyModel(join(folder, "mamba"), { config: { ...TINY_CONFIG, model_type: "mamba" } });
    await refused(
      ["inspect", mamba],
      /config\.json: the architecture "mamba" .*not supported: state spaces are not computed; use a model of one of: .*qwen3/,
    );
    const wrong = writeTinyModel(join(folder, "wrong"), { config: { ...TINY_CONFIG, hidden_size: 16 } });
    await refused(["inspect", wrong], /tensor model\.embed_tokens\.weight has shape \[12,8\], expected \[12,16\]; use/);
  });
});

describe("tokenize", () => {
  const args = () => ["tokenize", "--model", model, "--json"];

  test("a line each, also where lines arrive in pieces", async () => {
    const { code, out, err } = await culprit(args(), [
      '{"text":"ab',
      'c"}\n{"te',
      'xt":""}\r\n\n{"text":"<|end|>a b"}',
    ]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out.trim().split("\n").map((line) => JSON.parse(line))).toEqual([
      { ids: [8, 2], tokens: ["ab", "c"] },
      { ids: [], tokens: [] },
      { ids: [10, 0, 9, 1], tokens: ["<|end|>", "a", " ", "b"] },
    ]);
  });

  test("a character cut between two chunks is whole", async () => {
    const bytes = new TextEncoder().encode('{"text":"\u00e9a"}\n');
    const cut = bytes.indexOf(0xc3) + 1;
    const { code } = await culprit(args(), [bytes.slice(0, cut), bytes.slice(cut)]);
    expect(code).toBe(0);
  });

  test("--chat writes the template with thinking off and opens the assistant's turn", async () => {
    const line = JSON.stringify({ messages: [{ role: "user", content: "ab" }, { role: "assistant", content: "c" }] });
    const { out } = await culprit([...args(), "--chat"], [line]);
    expect(JSON.parse(out)).toEqual({ ids: [8, 10, 2, 10, 7], tokens: ["ab", "<|end|>", "c", "<|end|>", "h"] });
  });

  test("without --json a list for people", async () => {
    const { out } = await culprit(["tokenize", "--model", model], ['{"text":"ab c"}']);
    expect(out).toBe('3 tokens\n       8  "ab"\n       9  " "\n       2  "c"\n');
  });

  test("an interrupt ends the wait for input", async () => {
    const interrupt = new AbortController();
    const waiting = culprit(args(), [], { stdin: new ReadableStream(), signal: interrupt.signal });
    setTimeout(() => interrupt.abort(new Error("interrupted by SIGINT")), 20);
    expect(await waiting).toEqual({ code: 1, out: "", err: "interrupted by SIGINT\n" });
  });

  test("what was read before a broken line is printed, and the line is named", async () => {
    const { code, out, err } = await culprit(args(), ['{"text":"a"}\n{"text":\n{"text":"b"}\n']);
    expect(code).toBe(2);
    expect(JSON.parse(out)).toEqual({ ids: [0], tokens: ["a"] });
    expect(err).toBe("<stdin>:2: is not valid JSON: it ends too early; correct the JSON at this line\n");
  });

  test("bad input", async () => {
    await refused(["tokenize"], /^--model: is missing .*; give --model MODEL/);
    await refused(["tokenize", "--model", bare], /bare\/tokenizer\.json: there is no such file; download/);
    await refused(["tokenize", "--model", model, "ab"], /"ab" is not an option; give the texts as JSON lines/);
    await refused(args(), /^<stdin>:1: has no "text"; /, ['{"txt":"a"}']);
    await refused(args(), /^<stdin>:1: has no "text"; /, ["[]"]);
    await refused(args(), /^<stdin>:2: is not UTF-8; /, ["\n", new Uint8Array([0x22, 0xff, 0x22])]);
    await refused([...args(), "--chat"], /^<stdin>:1: has no "messages"/, ['{"messages":[]}']);
    await refused([...args(), "--chat"], /^<stdin>:1: has no "messages"/, ['{"messages":[{"content":"a"}]}']);
    await refused(
      [...args(), "--chat"],
      /^<stdin>:1: the chat template refuses the messages: .*no tools here.*chat_template\.jinja\)/,
      ['{"messages":[{"role":"tool","content":"a"}]}'],
    );
  });
});

describe("attribute refuses, before any GPU is touched,", () => {
  const withIds = (...more: string[]) => ["attribute", "--model", bare, "--ids", ids, ...more];
  const withText = (...more: string[]) => ["attribute", "--model", model, ...more];

  test("options that are missing or exclude each other", async () => {
    await refused(["attribute"], /^--model: is missing/);
    await refused(withIds(), /^--contrast: is missing \(the right token: .*\); give --contrast C/);
    await refused(["attribute", "--model", bare, "--contrast", "1"], /no input is given; give one of --prompt/);
    await refused(withIds("--prompt", "a", "--contrast", "1"), /--prompt and --ids exclude each other; give one of/);
    await refused(
      withIds("--contrast", "1", "--rule", "lrp"),
      /^--rule: there is no rule "lrp"; give one of: attnlrp, /,
    );
    await refused(
      withIds("--target", "-1", "--contrast", "1"),
      /^--target: the value "-1" begins with a dash, like an option; write --target=-1 if it is meant/,
    );
    await refused(withIds("--tarket", "1"), /Unknown option '--tarket'; npx culprit attribute --help shows/);
    await refused(withIds("--contrast", "1", "more"), /"more" is not an option; quote/);
  });

  test("ids out of range", async () => {
    await refused(withIds("--contrast", "12"), /^--contrast: token id 12 is out of range; use ids from 0 to 11/);
    await refused(withIds("--contrast", "1", "--target", "99999999999999999999"), /^--target: .* is out of range/);
    for (const [text, what] of [["[1,12]", "12 at position 1"], ["[-1]", "-1 at position 0"]] as const) {
      const path = file("range.json", text);
      const args = ["attribute", "--model", bare, "--ids", path, "--contrast", "1"];
      await refused(args, new RegExp(`range\\.json: token id ${what} is out of range; use ids from 0 to 11`));
    }
  });

  test("a target that equals the contrast, also when one is text", async () => {
    await refused(
      withIds("--target", "2", "--contrast", "2"),
      /^--contrast: target and contrast are the same token 2; give/,
    );
    const args = withText("--prompt", "a", "--target", "text:ab", "--contrast", "8");
    await refused(args, /^--contrast: target and contrast are the same token 8/);
  });

  test("an empty prompt and an empty list", async () => {
    await refused(withText("--prompt", "", "--contrast", "1"), /^--prompt: the text is empty; give/);
    await refused(withText("--chat", "", "--contrast", "1"), /^--chat: the text is empty; give/);
    const empty = file("empty.json", "[]");
    await refused(
      ["attribute", "--model", bare, "--ids", empty, "--contrast", "1"],
      /empty\.json: there are no tokens; give/,
    );
  });

  test("text that is not one token", async () => {
    await refused(
      withText("--prompt", "a", "--contrast", "text:abc"),
      /^--contrast: "abc" is 2 tokens, not one: 8 "ab", 2 "c"; give a text that is exactly one token, or a token id/,
    );
    await refused(
      withText("--prompt", "a", "--target", "text:", "--contrast", "1"),
      /^--target: "" is 0 tokens, not one/,
    );
    await refused(
      withText("--prompt", "a", "--contrast", "ab"),
      /^--contrast: "ab" is neither a token id nor text:TOKEN; give digits, or "text:ab"/,
    );
  });

  test("a file that is not a JSON array of whole numbers", async () => {
    const args = (text: string) => ["attribute", "--model", bare, "--ids", file("bad.json", text), "--contrast", "1"];
    await refused(args("[1,\n2"), /bad\.json:2: is not valid JSON: it ends too early; correct/);
    await refused(args('{"ids":[1]}'), /bad\.json: is not a JSON array; give token ids as \[1, 2, 3\]/);
    await refused(args('[1,"2"]'), /bad\.json: item 1 is "2", not a whole number; give/);
    await refused(args("[1.5]"), /item 0 is 1\.5, not a whole number/);
    const none = join(folder, "none.json");
    await refused(
      ["attribute", "--model", bare, "--ids", none, "--contrast", "1"],
      /none\.json: cannot be read \(ENOENT\); give/,
    );
  });

  test("more tokens than the context, with those of the prefix", async () => {
    const many = file("many.json", JSON.stringify(new Array(17).fill(1)));
    const args = ["attribute", "--model", bare, "--ids", many, "--contrast", "1"];
    await refused(args, /many\.json: 17 tokens are more than the model's context of 16; shorten the input/);
    const prefix = withText("--prompt", "a", "--prefix", "c".repeat(16), "--contrast", "1");
    await refused(prefix, /^--prompt: 17 tokens are more than the model's context of 16/);
  });

  test("text where there is no tokenizer or no template", async () => {
    await refused(
      ["attribute", "--model", bare, "--prompt", "a", "--contrast", "1"],
      /tokenizer\.json: .*or give token ids/,
    );
    await refused(withIds("--contrast", "text:a"), /tokenizer\.json: there is no such file/);
    const plain = writeTinyModel(join(folder, "plain"));
    writeTinyTokenizer(plain);
    const args = ["attribute", "--model", plain, "--chat", "a", "--contrast", "1"];
    await refused(args, /the model has no chat template; add chat_template\.jinja/);
  });

  test("models that are not whole", async () => {
    const cut = writeTinyModel(join(folder, "cut"));
    truncateSync(join(cut, "model.safetensors"), 100);
    const args = ["attribute", "--model", cut, "--ids", ids, "--contrast", "1"];
    await refused(args, /model\.safetensors: invalid header length: .*; download/);
  });
});
