/**
 * A model's tokenizer: byte-level BPE from `tokenizer.json` or a GGUF file, by the library @huggingface/tokenizers.
 * Encoding is the library's; decoding is done here, byte for byte, since a single token may be part of a character.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { InputError } from "../errors.ts";
import { type ChatMessage, type ChatOptions, type ChatTemplate, readChatTemplate, renderChatTemplate } from "./chat.ts";
import { isGgufPath, openGguf } from "./gguf/file.ts";
import { ggufTokenizerJson, tokenizerHashOf } from "./gguf/tokenizer.ts";
import { parseModelPath } from "./model_path.ts";
import { isJsonObject, type JsonObject, parseJson, readTextFile } from "./json.ts";
import { limited, timeForText, TimeLimitError } from "./limited.ts";

export interface DecodeOptions {
  /** Leaves special tokens out. */
  readonly skipSpecial?: boolean;
}

export interface Tokenizer {
  /**
   * Ids of a text. Special tokens in the text are parsed; none are added. Throws InputError when the tokenizer's patterns
   * take too long.
   */
  encode(text: string): number[];
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
  /** The conversation as the model's chat template writes it. Throws InputError when there is no template. */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): string;
  /** The id of a text that is exactly one token. Throws InputError at `where`, with the tokens it gives, when not. */
  single(text: string, where: string): number;
  /** SHA-256 of tokenizer.json, hexadecimal. */
  readonly hash: string;
}

const TOKENIZER = "tokenizer.json";
const TOKENIZER_CONFIG = "tokenizer_config.json";

/** What a tokenizer is read from: a folder's files, or what a GGUF file says. */
interface TokenizerSource {
  readonly json: JsonObject;
  /** The file that holds the tokenizer, and the one that holds its config, for errors. */
  readonly path: string;
  readonly configPath: string;
  readonly config: JsonObject;
  readonly template: ChatTemplate | undefined;
  readonly hash: string;
}

async function readFolder(dir: string): Promise<TokenizerSource> {
  const path = join(dir, TOKENIZER);
  const text = await readTextFile(path);
  if (text === undefined) {
    throw new InputError("there is no such file", path, "download it into the model's folder, or give token ids");
  }
  const configPath = join(dir, TOKENIZER_CONFIG);
  const configText = await readTextFile(configPath);
  const config = configText === undefined ? {} : parseJson(configText, configPath);
  if (!isJsonObject(config)) throw new InputError("is not a JSON object", configPath, "download the file again");
  const json = withAddedTokens(parseTokenizer(parseJson(text, path), path), config, configPath);
  const hash = createHash("sha256").update(text).digest("hex");
  return { json, path, configPath, config, template: await readChatTemplate(dir, config), hash };
}

function readGguf(path: string): TokenizerSource {
  const gguf = openGguf(path);
  gguf.close();
  const { tokenizer, config, template } = ggufTokenizerJson(gguf);
  const where = `${path} (tokenizer.chat_template)`;
  return {
    json: parseTokenizer(tokenizer, path),
    path,
    configPath: path,
    config,
    template: template === undefined ? undefined : { text: template, where },
    hash: tokenizerHashOf(gguf)!,
  };
}

/**
 * Loads the tokenizer of a model directory or of a GGUF file. Throws InputError when a file is missing, broken or not
 * supported.
 */
export async function loadTokenizer(model: string): Promise<Tokenizer> {
  const { base } = parseModelPath(model);
  const { json, path, configPath, config, template, hash } = isGgufPath(base) ? readGguf(base) : await readFolder(base);
  const library = openLibrary(json, path);
  const templateTokens = specialTokenNames(config);

  const added = library.get_added_tokens_decoder();
  const specialIds = [...added].filter(([, token]) => token.special).map(([id]) => id).sort((a, b) => a - b);
  const special = new Set(specialIds);
  const encode = (text: string): number[] => {
    try {
      return limited(timeForText(text.length), () => library.encode(text, { add_special_tokens: false }).ids);
    } catch (error) {
      if (!(error instanceof TimeLimitError)) throw error;
      throw new InputError(
        `a text of ${text.length} characters cannot be tokenised: ${error.message}`,
        path,
        "correct the patterns of its normalizer and pre_tokenizer",
      );
    }
  };
  // Kept once computed: importers show and spell the same tokens millions of times.
  const bytes = remembered((id: number): Uint8Array | undefined => {
    const content = added.get(id)?.content;
    if (content !== undefined) return new TextEncoder().encode(content);
    const token = library.id_to_token(id);
    return token === undefined ? undefined : tokenBytes(token);
  });
  const token = remembered((id: number): string => {
    const found = bytes(id);
    return found ? showBytes(found) : `<id ${id}>`;
  });
  return {
    encode,
    decode: (ids, { skipSpecial = false } = {}) => {
      const shown = skipSpecial ? ids.filter((id) => !special.has(id)) : ids;
      return decodeUtf8(shown.map((id) => bytes(id) ?? new Uint8Array()));
    },
    token,
    isSpecial: (id) => special.has(id),
    specialIds,
    chat: (messages, { thinking = false, addGenerationPrompt = true, tools } = {}) => {
      if (!template) {
        throw new InputError(
          "the model has no chat template",
          configPath,
          "add chat_template.jinja to the model's folder, or give a plain prompt",
        );
      }
      return renderChatTemplate(template, {
        ...templateTokens,
        messages,
        ...(tools ? { tools } : {}),
        enable_thinking: thinking,
        add_generation_prompt: addGenerationPrompt,
      });
    },
    single: (text, where) => {
      const ids = encode(text);
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
    hash,
  };
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

/** tokenizer.json, as far as it is looked at here. */
type TokenizerJson = JsonObject & { readonly added_tokens: readonly JsonObject[] };

function parseTokenizer(json: unknown, path: string): TokenizerJson {
  const model = isJsonObject(json) ? json["model"] : undefined;
  if (!isJsonObject(json) || !isJsonObject(model)) {
    throw new InputError("has no tokenizer model", path, "give the tokenizer.json that belongs to the model");
  }
  if (!hasByteLevel(json["decoder"])) {
    throw new InputError(
      "is not a byte-level tokenizer, the only kind supported",
      path,
      "use a model with a byte-level BPE tokenizer",
    );
  }
  const added = json["added_tokens"] ?? [];
  if (!Array.isArray(added) || !added.every(isJsonObject)) {
    throw new InputError("added_tokens is not a list of objects", path, "download the file again");
  }
  // Older files leave out what they do not use; the library wants each named.
  return { normalizer: null, pre_tokenizer: null, post_processor: null, ...json, added_tokens: added };
}

function hasByteLevel(decoder: unknown): boolean {
  if (!isJsonObject(decoder)) return false;
  const parts = decoder["decoders"];
  return decoder["type"] === "ByteLevel" || Array.isArray(parts) && parts.some(hasByteLevel);
}

/** As transformers does: tokens that only tokenizer_config.json adds belong to the tokenizer too. */
function withAddedTokens(json: TokenizerJson, config: JsonObject, where: string): TokenizerJson {
  const decoder = config["added_tokens_decoder"] ?? {};
  if (!isJsonObject(decoder)) {
    throw new InputError("added_tokens_decoder is not an object", where, "download the file again");
  }
  const known = new Set(json.added_tokens.map((token) => token["content"]));
  const more = Object.entries(decoder)
    .map(([id, token]) => ({ ...(isJsonObject(token) ? token : {}), id: Number(id) }) as JsonObject)
    .filter((token) => typeof token["content"] === "string" && !known.has(token["content"]));
  return { ...json, added_tokens: [...json.added_tokens, ...more] };
}

function openLibrary(json: JsonObject, path: string): Library {
  try {
    // Without tokenizer_config.json: what it could change here (spaces, case) is no part of encoding by tokenizer.json.
    return new Library(json, {});
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ");
    throw new InputError(`is not supported: ${reason}`, path, "use a model with a byte-level BPE tokenizer");
  }
}

/** The special tokens that templates call by name: `bos_token`, `eos_token`, ... */
function specialTokenNames(config: JsonObject): JsonObject {
  const named: [string, string][] = [];
  for (const [name, value] of Object.entries(config)) {
    const content = isJsonObject(value) ? value["content"] : value;
    if (/^[a-z]+_token$/.test(name) && typeof content === "string") named.push([name, content]);
  }
  return Object.fromEntries(named);
}

/**
 * Byte-level BPE writes each byte as one printable character (GPT-2's `bytes_to_unicode`): printable Latin-1 as itself,
 * the others as U+0100 and on, in their order.
 */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  (() => {
    const printable = (byte: number) =>
      byte >= 0x21 && byte <= 0x7e || byte >= 0xa1 && byte <= 0xac || byte >= 0xae && byte <= 0xff;
    let next = 0x100;
    return Array.from(
      { length: 256 },
      (_, byte) => [String.fromCharCode(printable(byte) ? byte : next++), byte] as const,
    );
  })(),
);

/** The bytes of a vocabulary entry; an entry outside the byte alphabet stands for its own text. */
function tokenBytes(token: string): Uint8Array {
  const bytes = Array.from(token, (character) => BYTE_OF_CHARACTER.get(character));
  return bytes.includes(undefined) ? new TextEncoder().encode(token) : Uint8Array.from(bytes as number[]);
}

function decodeUtf8(parts: readonly Uint8Array[]): string {
  // Streamed, so that characters which lie across tokens come out whole.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function showBytes(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = characterLength(bytes, at);
    text += length > 0
      ? strictUtf8.decode(bytes.subarray(at, at + length))
      : `<0x${bytes[at]!.toString(16).toUpperCase().padStart(2, "0")}>`;
    at += Math.max(1, length);
  }
  return text;
}

/** Bytes of the whole character that begins here, or 0 when none does. */
function characterLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + length > bytes.length) return 0;
  try {
    strictUtf8.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}
