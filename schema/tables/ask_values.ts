/** What answering and explaining a typed prompt are asked for, as stored with their jobs. */
import type { Rule } from "./rules.ts";

/** An answer to a prompt; the prompt stands in `generations`. */
export interface GenerateInput {
  readonly kind: "generate";
  readonly modelId: number;
  /** SHA-256 of the prompt's tokens, so that a key cannot be used for two prompts. */
  readonly promptHash: string;
  /** Tokens of the answer at most. */
  readonly maxTokens: number;
  /** Other tokens ranked at each token of the answer. */
  readonly alternatives: number;
  /** Lets the model think first, in so many tokens at most; not at all where nothing is said. */
  readonly thinkingTokens?: number;
}

/** Why a model says one token and not another at the end of a failure case's tokens. */
export interface ExplainInput {
  readonly kind: "explain";
  readonly modelId: number;
  readonly failureCaseId: number;
  /** The model's argmax when null. */
  readonly targetId: number | null;
  readonly contrastId: number;
  readonly rule: Rule;
}
