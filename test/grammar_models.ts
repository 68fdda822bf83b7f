/** Files of models as their grammars have them, with odd values in them: config, tokenizer, templates, weights. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { field, ggufBytes, type HeaderPart, tensor, text, u32, u64, VALUE } from "./gguf_file.ts";
import { oddJson, record, usually } from "./grammar_records.ts";
import { TINY_CONFIG, TINY_TOKENIZER } from "./model_folder.ts";

const size = fc.oneof(fc.constantFrom(0, 1, 2, 4, 8, 12, 16, 64, 1e9, 2 ** 31, 2 ** 53), fc.nat(40));
const small = fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(0, 1e-6, 10_000, -1));
const rope = record({
  rope_type: fc.constantFrom("default", "linear", "dynamic", "yarn", "llama3", "longrope", "x"),
  type: fc.constantFrom("linear", "yarn", "su"),
  factor: small,
  rope_theta: small,
  low_freq_factor: small,
  high_freq_factor: small,
  original_max_position_embeddings: size,
  short_factor: fc.array(small, { maxLength: 5 }),
  long_factor: fc.array(small, { maxLength: 5 }),
  attention_factor: small,
  beta_fast: small,
  beta_slow: small,
  partial_rotary_factor: small,
  mrope_section: fc.array(size, { maxLength: 3 }),
});

/** What transformers writes for a small model of each family. */
const FAMILIES = [
  TINY_CONFIG,
  ...Object.values(
    JSON.parse(readFileSync(new URL("data/gguf/families.json", import.meta.url), "utf8")) as Readonly<
      Record<string, { readonly config: Readonly<Record<string, unknown>> }>
    >,
  ).map(({ config }) => config),
];

/** config.json of a family, some fields of it changed. */
export const configs: fc.Arbitrary<unknown> = fc.tuple(
  fc.oneof(
    { arbitrary: fc.constantFrom(...FAMILIES), weight: 9 },
    { arbitrary: fc.constantFrom(...FAMILIES).map((json) => ({ ...json, model_type: "nobody" })), weight: 1 },
  ),
  fc.record({
    architectures: usually(
      fc.array(fc.constantFrom("Qwen3ForCausalLM", "LlamaForCausalLM", "Gemma3ForConditionalGeneration"), {
        maxLength: 2,
      }),
    ),
    vocab_size: usually(size),
    hidden_size: usually(size),
    intermediate_size: usually(size),
    num_hidden_layers: usually(size),
    num_attention_heads: usually(size),
    num_key_value_heads: usually(size),
    head_dim: usually(size),
    rms_norm_eps: usually(small),
    layer_norm_eps: usually(small),
    rope_theta: usually(small),
    rope_scaling: fc.oneof(rope, oddJson),
    rope_parameters: fc.oneof(
      rope,
      fc.dictionary(fc.constantFrom("full_attention", "sliding_attention"), rope),
      oddJson,
    ),
    layer_types: usually(fc.array(fc.constantFrom("full_attention", "sliding_attention", "x"), { maxLength: 4 })),
    sliding_window: usually(size),
    sliding_window_pattern: usually(size),
    max_position_embeddings: usually(size),
    tie_word_embeddings: usually(fc.boolean()),
    hidden_act: usually(fc.constantFrom("silu", "gelu", "gelu_pytorch_tanh", "relu", "gelu_new")),
    attn_logit_softcapping: usually(small),
    final_logit_softcapping: usually(small),
    query_pre_attn_scalar: usually(small),
    partial_rotary_factor: usually(small),
    logit_scale: usually(small),
    num_experts: usually(size),
    num_experts_per_tok: usually(size),
    quantization_config: usually(
      record({ quant_method: fc.constantFrom("gptq", "awq", "bitsandbytes", "fp8"), bits: size, group_size: size }),
    ),
    text_config: fc.constant({ ...TINY_CONFIG }),
    eos_token_id: fc.oneof(size, fc.array(size, { maxLength: 3 })),
  }),
  fc.array(fc.nat(99), { maxLength: 3 }),
).map(([json, changes, chosen]) => {
  const all = Object.entries(changes);
  return { ...json, ...Object.fromEntries(chosen.map((one) => all[one % all.length]!)) };
});

/** Regular expressions as tokenizers have them, the ones that never end too. */
const pattern: fc.Arbitrary<string> = fc.letrec<{ regex: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    fc.constantFrom(
      "a",
      "b",
      ".",
      "\\s",
      "\\S+",
      "\\p{L}",
      "\\p{N}{1,3}",
      "[^\\r\\n\\p{L}]",
      "[a-c]",
      "^",
      "$",
      "\\b",
      "\\n",
      "é",
      "(?i:'s|'t)",
      "(?=b)",
      "(?!\\S)",
      "\\X",
      "(?<!a)",
      "[[:alpha:]]",
      "\\h",
      "(?>a)",
      "\\1",
    ),
    tie("regex").map((inner) => `(${inner})`),
    tie("regex").map((inner) => `(?:${inner})`),
  ),
  regex: fc.array(fc.tuple(tie("atom"), fc.constantFrom("", "", "+", "*", "?", "++", "{1,2}", "{,3}", "+?", "|")), {
    minLength: 1,
    maxLength: 4,
  })
    .map((parts) => parts.map((part) => part.join("")).join("")),
})).regex;
const patternJson = fc.oneof(
  pattern.map((Regex) => ({ Regex })),
  fc.constantFrom("a", "", " ").map((String) => ({ String })),
  oddJson,
);
const short = fc.constantFrom("", "a", "▁", "Ġ", "Ä", " ", "\ud83d", "ab");

const normalizer: fc.Arbitrary<unknown> = fc.letrec<{ one: unknown }>((tie) => ({
  one: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom("NFC", "NFKD", "Lowercase", "ByteLevel", "StripAccents", "Nmt").map((type) => ({ type })),
    record({ type: fc.constant("Replace"), pattern: patternJson, content: short }),
    record({ type: fc.constant("Prepend"), prepend: short }),
    record({ type: fc.constant("Strip"), strip_left: fc.boolean(), strip_right: fc.boolean() }),
    record({ type: fc.constant("Sequence"), normalizers: fc.array(tie("one"), { maxLength: 3 }) }),
  ),
})).one;
const preTokenizer: fc.Arbitrary<unknown> = fc.letrec<{ one: unknown }>((tie) => ({
  one: fc.oneof(
    { maxDepth: 3 },
    record({
      type: fc.constant("ByteLevel"),
      add_prefix_space: fc.boolean(),
      trim_offsets: fc.boolean(),
      use_regex: fc.boolean(),
    }),
    record({
      type: fc.constant("Split"),
      pattern: patternJson,
      behavior: fc.constantFrom("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"),
      invert: fc.boolean(),
    }),
    record({
      type: fc.constant("Metaspace"),
      replacement: short,
      prepend_scheme: fc.constantFrom("always", "never", "first"),
      split: fc.boolean(),
    }),
    record({ type: fc.constant("Digits"), individual_digits: fc.boolean() }),
    fc.constantFrom("Whitespace", "BertPreTokenizer", "Punctuation", "WhitespaceSplit").map((type) => ({ type })),
    record({ type: fc.constant("Sequence"), pretokenizers: fc.array(tie("one"), { maxLength: 3 }) }),
  ),
})).one;
const decoder: fc.Arbitrary<unknown> = fc.letrec<{ one: unknown }>((tie) => ({
  one: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom("ByteLevel", "ByteFallback", "Fuse", "WordPiece").map((type) => ({ type })),
    record({ type: fc.constant("Replace"), pattern: patternJson, content: short }),
    record({ type: fc.constant("Strip"), content: short, start: size, stop: size }),
    record({ type: fc.constant("Metaspace"), replacement: short }),
    record({ type: fc.constant("Sequence"), decoders: fc.array(tie("one"), { maxLength: 3 }) }),
  ),
})).one;
const pieces = fc.constantFrom("a", "b", "ab", "Ġ", "Ġa", "▁", "▁a", "<0x0A>", "<unk>", "bb", "", "ð");

/** A tokenizer.json, and a text to encode with it. */
export const tokenizers: fc.Arbitrary<{ readonly json: unknown; readonly config: unknown; readonly text: string }> = fc
  .record({
    json: fc.record({
      version: fc.constant("1.0"),
      added_tokens: usually(
        fc.array(
          record({
            id: size,
            content: short,
            special: fc.boolean(),
            lstrip: fc.boolean(),
            rstrip: fc.boolean(),
            normalized: fc.boolean(),
            single_word: fc.boolean(),
          }),
          { maxLength: 3 },
        ),
      ),
      normalizer: fc.oneof(fc.constant(null), normalizer),
      pre_tokenizer: fc.oneof(fc.constant(TINY_TOKENIZER.pre_tokenizer), fc.constant(null), preTokenizer),
      post_processor: usually(record({
        type: fc.constantFrom("TemplateProcessing", "ByteLevel", "Sequence"),
        single: fc.array(
          record({
            SpecialToken: record({ id: short, type_id: size }),
            Sequence: record({ id: short, type_id: size }),
          }),
          { maxLength: 3 },
        ),
        special_tokens: fc.dictionary(
          short,
          record({ id: short, ids: fc.array(size, { maxLength: 2 }), tokens: fc.array(short, { maxLength: 2 }) }),
          { maxKeys: 2 },
        ),
      })),
      decoder: fc.oneof(fc.constant(TINY_TOKENIZER.decoder), fc.constant(null), decoder),
      model: fc.oneof(
        fc.constant(TINY_TOKENIZER.model),
        record({
          type: fc.constantFrom("BPE", "BPE", "BPE", "Unigram", "WordPiece"),
          vocab: fc.oneof(
            fc.dictionary(pieces, size, { maxKeys: 9 }),
            fc.array(fc.tuple(pieces, small), { maxLength: 6 }),
          ),
          merges: fc.array(fc.oneof(fc.tuple(pieces, pieces), fc.constantFrom("a b", "b  b", "ab", "a b c")), {
            maxLength: 5,
          }),
          unk_token: pieces,
          byte_fallback: fc.boolean(),
          ignore_merges: fc.boolean(),
          dropout: small,
          continuing_subword_prefix: short,
          end_of_word_suffix: short,
        }),
      ),
    }),
    config: record({
      add_bos_token: fc.boolean(),
      bos_token: fc.oneof(short, record({ content: short })),
      chat_template: fc.constant("{{ messages }}"),
      added_tokens_decoder: fc.dictionary(
        fc.constantFrom("0", "x", "12"),
        record({ content: short, special: fc.boolean() }),
        { maxKeys: 2 },
      ),
    }),
    text: fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 20 }),
      fc.constantFrom("ab ab", "a".repeat(24) + "b", "\n\n a", "<|end|>a", "\ud800", ""),
    ),
  });

const names = [
  "messages",
  "message",
  "loop",
  "bos_token",
  "tools",
  "x",
  "ns",
  "add_generation_prompt",
  "enable_thinking",
];
const filters = [
  "trim",
  "tojson",
  "upper",
  "length",
  "list",
  "join(',')",
  "default('a')",
  "first",
  "last",
  "items",
  "string",
  "int",
  "replace('a', 'aa')",
  "selectattr('role', 'equalto', 'user')",
  "map(attribute='content')",
  "reverse",
  "sort",
  "unique",
  "safe",
  "indent(2)",
  "nobody",
  "dictsort",
  "tojson(indent=10000)",
];
/** Values, and what templates may call on nothing. */
const LITERALS = [
  "1",
  "0",
  "-1",
  "1e3",
  "'a'",
  '"b"',
  "none",
  "true",
  "[]",
  "{}",
  "2 ** 3",
  "99999999999999999999",
  "range(3)",
  "range(100000)",
  "namespace(a=1)",
  "message['content']",
  "message.role",
  "messages[0]",
  "messages[-1].content",
  "messages[1:]",
  "messages[::-1]",
  "''.join",
  "self",
  "super()",
  "cycler('a')",
  "lipsum()",
];

/** Chat templates by the grammar of Jinja: statements within statements, expressions, filters, tests. */
export const templates: fc.Arbitrary<string> =
  fc.letrec<{ expression: string; statement: string; body: string }>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(...names, ...LITERALS),
      fc.tuple(tie("expression"), fc.constantFrom(...filters)).map(([a, filter]) => `(${a}) | ${filter}`),
      fc.tuple(
        tie("expression"),
        fc.constantFrom("+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or", "**"),
        tie("expression"),
      )
        .map((parts) => `(${parts.join(" ")})`),
      fc.tuple(
        tie("expression"),
        fc.constantFrom("defined", "string", "none", "mapping", "iterable", "odd", "divisibleby(0)", "nobody"),
      ).map(([a, test]) => `(${a}) is ${test}`),
      fc.tuple(
        tie("expression"),
        fc.constantFrom(
          "strip()",
          "split('a')",
          "startswith('a')",
          "items()",
          "keys()",
          "get('a')",
          "upper",
          "__class__",
          "constructor",
          "__proto__",
          "format(1)",
          "append(1)",
          "update({})",
          "replace('', 'aaaa')",
        ),
      )
        .map(([a, call]) => `(${a}).${call}`),
      fc.tuple(tie("expression"), tie("expression"), tie("expression")).map(([a, b, c]) => `(${a} if ${b} else ${c})`),
      fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => `[${a}, {'a': ${b}}]`),
      tie("expression").map((a) => `not (${a})`),
      tie("expression").map((a) => `raise_exception(${a})`),
    ),
    statement: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(
        "a",
        "\n",
        "{# c #}",
        "{%- break -%}",
        "{% continue %}",
        "{{",
        "{% x %}",
        "{% raw %}{{ a }}{% endraw %}",
        "{% generation %}a{% endgeneration %}",
      ),
      fc.tuple(fc.constantFrom("{{", "{{-"), tie("expression"), fc.constantFrom("}}", "-}}")).map((parts) =>
        parts.join(" ")
      ),
      fc.tuple(fc.constantFrom("message", "x", "a, b"), tie("expression"), tie("body")).map(([name, a, body]) =>
        `{% for ${name} in ${a} %}${body}{% endfor %}`
      ),
      fc.tuple(tie("expression"), tie("body"), tie("body")).map(([a, one, other]) =>
        `{%- if ${a} -%}${one}{% else %}${other}{% endif %}`
      ),
      fc.tuple(fc.constantFrom("x", "ns.a", "message", "x, y"), tie("expression")).map(([name, a]) =>
        `{% set ${name} = ${a} %}`
      ),
      fc.tuple(fc.constantFrom("m", "x"), tie("body"), tie("expression")).map(([name, body, a]) =>
        `{% macro ${name}(a, b=1) %}${body}{% endmacro %}{{ ${name}(${a}) }}`
      ),
      fc.tuple(fc.constantFrom("trim", "upper"), tie("body")).map(([name, body]) =>
        `{% filter ${name} %}${body}{% endfilter %}`
      ),
      tie("body").map((body) =>
        `{% set ns = namespace(x='a') %}{% for x in range(30) %}{% set ns.x = ns.x ~ ns.x %}${body}{% endfor %}`
      ),
    ),
    body: fc.array(tie("statement"), { maxLength: 3 }).map((parts) => parts.join("")),
  })).body;

const dtype = fc.constantFrom("F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "F4", "X");
const place = fc.oneof(fc.nat(64), fc.constantFrom(-1, 0.5, 2 ** 31, 2 ** 53, 2 ** 60, 1e300));

interface SafetensorsParts {
  readonly header: unknown;
  /** Bytes of data behind the header. */
  readonly bytes: number;
}

/** Any tensors, with any number of bytes. */
const oddTensors: fc.Arbitrary<SafetensorsParts> = fc.record({
  header: fc.oneof(
    fc.dictionary(
      fc.constantFrom("a", "b.weight", "", "__metadata__", "\0", "model.embed_tokens.weight"),
      usually(record({
        dtype,
        shape: fc.array(usually(place), { maxLength: 4 }),
        data_offsets: fc.tuple(place, place),
      })),
      { maxKeys: 4 },
    ),
    oddJson,
  ),
  bytes: fc.nat(200),
});

/** Right ones, one after the other, with their bytes. */
const rightTensors: fc.Arbitrary<SafetensorsParts> = fc.array(
  fc.tuple(fc.constantFrom("F32", "F16", "U8"), fc.array(fc.nat(4), { maxLength: 3 })),
  { maxLength: 4 },
).map((tensors) => {
  let end = 0;
  const header = Object.fromEntries(tensors.map(([dtype, shape], index) => {
    const bytes = shape.reduce((product, length) => product * length, 1) * { F32: 4, F16: 2, U8: 1 }[dtype]!;
    return [`t${index}`, { dtype, shape, data_offsets: [end, end += bytes] }];
  }));
  return { header, bytes: end };
});

/** A safetensors file: a header by its grammar before some bytes, its length right or not. */
export const safetensors: fc.Arbitrary<Uint8Array> = fc.tuple(
  fc.oneof(oddTensors, rightTensors),
  fc.constantFrom(0, 0, 0, 0, -1, 1, 8, 2n ** 63n, 100_000_001),
  fc.constantFrom("", " ", "   ", "x", "\n"),
).map(([{ header, bytes }, wrong, end]) => {
  const encoded = new TextEncoder().encode(JSON.stringify(header) + end);
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, BigInt.asUintN(64, BigInt(encoded.length) + BigInt(wrong)), true);
  return new Uint8Array(Buffer.concat([new Uint8Array(length.buffer), encoded, new Uint8Array(bytes)]));
});

const count = fc.oneof({ arbitrary: fc.nat(5), weight: 8 }, {
  arbitrary: fc.constantFrom(2 ** 31, 2 ** 40, 2 ** 53, 2n ** 63n),
  weight: 1,
});
const scalar: fc.Arbitrary<readonly [type: number, parts: readonly HeaderPart[]]> = fc.oneof(
  fc.nat().map((value) => [VALUE.u32, [u32(value)]] as const),
  fc.nat(9).map((value) => [VALUE.bool, [{ byte: value }]] as const),
  fc.double({ noNaN: true }).map((value) => [VALUE.f32, [{ f32: value }]] as const),
  fc.constantFrom("", "llama", "gpt2", "\0", "{{ messages }}").map((value) => [VALUE.text, [text(value)]] as const),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => [VALUE.u64, [u64(value)]] as const),
  fc.nat(40).map((type) => [type, [u32(1)]] as const),
);
/** Lists of lists of lists, with counts that may lie. */
const value: fc.Arbitrary<readonly [type: number, parts: readonly HeaderPart[]]> =
  fc.letrec<{ value: readonly [number, readonly HeaderPart[]] }>((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, { arbitrary: scalar, weight: 3 }, {
      arbitrary: fc.tuple(tie("value"), fc.nat(3), fc.option(count, { freq: 3 })).map(([[type, parts], times, lie]) =>
        [VALUE.list, [u32(type), u64(lie ?? times), ...Array.from({ length: times }, () => parts).flat()]] as const
      ),
      weight: 1,
    }),
  })).value;
const KEYS = [
  "general.architecture",
  "general.alignment",
  "llama.block_count",
  "llama.context_length",
  "llama.embedding_length",
  "llama.attention.head_count",
  "llama.rope.freq_base",
  "tokenizer.ggml.model",
  "tokenizer.ggml.tokens",
  "tokenizer.ggml.merges",
  "tokenizer.ggml.token_type",
  "tokenizer.ggml.scores",
  "tokenizer.ggml.eos_token_id",
  "tokenizer.chat_template",
  "general.file_type",
  "split.count",
  "",
];

/** A GGUF file: a header by its grammar. */
export const ggufs: fc.Arbitrary<Uint8Array> = fc.record({
  version: fc.constantFrom(3, 3, 3, 2, 1, 0, 4),
  architecture: fc.constantFrom("llama", "qwen3", "gemma3", "nobody"),
  fields: fc.array(fc.tuple(fc.constantFrom(...KEYS), value), { maxLength: 6 }),
  tensors: fc.array(
    fc.record({
      name: fc.constantFrom("token_embd.weight", "output_norm.weight", "blk.0.attn_q.weight", "", "x".repeat(70)),
      sizes: fc.array(fc.oneof(fc.constantFrom(32, 64, 256), count), { maxLength: 5 }),
      type: fc.oneof(fc.constantFrom(0, 1, 2, 8, 12, 30), fc.nat(60)),
      offset: fc.oneof(fc.constantFrom(0, 32, 64, 1), count),
    }),
    { maxLength: 4 },
  ),
  data: fc.nat(300),
  counts: fc.option(fc.tuple(count, count), { freq: 4 }),
  cut: fc.option(fc.nat(400), { freq: 4 }),
}).map(({ version, architecture, fields, tensors, data, counts, cut }) => {
  const bytes = ggufBytes({
    version,
    fields: [
      field("general.architecture", architecture),
      ...fields.map(([name, [type, parts]]) => [text(name), u32(type), ...parts]),
    ],
    tensors: tensors.map(tensor),
    data: new Uint8Array(data),
    ...(counts ? { counts } : {}),
  });
  return cut === null ? bytes : bytes.subarray(0, cut);
});
