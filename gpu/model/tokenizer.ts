/**
 * A model's tokenizer: byte pair encoding from `tokenizer.json`, over bytes (GPT-2, Llama 3, Qwen, Olmo) or over
 * characters as sentencepiece has it (Llama 2, Mistral, Gemma, Phi-3), with the results of Hugging Face's tokenizers
 * library. Decoding is byte for byte, since a single token may be part of a character.
 */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../errors.ts";
import {
  type ChatMessage,
  type ChatOptions,
  type ChatTemplates,
  chatThinking,
  configTemplates,
  readChatTemplates,
  renderChat,
} from "./chat.ts";
import { isGgufPath, openGguf } from "./gguf/file.ts";
import { ggufTokenizerJson, tokenizerHashOf } from "./gguf/tokenizer.ts";
import { isJsonObject, type JsonObject, parseJson, readTextFile } from "./json.ts";
import { limited, timeForText, TimeLimitError } from "./limited.ts";
import { parseModelPath } from "./model_path.ts";
import type { ThinkingMode } from "./thinking.ts";
import { type AddedToken, findAddedTokens, readAddedToken } from "./tokenizer/added_tokens.ts";
import { type BytePairEncoding, readBytePairEncoding } from "./tokenizer/bpe.ts";
import { decodeUtf8, showBytes } from "./tokenizer/bytes.ts";
import { readDecoder } from "./tokenizer/decoder.ts";
import { type Normalizer, readNormalizer } from "./tokenizer/normalizer.ts";
import type { Step } from "./tokenizer/pieces.ts";
import { readPreTokenizer } from "./tokenizer/pre_tokenizer.ts";

export interface EncodeOptions {
  /**
   * The text goes on where another one ended, so that no space is put before it. Only tokenizers of sentencepiece's kind
   * tell the two apart.
   */
  readonly continues?: boolean;
}

export interface DecodeOptions {
  /** Leaves special tokens out. */
  readonly skipSpecial?: boolean;
  /** The ids go on where others ended, so that the text keeps the space that it begins with. */
  readonly continues?: boolean;
}

export interface Tokenizer {
  /**
   * Ids of a text. Special tokens in the text are parsed; none are added. Throws InputError when the tokenizer's patterns
   * take too long.
   */
  encode(text: string, options?: EncodeOptions): number[];
  /** Ids of a plain prompt: as `encode`, after the token that the tokenizer puts before every text, if it has one. */
  prompt(text: string): number[];
  /** The text of ids. Ids without a token give nothing, as in Hugging Face; broken UTF-8 gives U+FFFD. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /**
   * How one token is shown: its text. Bytes that are no whole character by themselves are shown as `<0xF0>`, one each,
   * and an id without a token as `<id 151700>`, so that no two tokens hide behind one replacement character.
   */
  token(id: number): string;
  /** True for tokens that the tokenizer marks as special, for example `<|im_end|>`. */
  isSpecial(id: number): boolean;
  /** Ascending. */
  readonly specialIds: readonly number[];
  /** Ids of tokens from `vocabulary` on, ascending: those that a model of so many embeddings does not have. */
  idsBeyond(vocabulary: number): readonly number[];
  /** The conversation as the model's chat template writes it. Throws InputError when there is no template. */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): string;
  /** How the model thinks before it answers, by its chat template; null where it has no thinking mode, or no template. */
  thinking(): ThinkingMode | null;
  /** The id of a text that is exactly one token. Throws InputError at `where`, with the tokens it gives, when not. */
  single(text: string, where: string): number;
  /** SHA-256 of tokenizer.json, hexadecimal. */
  readonly hash: string;
}

const TOKENIZER = "tokenizer.json";
const TOKENIZER_CONFIG = "tokenizer_config.json";

/**
 * Loads the tokenizer of a model directory or of a GGUF file. Throws InputError when a file is missing, broken or not
 * supported.
 */
export async function loadTokenizer(model: string): Promise<Tokenizer> {
  const { base } = parseModelPath(model);
  return makeTokenizer(isGgufPath(base) ? readGguf(base) : await readFolder(base));
}

async function readFolder(dir: string): Promise<TokenizerSource> {
  const path = join(dir, TOKENIZER);
  const text = await readTextFile(path);
  if (text === undefined) throw await withoutTokenizer(dir, path);
  const configPath = join(dir, TOKENIZER_CONFIG);
  const configText = await readTextFile(configPath);
  const config = configText === undefined ? {} : parseJson(configText, configPath);
  if (!isJsonObject(config)) throw new InputError("is not a JSON object", configPath, "download the file again");
  return {
    json: parseJson(text, path),
    path,
    config,
    configPath,
    templates: await readChatTemplates(dir, config),
    hash: createHash("sha256").update(text).digest("hex"),
  };
}

/** Older tokenizers, which transformers can write as tokenizer.json. */
const OTHER_TOKENIZERS = ["tokenizer.model", "vocab.json", "spiece.model"] as const;

async function withoutTokenizer(dir: string, path: string): Promise<InputError> {
  const names = await readdir(dir).catch(() => [] as string[]);
  const other = OTHER_TOKENIZERS.find((name) => names.includes(name));
  if (other === undefined) {
    return new InputError("there is no such file", path, "download it into the model's folder, or give token ids");
  }
  const folder = JSON.stringify(dir);
  return new InputError(
    `there is no such file, and ${other} alone is not read`,
    path,
    `convert it: python -c 'from transformers import AutoTokenizer as T; T.from_pretrained(${folder}).save_pretrained(${folder})'`,
  );
}

function readGguf(path: string): TokenizerSource {
  const gguf = openGguf(path);
  gguf.close();
  const { tokenizer, config, template } = ggufTokenizerJson(gguf);
  const where = `${path} (tokenizer.chat_template)`;
  return {
    json: tokenizer,
    path,
    config,
    configPath: path,
    templates: configTemplates({ chat_template: template }, where),
    hash: tokenizerHashOf(gguf)!,
  };
}

/** What a tokenizer is made of: a folder's files, or what a GGUF file says. */
export interface TokenizerSource {
  /** As in tokenizer.json. */
  readonly json: unknown;
  /** The file that holds the tokenizer, and the one that holds its config, for errors. */
  readonly path: string;
  readonly configPath: string;
  /** As in tokenizer_config.json. */
  readonly config: JsonObject;
  readonly templates: ChatTemplates;
  readonly hash: string;
}

/** Throws InputError for what is broken or not supported. */
export function makeTokenizer({ json, path, config, configPath, templates, hash }: TokenizerSource): Tokenizer {
  const model = { templates, tokens: specialTokenNames(config), where: configPath };
  const chat: Tokenizer["chat"] = (messages, options = {}) => renderChat(model, messages, options);
  return { ...readCoding(json, path, config, configPath), chat, thinking: () => chatThinking(model), hash };
}

/** What encodes and decodes: a tokenizer without its chat template. */
type Coding = Omit<Tokenizer, "chat" | "thinking" | "hash">;

/** Makes the coding of a parsed tokenizer.json and tokenizer_config.json. Throws InputError. */
function readCoding(json: unknown, where: string, config: JsonObject, whereConfig: string): Coding {
  const model = isJsonObject(json) ? json["model"] : undefined;
  if (!isJsonObject(json) || !isJsonObject(model)) {
    throw new InputError("has no tokenizer model", where, "give the tokenizer.json that belongs to the model");
  }
  const bpe = readBytePairEncoding(model, where);
  const added = readAddedTokens(json, where, config, whereConfig);
  const normalize = readNormalizer(json["normalizer"], where);
  const words = readPreTokenizer(json["pre_tokenizer"], where);
  const encode = inTime(
    // The normalizer's patterns run over the contents of added tokens.
    addedInTime(added, where, () => encoder(normalize, words, bpe, added)),
    where,
  );
  const first = firstToken(json, config, added);
  const cutsBytes = isByteLevel(json);
  const decoder = readDecoder(json["decoder"], cutsBytes, where);

  const addedById = new Map(added.map((token) => [token.id, token]));
  const specialIds = [...addedById.values()].filter(({ special }) => special).map(({ id }) => id).sort(ascending);
  const special = new Set(specialIds);
  // Kept once computed: importers show and spell the same tokens millions of times.
  const bytes = remembered((id: number): Uint8Array | undefined => {
    const own = addedById.get(id);
    if (own && cutsBytes) return utf8(own.content);
    // What is found in a normalized text stands for what it was normalized from: " </s>" for Llama 2's "</s>".
    if (own) {
      return decoder.bytesOf(
        own.normalized ? addedInTime([own], where, () => normalize(own.content, false)) : own.content,
      );
    }
    const token = bpe.tokenOf[id];
    return token === undefined ? undefined : decoder.bytesOf(token);
  });
  const token = remembered((id: number): string => {
    const own = addedById.get(id)?.content;
    const found = own === undefined ? bytes(id) : cutsBytes ? utf8(own) : decoder.bytesOf(own);
    return found ? showBytes(found) : `<id ${id}>`;
  });
  return {
    encode: (text, { continues = false } = {}) => encode(text, continues),
    prompt: (text) =>
      first && !text.startsWith(first.content) ? [first.id, ...encode(text, false)] : encode(text, false),
    decode: (ids, { skipSpecial = false, continues = false } = {}) => {
      const shown = skipSpecial ? ids.filter((id) => !special.has(id)) : ids;
      const text = decodeUtf8(shown.map((id) => bytes(id) ?? new Uint8Array()));
      return continues ? text : text.slice(leadingSpaces(text, decoder.strippedSpaces));
    },
    token,
    isSpecial: (id) => special.has(id),
    specialIds,
    idsBeyond: (vocabulary) =>
      [...new Set([...bpe.idOf.values(), ...addedById.keys()])].filter((id) => id >= vocabulary).sort(ascending),
    single: (text, where) => {
      const ids = encode(text, true);
      if (ids.length === 1) return ids[0]!;
      const listed = ids.slice(0, 8).map((id) => `${id} ${JSON.stringify(token(id))}`).join(", ");
      throw new InputError(
        `${JSON.stringify(text)} is ${ids.length} tokens, not one${ids.length > 0 ? `: ${listed}` : ""}${
          ids.length > 8 ? ", ..." : ""
        }`,
        where,
        "give a text that is exactly one token, or a token id",
      );
    },
  };
}

/** Patterns come with the model and may run without end. */
function inTime<Options>(encode: (text: string, options: Options) => number[], where: string): typeof encode {
  return (text, options) => {
    try {
      return limited(timeForText(text.length), () => encode(text, options));
    } catch (error) {
      if (!(error instanceof TimeLimitError)) throw error;
      throw new InputError(
        `a text of ${text.length} characters cannot be tokenised: ${error.message}`,
        where,
        "correct the patterns of its normalizer and pre_tokenizer",
      );
    }
  };
}

/** The same for what is made of added tokens. */
function addedInTime<Result>(added: readonly AddedToken[], where: string, work: () => Result): Result {
  try {
    return limited(timeForText(added.reduce((sum, { content }) => sum + content.length, 0)), work);
  } catch (error) {
    if (!(error instanceof TimeLimitError)) throw error;
    throw new InputError(
      `its added tokens cannot be normalised: ${error.message}`,
      where,
      "correct the patterns of its normalizer",
    );
  }
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const ascending = (one: number, other: number): number => one - other;

/** Spaces at the start of a text, at most this many. */
function leadingSpaces(text: string, most: number): number {
  let count = 0;
  while (count < most && text[count] === " ") count++;
  return count;
}

/** The way of a text: added tokens, normalizer, added tokens again, words, merges. */
function encoder(normalize: Normalizer, words: Step, bpe: BytePairEncoding, added: readonly AddedToken[]) {
  const findRaw = findAddedTokens(added.filter(({ normalized }) => !normalized).map((one) => [one.content, one]));
  const findNormalized = findAddedTokens(
    added.filter(({ normalized }) => normalized).map((one) => [normalize(one.content, false), one]),
  );
  return (text: string, continues: boolean): number[] => {
    const ids: number[] = [];
    for (const found of findRaw(text.toWellFormed())) {
      if (typeof found === "number") {
        ids.push(found);
        continue;
      }
      const isFirst = found.start === 0;
      for (const part of findNormalized(normalize(found.text, continues && isFirst))) {
        if (typeof part === "number") {
          ids.push(part);
          continue;
        }
        const piece = { text: part.text, isFirst: isFirst && part.start === 0 };
        for (const word of words([piece], continues)) for (const id of bpe.encode(word.text)) ids.push(id);
      }
    }
    return ids;
  };
}

/** Whether some part cuts the text into bytes. */
function isByteLevel(json: JsonObject): boolean {
  const has = (part: unknown): boolean => {
    if (!isJsonObject(part)) return false;
    const inner = [part["normalizers"], part["pretokenizers"]].flat();
    return part["type"] === "ByteLevel" || inner.some(has);
  };
  return has(json["normalizer"]) || has(json["pre_tokenizer"]);
}

/** As transformers does: tokens that only tokenizer_config.json adds belong to the tokenizer too. */
function readAddedTokens(json: JsonObject, where: string, config: JsonObject, whereConfig: string): AddedToken[] {
  const own = json["added_tokens"] ?? [];
  if (!Array.isArray(own) || !own.every(isJsonObject)) {
    throw new InputError("added_tokens is not a list of objects", where, "download the file again");
  }
  const decoder = config["added_tokens_decoder"] ?? {};
  if (!isJsonObject(decoder)) {
    throw new InputError("added_tokens_decoder is not an object", whereConfig, "download the file again");
  }
  const tokens = own.map((token) => readAddedToken(token, where));
  const known = new Set(tokens.map(({ content }) => content));
  for (const [id, token] of Object.entries(decoder)) {
    if (!isJsonObject(token) || typeof token["content"] !== "string" || known.has(token["content"])) continue;
    tokens.push(readAddedToken({ ...token, id: Number(id) }, whereConfig));
  }
  return tokens;
}

/** The token that goes before every plain text: by the post-processor, unless tokenizer_config.json says otherwise. */
function firstToken(json: JsonObject, config: JsonObject, added: readonly AddedToken[]): AddedToken | undefined {
  if (config["add_bos_token"] === false) return undefined;
  const named = config["add_bos_token"] === true ? contentOf(config["bos_token"]) : undefined;
  const content = templateStart(json["post_processor"]) ?? named;
  return added.find((token) => token.content === content);
}

function templateStart(processor: unknown): string | undefined {
  if (!isJsonObject(processor)) return undefined;
  if (Array.isArray(processor["processors"])) {
    return processor["processors"].map(templateStart).find((found) => found !== undefined);
  }
  const [first] = Array.isArray(processor["single"]) ? processor["single"] : [];
  const special = isJsonObject(first) ? first["SpecialToken"] : undefined;
  return isJsonObject(special) && typeof special["id"] === "string" ? special["id"] : undefined;
}

/** Ids that are remembered at most: vocabularies are smaller, but ids without a token could be endless. */
const MOST_IDS = 1 << 19;

/** The same function of an id, computed once for each. */
function remembered<Value>(compute: (id: number) => Value): (id: number) => Value {
  const known = new Map<number, Value>();
  return (id) => {
    if (known.has(id)) return known.get(id) as Value;
    const value = compute(id);
    if (known.size < MOST_IDS) known.set(id, value);
    return value;
  };
}

/** A special token's text, given as such or as an object. */
function contentOf(value: unknown): string | undefined {
  const content = isJsonObject(value) ? value["content"] : value;
  return typeof content === "string" ? content : undefined;
}

/** The special tokens that templates call by name: `bos_token`, `eos_token`, ... */
function specialTokenNames(config: JsonObject): JsonObject {
  const named = Object.entries(config)
    .map(([name, value]) => [name, contentOf(value)] as const)
    .filter(([name, content]) => /^[a-z]+_token$/.test(name) && content !== undefined);
  return Object.fromEntries(named);
}
