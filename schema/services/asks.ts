/** What is asked of the server about prompts typed just now. */
import type { Rule } from "../tables/rules.ts";

/** A user's message for the chat template, or a plain text; and how the answer begins. */
export type AskedPrompt =
  & { readonly prefix: string }
  & ({ readonly chat: string; readonly system: string | undefined } | { readonly text: string });

/** A token by its id, or the first token of a text. */
export type AskedToken = { readonly id: number } | { readonly text: string };

/** A prompt for a model, by its name. */
export interface TypedPlace {
  readonly model: string;
  readonly prompt: AskedPrompt;
}

/** A token of a stored answer, counted from its first. */
export interface ResponsePlace {
  readonly jobId: string;
  readonly position: number;
}

/** The place of the error of a failure case, by its row. */
export interface CasePlace {
  readonly failureCaseId: number;
}

export interface GenerateRequest {
  /** A prompt, or a stored answer that goes on with another token. */
  readonly place: TypedPlace | ResponsePlace & { readonly instead: number };
  /** Tokens of the answer at most. */
  readonly maxTokens: number;
  /** Other tokens ranked at each token of the answer. */
  readonly alternatives: number;
  /** Lets the model think first, in so many tokens at most. */
  readonly thinkingTokens: number | undefined;
  readonly idempotencyKey: string | undefined;
}

export interface ExplainRequest {
  /** After a prompt, at a token of a stored answer, or at the error of a stored case. */
  readonly place: TypedPlace | ResponsePlace | CasePlace;
  /** The model's own choice when left out. */
  readonly target: AskedToken | undefined;
  readonly contrast: AskedToken;
  readonly rule: Rule;
  readonly idempotencyKey: string | undefined;
}

/** A failure case, the job that explains it, and what to know of it. */
export interface CreatedExplanation {
  readonly failureCaseId: number;
  readonly jobId: string;
  readonly note: string | null;
}

export interface AskServices {
  /** Returns the job's id. */
  generate(request: GenerateRequest): Promise<string>;
  explain(request: ExplainRequest): Promise<CreatedExplanation>;
}
