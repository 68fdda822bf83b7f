/** Chat templates: Jinja, as Hugging Face transformers renders it. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../errors.ts";
import { keepExactly } from "./exact_json.ts";
import { type JinjaTemplate, parseJinja, renderJinja } from "./jinja.ts";
import { isJsonObject, type JsonObject, readTextFile } from "./json.ts";
import { limited, timeForText, TimeLimitError } from "./limited.ts";
import { type ThinkingMode, thinkingModeOf } from "./thinking.ts";

/** A message of a conversation. Templates may read further fields, for example `tool_calls` or `reasoning_content`. */
export interface ChatMessage {
  /** "system", "user", "assistant", "tool", or what else the template knows. */
  readonly role: string;
  readonly content?: string | null;
  readonly [field: string]: unknown;
}

export interface ChatOptions {
  /** Lets the model think first, where the template can switch it (`enable_thinking`). Off when left out. */
  readonly thinking?: boolean;
  /** Ends with the opening of the assistant's turn. On when left out. */
  readonly addGenerationPrompt?: boolean;
  /** Descriptions of tools, as the template takes them: mostly JSON schemas of functions. */
  readonly tools?: readonly unknown[];
}

/** A template and the file that holds it. */
export interface ChatTemplate {
  readonly text: string;
  readonly where: string;
}

/** A model's templates by name: one is called "default", others for example "tool_use". */
export type ChatTemplates = ReadonlyMap<string, ChatTemplate>;

const TEMPLATE_FILE = "chat_template.jinja";
const TEMPLATE_FOLDER = "additional_chat_templates";

/**
 * The templates of a model directory, as transformers finds them: `chat_template.jinja` and the files of
 * `additional_chat_templates`; where there are none, `chat_template` of tokenizer_config.json, a text or a list of them.
 */
export async function readChatTemplates(dir: string, tokenizerConfig: JsonObject): Promise<ChatTemplates> {
  const templates = new Map<string, ChatTemplate>();
  const read = async (name: string, where: string) => {
    const text = await readTextFile(where);
    if (text !== undefined) templates.set(name, { text, where });
  };
  await read("default", join(dir, TEMPLATE_FILE));
  const names = await readdir(join(dir, TEMPLATE_FOLDER)).catch(() => [] as string[]);
  for (const name of names.filter((one) => one.endsWith(".jinja")).sort()) {
    await read(name.slice(0, -".jinja".length), join(dir, TEMPLATE_FOLDER, name));
  }
  return templates.size > 0
    ? templates
    : configTemplates(tokenizerConfig, `${join(dir, "tokenizer_config.json")} (chat_template)`);
}

/** The templates in the field `chat_template`. */
export function configTemplates(tokenizerConfig: JsonObject, where: string): ChatTemplates {
  const field = tokenizerConfig["chat_template"];
  if (typeof field === "string") return new Map([["default", { text: field, where }]]);
  return new Map((Array.isArray(field) ? field : []).flatMap((item): [string, ChatTemplate][] => {
    const { name, template } = isJsonObject(item) ? item : {};
    return typeof name === "string" && typeof template === "string" ? [[name, { text: template, where }]] : [];
  }));
}

/** What a conversation is rendered with. */
export interface ChatModel {
  readonly templates: ChatTemplates;
  /** Special tokens by the names that templates use: `bos_token`, ... */
  readonly tokens: JsonObject;
  /** The file that should hold a template, for errors. */
  readonly where: string;
}

/**
 * The conversation as the model's template writes it, with what transformers gives to a template. Throws InputError when
 * there is no template, or when it is broken, refuses the messages, or takes too long.
 */
export function renderChat(
  { templates, tokens, where }: ChatModel,
  messages: readonly ChatMessage[],
  { thinking = false, addGenerationPrompt = true, tools }: ChatOptions,
): string {
  const template = tools && templates.get("tool_use") || templates.get("default");
  if (!template) {
    const others = [...templates.keys()];
    throw new InputError(
      others.length > 0
        ? `no chat template is called default, only ${others.join(", ")}`
        : "the model has no chat template",
      where,
      "add chat_template.jinja to the model's folder, or give a plain prompt",
    );
  }
  return renderChatTemplate(template, {
    ...tokens,
    messages: messages.map(plainMessage),
    tools: tools ?? null,
    documents: null,
    enable_thinking: thinking,
    add_generation_prompt: addGenerationPrompt,
  });
}

/** How a model thinks before it answers; null without a template, or one that has no thinking mode. */
export function chatThinking(model: ChatModel): ThinkingMode | null {
  const template = model.templates.get("default");
  if (!template) return null;
  const render = (thinking: boolean) => renderChat(model, [{ role: "user", content: "?" }], { thinking });
  return thinkingModeOf(template.text, { on: render(true), off: render(false) });
}

/** Names of a message's reasoning, the one that templates read first. */
const REASONING = ["reasoning_content", "thinking", "reasoning"] as const;

/** Fields that are null are left out, and reasoning gets the names that templates read, as transformers 5 does. */
function plainMessage(message: ChatMessage): JsonObject {
  const given = Object.fromEntries(
    Object.entries(message).filter(([, value]) => value !== null && value !== undefined),
  );
  const reasoning = REASONING.map((name) => given[name]).find((value) => value !== undefined);
  const plain = reasoning === undefined ? given : { thinking: reasoning, ...given, reasoning_content: reasoning };
  keepExactly(message, plain);
  return plain;
}

/** Longest prompt, in characters: a template can make much of little. */
const MOST_CHARACTERS = 1 << 26;

/**
 * Renders a template with what it may read: `messages`, `tools`, `add_generation_prompt`, `enable_thinking`, special
 * tokens by their name. Throws InputError when the template is broken, refuses the messages, or takes too long.
 */
export function renderChatTemplate(template: ChatTemplate, context: JsonObject): string {
  const read = parsed.get(template) ?? parseTemplate(template);
  parsed.set(template, read);
  let rendered: string;
  try {
    rendered = limited(timeForText(JSON.stringify(context).length), () => renderJinja(read, context));
  } catch (error) {
    if (error instanceof TimeLimitError) {
      throw new InputError(`the chat template does not end: ${error.message}`, template.where, "correct the template");
    }
    throw new InputError(
      `the chat template refuses the messages: ${messageOf(error)}`,
      template.where,
      "correct the messages or the template",
    );
  }
  if (rendered.length <= MOST_CHARACTERS) return rendered;
  throw new InputError(
    `the chat template writes ${rendered.length} characters, more than ${MOST_CHARACTERS}`,
    template.where,
    "correct the template",
  );
}

/** Templates that were parsed: importers render thousands of prompts with one. */
const parsed = new WeakMap<ChatTemplate, JinjaTemplate>();

function parseTemplate(template: ChatTemplate): JinjaTemplate {
  try {
    return parseJinja(template.text);
  } catch (error) {
    throw new InputError(`the chat template is broken: ${messageOf(error)}`, template.where, "correct the template");
  }
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error);
