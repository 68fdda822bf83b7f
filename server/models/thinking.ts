/**
 * Answers that begin with a thought: what the engine is asked for, within a budget of tokens, and what is stored of it.
 */
import {
  endOfThought,
  type GenerateRequest,
  type GenerateResult,
  InputError,
  type ModelConfig,
  opensThought,
  readThought,
  splitThought,
  type ThoughtReader,
  type Tokenizer,
} from "../../gpu/mod.ts";
import type { Thought } from "../../schema/tables/values.ts";
import type { Reading } from "./reading.ts";

/** How a model thinks within a budget. */
export interface Thinking {
  /** Tokens of a thought at most; the end of one that is cut off comes on top. */
  readonly budget: number;
  /** Tokens that close a thought whose budget is used up. */
  readonly ending: readonly number[];
  readonly tokenizer: Pick<Tokenizer, "decode">;
}

/** Throws InputError at `where` for a model without a thinking mode. */
export function checkThinking(tokenizer: Pick<Tokenizer, "thinking">, model: string, where: string): void {
  if (tokenizer.thinking()) return;
  throw new InputError(
    `${model} has no thinking mode: its chat template knows no <think>`,
    where,
    "leave it out, or take a model that thinks, for example Qwen3, SmolLM3 or Olmo-3-Think",
  );
}

/** The same, of a model's files. */
export const CHECK_THINKING: Reading<{ readonly model: string; readonly where: string }, null> = {
  name: "thinking",
  read: async ({ tokenizer }, { model, where }) => {
    checkThinking(await tokenizer(), model, where);
    return null;
  },
};

/** Throws InputError at `where` for a model without a thinking mode. */
export function openThinking(
  tokenizer: Pick<Tokenizer, "thinking" | "encode" | "decode">,
  { model, architecture, budget, where }: {
    readonly model: string;
    readonly architecture: ModelConfig["architecture"];
    readonly budget: number;
    readonly where: string;
  },
): Thinking {
  checkThinking(tokenizer, model, where);
  const ending = tokenizer.encode(endOfThought(tokenizer.thinking()!, architecture), { continues: true });
  return { budget, ending, tokenizer };
}

/** Last tokens of a prompt that its opening of a thought may be spread over. */
const OPENING_TOKENS = 10;

/** Where an answer goes on. */
export interface AnswerPlace {
  readonly promptIds: readonly number[];
  /** Tokens behind the prompt that are there; those of a thought count. */
  readonly before: readonly number[];
  /** Tokens of the answer at most. */
  readonly answerTokens: number;
  /** Tokens that the model's context has room for, behind those that are there. */
  readonly room: number;
}

/**
 * What is asked of the engine where an answer goes on: what is left of its thought, or of the answer where that is over.
 * Where the context is short, the answer keeps its tokens and the thought gets what is left.
 */
export function answerAfter(
  { budget, ending, tokenizer }: Thinking,
  { promptIds, before, answerTokens, room }: AnswerPlace,
): Pick<GenerateRequest, "maxTokens" | "thought"> {
  const reader = readerAfter(tokenizer, promptIds);
  const end = reader.endIn(before);
  if (end !== undefined) return { maxTokens: Math.max(1, Math.min(room, end + answerTokens - before.length)) };
  const forAnswer = Math.min(answerTokens, room - ending.length - 1);
  const left = Math.min(budget - before.length, room - ending.length - forAnswer);
  if (forAnswer < 1 || left < 1) return { maxTokens: Math.max(1, Math.min(answerTokens, room)) };
  const endOf = (ids: readonly number[]) => {
    const found = reader.endOf([...before, ...ids]);
    return found === undefined ? undefined : Math.max(0, found - before.length);
  };
  return { maxTokens: forAnswer, thought: { budget: left, ending, endOf } };
}

/** Reads the thought of what follows a prompt. */
function readerAfter(tokenizer: Pick<Tokenizer, "decode">, promptIds: readonly number[]): ThoughtReader {
  const decode = (ids: readonly number[]) => tokenizer.decode(ids, { continues: true });
  return readThought(decode, opensThought(decode(promptIds.slice(-OPENING_TOKENS))));
}

/** The thought of an answer that grows, as far as it is there; nothing was put in yet. */
export function growingThought(
  { budget, tokenizer }: Thinking,
  { promptIds, before }: Pick<AnswerPlace, "promptIds" | "before">,
  ids: readonly number[],
): Thought {
  const end = readerAfter(tokenizer, promptIds).endIn([...before, ...ids]) ?? Infinity;
  return { budget, tokens: Math.min(ids.length, Math.max(0, end - before.length)), inserted: 0 };
}

/** What is stored of a thought; null where none was asked for. */
export function thoughtOf({ budget }: Thinking, { thought }: Pick<GenerateResult, "thought">): Thought | null {
  return thought ? { budget, ...thought } : null;
}

/** The texts of a completion's thought and of its answer, by their tokens. */
export function splitCompletion(
  tokenizer: Pick<Tokenizer, "decode">,
  ids: readonly number[],
  { tokens }: Pick<Thought, "tokens">,
): { readonly thought: string; readonly answer: string } {
  const text = (part: readonly number[]) => tokenizer.decode(part, { continues: true });
  return splitThought(text(ids.slice(0, tokens)), text(ids.slice(tokens)));
}
