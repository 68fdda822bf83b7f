/** Chat templates: Jinja, as Hugging Face transformers renders it. */
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { InputError } from "../errors.ts";
import { isJsonObject, type JsonObject, readTextFile } from "./json.ts";
import { limited, timeForText, TimeLimitError } from "./limited.ts";

/** A message of a conversation. Templates may read further fields, for example `tool_calls` or `reasoning_content`. */
export interface ChatMessage {
  /** "system", "user", "assistant", "tool", or what else the template knows. */
  readonly role: string;
  readonly content?: string;
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

/**
 * The template of a model directory: `chat_template.jinja`, else `chat_template` of tokenizer_config.json, where a list
 * of templates means the one named "default". Undefined when there is none.
 */
export async function readChatTemplate(dir: string, tokenizerConfig: JsonObject): Promise<ChatTemplate | undefined> {
  const filePath = join(dir, "chat_template.jinja");
  const file = await readTextFile(filePath);
  if (file !== undefined) return { text: file, where: filePath };
  const where = `${join(dir, "tokenizer_config.json")} (chat_template)`;
  const field = tokenizerConfig["chat_template"];
  if (typeof field === "string") return { text: field, where };
  if (!Array.isArray(field)) return undefined;
  const named = field.find((item) => isJsonObject(item) && item["name"] === "default");
  return isJsonObject(named) && typeof named["template"] === "string" ? { text: named["template"], where } : undefined;
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
    rendered = limited(timeForText(JSON.stringify(context).length), () => read.render(context));
  } catch (error) {
    if (error instanceof TimeLimitError) {
      throw new InputError(`the chat template does not end: ${error.message}`, template.where, "correct the template");
    }
    throw new InputError(
      `the chat template refuses the messages: ${oneLine(error)}`,
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
const parsed = new WeakMap<ChatTemplate, Template>();

function parseTemplate(template: ChatTemplate): Template {
  try {
    return new Template(template.text);
  } catch (error) {
    throw new InputError(`the chat template is broken: ${oneLine(error)}`, template.where, "correct the template");
  }
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ");
}
