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

/** How texts that a model's template wrote begin, by its tokenizer; none without a template. */
const openings = new WeakMap<Tokenizer, readonly string[]>();

/** Whether a text begins as the model's chat template begins: one that only mentions its marks is a user's. */
function isRendered(tokenizer: Tokenizer, text: string): boolean {
  const known = openings.get(tokenizer) ?? openingsOf(tokenizer);
  openings.set(tokenizer, known);
  const start = text.trimStart();
  return known.some((opening) => start.startsWith(opening));
}

/**
 * The special token that the template writes first; and, where that begins the text and not each turn, what comes next,
 * since many logs leave the token out.
 */
function openingsOf(tokenizer: Tokenizer): readonly string[] {
  let rendered: string;
  try {
    const asked = { role: "user", content: "text" };
    rendered = tokenizer.chat([asked, { role: "assistant", content: "text" }, asked]);
  } catch (error) {
    if (error instanceof InputError) return [];
    throw error;
  }
  const marks = tokenizer.specialIds.map((id) => tokenizer.token(id)).filter((mark) => mark !== "");
  const markAt = (text: string) =>
    marks.filter((mark) => text.startsWith(mark)).reduce((best, mark) => mark.length > best.length ? mark : best, "");
  const first = markAt(rendered);
  if (first === "") {
    const id = tokenizer.encode(rendered).find(tokenizer.isSpecial);
    return id === undefined ? [] : [rendered.slice(0, rendered.indexOf(tokenizer.token(id))) + tokenizer.token(id)];
  }
  if (rendered.indexOf(first, first.length) >= 0) return [first];
  const rest = rendered.slice(first.length).trimStart();
  const next = markAt(rest) || /^\S+/.exec(rest)?.[0];
  return next === undefined || next.startsWith("text") ? [first] : [first, next];
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
