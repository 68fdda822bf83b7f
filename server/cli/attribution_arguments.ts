/** The arguments of the verbs that start from an attribution: what they are, and how they are read and checked. */
import { readFile } from "node:fs/promises";
import { type AttributionRequest, type Rule, RULES } from "../../gpu/engine.ts";
import { InputError } from "../../gpu/errors.ts";
import type { ModelConfig } from "../../gpu/model/config.ts";
import { openModelDirectory } from "../../gpu/model/directory.ts";
import { parseJson } from "../../gpu/model/json.ts";
import { loadTokenizer, type Tokenizer } from "../../gpu/model/tokenizer.ts";
import { optionText, requiredText, type Verb, type VerbContext, type VerbOption } from "./verb.ts";

/** Options that say what is attributed. */
export const ATTRIBUTION_OPTIONS: Readonly<Record<string, VerbOption>> = {
  model: { type: "string", value: "MODEL", help: "model directory" },
  prompt: { type: "string", value: "TEXT", help: "input as plain text; special tokens in it are parsed" },
  chat: { type: "string", value: "TEXT", help: "a user's message, written by the chat template with thinking off" },
  ids: { type: "string", value: "FILE", help: "input as a JSON array of token ids" },
  prefix: { type: "string", value: "TEXT", help: "the completion before the error, appended to the input" },
  target: {
    type: "string",
    value: "T",
    help: "the wrong token: an id, or text:5 (default: the model's own next token)",
  },
  contrast: { type: "string", value: "C", help: "the right token: an id, or text:5" },
  rule: { type: "string", value: "RULE", help: `backward rule: ${RULES.join(", ")}`, default: "attnlrp" },
  layers: { type: "boolean", help: "with --json: relevance after each layer too" },
};

/** How the help writes them. */
export const ATTRIBUTION_USAGE =
  "--model MODEL (--prompt TEXT | --chat TEXT | --ids FILE) [--prefix TEXT] [--target T] --contrast C " +
  "[--rule RULE] [--layers]";

export interface ReadRequest {
  /** Path of the model directory. */
  readonly model: string;
  readonly request: AttributionRequest;
  readonly config: ModelConfig;
  /** Null when only ids are used and the directory has no tokenizer. */
  readonly tokenizer: Tokenizer | null;
}

/** Reads and checks all that an attribution needs, before any GPU is touched. Throws InputError. */
export async function readAttributionRequest(context: VerbContext, verb: Verb): Promise<ReadRequest> {
  if (context.positionals.length > 0) {
    throw new InputError(
      `${JSON.stringify(context.positionals[0])} is not an option`,
      `culprit ${verb.name}`,
      "quote texts that hold spaces",
    );
  }
  const model = requiredText(context, verb, "model");
  const contrastText = requiredText(context, verb, "contrast");
  const rule = parseRule(optionText(context, "rule"));
  const source = inputSource(context, verb);
  const directory = await openModelDirectory(model);
  directory.close();
  const { config } = directory;

  const targetText = optionText(context, "target");
  const prefix = optionText(context, "prefix");
  const onlyIds = source.name === "ids" && prefix === undefined && ![targetText, contrastText].some(isTokenText);
  const tokenizer = onlyIds && directory.tokenizerHash === null ? null : await loadTokenizer(model);

  const inputIds = await readInput(source, prefix, tokenizer);
  checkInput(inputIds, `--${source.name}`, config);
  const contrast = parseToken(contrastText, "--contrast", config, tokenizer);
  const target = targetText === undefined ? undefined : parseToken(targetText, "--target", config, tokenizer);
  if (target === contrast) {
    throw new InputError(
      `target and contrast are the same token ${contrast}`,
      "--contrast",
      "give two different tokens",
    );
  }
  return {
    model,
    request: { inputIds, contrast, rule, ...(target === undefined ? {} : { target }) },
    config,
    tokenizer,
  };
}

function parseRule(text: string | undefined): Rule {
  const rule = RULES.find((name) => name === text);
  if (rule) return rule;
  throw new InputError(`there is no rule ${JSON.stringify(text)}`, "--rule", `give one of: ${RULES.join(", ")}`);
}

interface InputSource {
  readonly name: "prompt" | "chat" | "ids";
  readonly value: string;
}

function inputSource(context: VerbContext, verb: Verb): InputSource {
  const given: InputSource[] = [];
  for (const name of ["prompt", "chat", "ids"] as const) {
    const value = optionText(context, name);
    if (value !== undefined) given.push({ name, value });
  }
  if (given.length === 1) return given[0]!;
  throw new InputError(
    given.length === 0
      ? "no input is given"
      : `${given.map(({ name }) => `--${name}`).join(" and ")} exclude each other`,
    `culprit ${verb.name}`,
    "give one of --prompt TEXT, --chat TEXT and --ids FILE",
  );
}

async function readInput(source: InputSource, prefix = "", tokenizer: Tokenizer | null): Promise<readonly number[]> {
  if (source.name === "ids") {
    const ids = await readIds(source.value);
    return prefix === "" ? ids : [...ids, ...tokenizer!.encode(prefix)];
  }
  if (source.value === "") {
    throw new InputError("the text is empty", `--${source.name}`, "give a text of at least one token");
  }
  const text = source.name === "chat" ? tokenizer!.chat([{ role: "user", content: source.value }]) : source.value;
  return tokenizer!.encode(text + prefix);
}

async function readIds(path: string): Promise<readonly number[]> {
  const text = await readFile(path, "utf8").catch((error: { code?: string }) => {
    throw new InputError(`cannot be read (${error.code})`, path, "give a file with a JSON array of token ids");
  });
  const json = parseJson(text, path);
  if (!Array.isArray(json)) throw new InputError("is not a JSON array", path, "give token ids as [1, 2, 3]");
  const wrong = json.findIndex((id) => !Number.isInteger(id));
  if (wrong >= 0) {
    throw new InputError(
      `item ${wrong} is ${JSON.stringify(json[wrong])}, not a whole number`,
      path,
      "give token ids as [1, 2, 3]",
    );
  }
  return json as number[];
}

function checkInput(ids: readonly number[], where: string, config: ModelConfig): void {
  if (ids.length === 0) throw new InputError("there are no tokens", where, "give at least one token");
  if (ids.length > config.maxPositions) {
    throw new InputError(
      `${ids.length} tokens are more than the model's context of ${config.maxPositions}`,
      where,
      "shorten the input",
    );
  }
  const wrong = ids.findIndex((id) => id < 0 || id >= config.vocabulary);
  if (wrong >= 0) {
    throw new InputError(
      `token id ${ids[wrong]} at position ${wrong} is out of range`,
      where,
      `use ids from 0 to ${config.vocabulary - 1}`,
    );
  }
}

const TOKEN_TEXT = "text:";

function isTokenText(text: string | undefined): boolean {
  return text?.startsWith(TOKEN_TEXT) === true;
}

/** An id from digits, or from `text:` and the text of one token. */
function parseToken(text: string, where: string, config: ModelConfig, tokenizer: Tokenizer | null): number {
  if (!isTokenText(text) && !/^\d+$/.test(text)) {
    throw new InputError(
      `${JSON.stringify(text)} is neither a token id nor text:TOKEN`,
      where,
      `give digits, or ${JSON.stringify(TOKEN_TEXT + text)} for the token of this text`,
    );
  }
  const id = isTokenText(text) ? tokenizer!.single(text.slice(TOKEN_TEXT.length), where) : Number(text);
  if (id < config.vocabulary) return id;
  throw new InputError(`token id ${text} is out of range`, where, `use ids from 0 to ${config.vocabulary - 1}`);
}
