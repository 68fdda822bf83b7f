/**
 * What `collect` asks a model: a template by name, which is stored with the response. Items that bring their own prompt or
 * messages are asked as they are; those that hold a problem alone are asked in the form that their checker looks for.
 */
import { InputError, isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { ChatMessage, CheckItem } from "../../schema/tables/values.ts";
import { checkItemOf } from "./items.ts";

/** The text that a template makes of a problem. */
type Template = (problem: string) => string;

/**
 * The templates. `math-boxed` is the sentence that Qwen's and DeepSeek's evaluations append to MATH's problems;
 * `gsm8k-last-line` and `gsm8k-mark` ask for the mark of the benchmark's own solutions, the latter with an example, whose
 * number small models repeat (docs/checkers.md); `plain` is the problem alone; `evalplus` is EvalPlus's question
 * to chat models (codegen.py, provider/openai.py).
 */
export const PROMPT_TEMPLATES = {
  "plain": (problem) => problem,
  "math-boxed": (problem) => `${problem}\n\nPlease reason step by step, and put your final answer within \\boxed{}.`,
  "gsm8k-last-line": (problem) =>
    `${problem}\n\nReason step by step. Write the final number on the last line, after ####.`,
  "gsm8k-mark": (problem) =>
    `${problem}\n\nReason step by step. Then write #### and the final number on the last line, like this: #### 42`,
  "evalplus": (problem) => `${EVALPLUS_INSTRUCTION}\n\`\`\`python\n${problem.trim()}\n\`\`\``,
} as const satisfies Readonly<Record<string, Template>>;
export type PromptTemplate = keyof typeof PROMPT_TEMPLATES;

/** What EvalPlus asks chat models, from its own code generation; the problem follows in a block. */
export const EVALPLUS_INSTRUCTION =
  "Please provide a self-contained Python script that solves the following problem in a markdown code block:";

/** In the order in which people are told them. */
export const PROMPT_TEMPLATE_NAMES = Object.keys(PROMPT_TEMPLATES) as readonly PromptTemplate[];

/** A template by its name; null when none is named. Throws InputError for an unknown one. */
export function promptTemplateNamed(name: string | null | undefined, where: string): PromptTemplate | null {
  if (name === undefined || name === null) return null;
  const found = PROMPT_TEMPLATE_NAMES.find((one) => one === name);
  if (found !== undefined) return found;
  throw new InputError(
    `there is no template ${JSON.stringify(name)}`,
    where,
    `give one of: ${PROMPT_TEMPLATE_NAMES.join(", ")}`,
  );
}

export interface AskedQuestion {
  /** `own` where the item brings its prompt. */
  readonly template: PromptTemplate | "own";
  readonly messages: readonly ChatMessage[];
  readonly item: CheckItem | null;
}

/** The chat that asks an item, by a template, or by the one that its kind has. */
export function questionOf(row: JsonObject, wanted: PromptTemplate | undefined): AskedQuestion {
  const item = checkItemOf(row);
  const { messages, prompt, problem, question } = row;
  if (Array.isArray(messages)) {
    return { template: "own", messages: messages.filter(isJsonObject) as unknown as ChatMessage[], item };
  }
  const text = String(prompt ?? problem ?? question ?? "");
  const template = wanted ?? (prompt === undefined ? templateOf(item) : undefined);
  const content = template === undefined ? text : PROMPT_TEMPLATES[template](text);
  return { template: template ?? "own", messages: [{ role: "user", content }], item };
}

function templateOf(item: CheckItem | null): PromptTemplate {
  switch (item?.kind) {
    case "math":
      return "math-boxed";
    case "gsm8k":
      return "gsm8k-last-line";
    default:
      return "plain";
  }
}
