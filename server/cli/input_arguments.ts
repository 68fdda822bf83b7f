/** The input of the verbs that run a model: which options say what it reads, and how they are read and checked. */
import { readFile } from "node:fs/promises";
import {
  checkVocabulary,
  InputError,
  loadTokenizer,
  type ModelConfig,
  openModelDirectory,
  parseJson,
  type Tokenizer,
} from "../../gpu/mod.ts";
import { checkThinking } from "../models/thinking.ts";
import { isTokenText } from "../models/typed_token.ts";
import { MODEL_OPTIONS, requiredModel } from "./locate.ts";
import { optionText, requiredText, tellNotes, type Verb, type VerbContext, type VerbOption } from "./verb.ts";

/** Options that name the model and its input. */
export const INPUT_OPTIONS: Readonly<Record<string, VerbOption>> = {
  ...MODEL_OPTIONS,
  prompt: { type: "string", value: "TEXT", help: "input as plain text; special tokens in it are parsed" },
  chat: { type: "string", value: "TEXT", help: "a user's message, written by the chat template with thinking off" },
  ids: { type: "string", value: "FILE", help: "input as a JSON array of token ids" },
};

/** How the help writes them. */
export const INPUT_USAGE = "--model MODEL (--prompt TEXT | --chat TEXT | --ids FILE)";

export interface ModelInput {
  /** Path of the model. */
  readonly model: string;
  readonly config: ModelConfig;
  /** Prompt and prefix. */
  readonly inputIds: readonly number[];
  /** How many of them are the prompt's. */
  readonly promptTokens: number;
  /** Null when only ids are used and the directory has no tokenizer. */
  readonly tokenizer: Tokenizer | null;
}

/**
 * Reads and checks model and input, before any GPU is touched. `prefix` is appended to the input; `texts` are other
 * arguments, which need the tokenizer when they are token texts. Throws InputError.
 */
export async function readModelInput(
  context: VerbContext,
  verb: Verb,
  { prefix, texts, thinking = false }: {
    readonly prefix?: string | undefined;
    readonly texts: readonly (string | undefined)[];
    /** Opens a chat's response with thinking on. */
    readonly thinking?: boolean;
  },
): Promise<ModelInput> {
  if (context.positionals.length > 0) {
    throw new InputError(
      `${JSON.stringify(context.positionals[0])} is not an option`,
      `culprit ${verb.name}`,
      "quote texts that hold spaces",
    );
  }
  requiredText(context, verb, "model");
  const source = inputSource(context, verb);
  const model = await requiredModel(context, verb);
  const directory = await openModelDirectory(model);
  directory.close();
  tellNotes(context, directory);
  const { config } = directory;
  const onlyIds = source.name === "ids" && prefix === undefined && !texts.some(isTokenText);
  const tokenizer = onlyIds && directory.tokenizerHash === null ? null : await loadTokenizer(model);
  if (tokenizer) tellNotes(context, { notes: checkVocabulary(tokenizer, directory) });
  if (thinking && source.name === "chat") checkThinking(tokenizer!, model, "--thinking");
  else if (thinking) {
    throw new InputError("only a chat has a thinking mode", "--thinking", "give --chat, or leave it out");
  }
  const before = prefix === undefined || prefix === "" ? [] : tokenizer!.encode(prefix, { continues: true });
  const promptIds = await readPrompt(source, tokenizer, thinking);
  // Apart, as a model that generates has them: its own tokens never merge with the prompt's.
  const inputIds = [...promptIds, ...before];
  checkInput(inputIds, source.name === "ids" ? source.value : `--${source.name}`, config);
  return { model, config, inputIds, promptTokens: promptIds.length, tokenizer };
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

async function readPrompt(
  source: InputSource,
  tokenizer: Tokenizer | null,
  thinking: boolean,
): Promise<readonly number[]> {
  if (source.name === "ids") return await readIds(source.value);
  if (source.value === "") {
    throw new InputError("the text is empty", `--${source.name}`, "give a text of at least one token");
  }
  if (source.name === "prompt") return tokenizer!.prompt(source.value);
  return tokenizer!.encode(tokenizer!.chat([{ role: "user", content: source.value }], { thinking }));
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
