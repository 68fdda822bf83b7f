/** Prompts and completions of logs as the model reads and writes them. */
import { InputError, type Tokenizer } from "../../gpu/mod.ts";
import type { ChatMessage } from "../../schema/tables/values.ts";
import type { LoggedPrompt } from "./format.ts";
import type { ImportModel } from "./import_model.ts";

export interface RenderedPrompt {
  /** The prompt as the model read it; empty when it is not known. */
  readonly text: string;
  /** The chat it was rendered from; empty for a plain prompt. */
  readonly messages: readonly ChatMessage[];
}

export interface RenderOptions {
  /** A user's text is what the model read, chat template or not. */
  readonly plain: boolean;
  readonly thinking: boolean;
}

/**
 * Renders a prompt by the model's chat template, unless the log holds it rendered. A chat that ends in a turn of the
 * assistant is one that the model was to go on with: its turn stays open. Throws InputError from templates.
 */
export function renderPrompt(model: ImportModel, prompt: LoggedPrompt, options: RenderOptions): RenderedPrompt {
  const { tokenizer } = model;
  const { plain, thinking } = options;
  if (prompt.kind === "unknown") return { text: "", messages: [] };
  if (prompt.kind === "plain" || (prompt.kind === "user" && (plain || isRendered(tokenizer, prompt.text)))) {
    return { text: prompt.text, messages: [] };
  }
  const messages = prompt.kind === "user" ? [{ role: "user", content: prompt.text }] : prompt.messages;
  const tools = prompt.kind === "chat" ? prompt.tools : undefined;
  const last = messages.at(-1);
  const begun = last?.role === "assistant" && last["tool_calls"] === undefined ? last.content : undefined;
  const asked = begun === undefined ? messages : messages.slice(0, -1);
  return { text: tokenizer.chat(asked, { thinking, ...(tools ? { tools } : {}) }) + (begun ?? ""), messages };
}

/** The special token that a model's template writes first, by its tokenizer; null without a template. */
const marks = new WeakMap<Tokenizer, string | null>();

/** Whether a text holds the mark that the model's chat template begins a turn with. */
function isRendered(tokenizer: Tokenizer, text: string): boolean {
  let mark = marks.get(tokenizer);
  if (mark === undefined) {
    mark = firstMark(tokenizer);
    marks.set(tokenizer, mark);
  }
  return mark !== null && text.includes(mark);
}

function firstMark(tokenizer: Tokenizer): string | null {
  try {
    const id = tokenizer.encode(tokenizer.chat([{ role: "user", content: "text" }])).find(tokenizer.isSpecial);
    return id === undefined ? null : tokenizer.token(id);
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

/**
 * The text of an answer. A turn with tool calls is written by the model's template: what follows the prompt when the
 * turn is rendered too, without the tokens that end it.
 */
export function completionText(
  { tokenizer }: ImportModel,
  completion: string | ChatMessage,
  prompt: RenderedPrompt,
  tools: readonly unknown[] | undefined,
): string {
  if (typeof completion === "string") return completion;
  const { reasoning_content: thought } = completion;
  if (!Array.isArray(completion["tool_calls"])) {
    return typeof thought === "string" ? `<think>\n${thought}\n</think>\n\n${completion.content}` : completion.content;
  }
  const whole = tokenizer.chat([...prompt.messages, completion], {
    addGenerationPrompt: false,
    ...(tools ? { tools } : {}),
  });
  if (whole.startsWith(prompt.text)) return withoutEnd(tokenizer, whole.slice(prompt.text.length));
  // A template that writes past and present turns differently: the form that Qwen and Hermes models use.
  const calls = (completion["tool_calls"] as readonly { readonly function?: unknown }[])
    .map((call) => `<tool_call>\n${JSON.stringify(call.function ?? call)}\n</tool_call>`);
  return [completion.content, ...calls].filter((part) => part !== "").join("\n");
}

/** Cuts off the special tokens and spaces that close a turn. */
function withoutEnd(tokenizer: Tokenizer, text: string): string {
  const ends = tokenizer.specialIds.map((id) => tokenizer.token(id));
  let rest = text.trimEnd();
  for (let end; (end = ends.find((mark) => rest.endsWith(mark))) !== undefined;) {
    // Closing tags of tool calls may be special, and belong to the answer.
    if (end.startsWith("</")) break;
    rest = rest.slice(0, -end.length).trimEnd();
  }
  return rest;
}
