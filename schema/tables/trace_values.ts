/** Shapes of the JSON columns of traces (docs/traces.md). */

/** What a step of a trace is. */
export const STEP_KINDS = ["sentence", "line", "thought", "tool_call", "tool_output", "chosen"] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** Continuations that may be tried at each step's end. */
export const MOST_ROLLOUTS = 10;

/** How a trace is asked for. */
export interface TraceSettings {
  /**
   * Where steps begin, ascending, counted from the prompt's first token; null: as sentences, lines, thoughts and tool
   * calls cut the completion.
   */
  readonly boundaries: readonly number[] | null;
  /** Continuations tried at each step's end, the best first tokens of each; 0: none. */
  readonly rollouts: number;
}

/** Tokens from `start` to before `end`, counted from the prompt's first token. */
export interface StoredStretch {
  readonly start: number;
  readonly end: number;
  /** What they spell. */
  readonly text: string;
}

/**
 * What one row of a trace explains, a step's tokens each against its best rival or the error, and what it rests on.
 * Columns are the prompt's sentences, then the steps before the row. Amounts are relevance at the embeddings.
 */
export interface StoredTraceRow {
  /** What is explained: the sum of the differences of logits. */
  readonly value: number;
  /** Tokens that are explained. */
  readonly tokens: number;
  /** Sum of |relevance| over all tokens before, in logits; the shares below are of it. */
  readonly absolute: number;
  /** Share on the row's own earlier tokens, and on special tokens. */
  readonly own: number;
  readonly special: number;
  /** Sum of signed relevance over each column's tokens, in logits, [columns]. */
  readonly signed: readonly number[];
  /** Sum of |relevance| over each column's tokens as share of `absolute`, [columns]. */
  readonly shares: readonly number[];
  /** Of the error's relevance, what reaches the row; 1 for the error. Absolute, and signed. */
  readonly weight: number;
  readonly signedWeight: number;
  /** Of the error's relevance, what ends on special tokens in this row. Absolute, and signed. */
  readonly lost: number;
  readonly signedLost: number;
}

export interface StoredStep extends StoredStretch {
  readonly kind: StepKind;
  /** Null for what the model did not write: a tool's output. */
  readonly row: StoredTraceRow | null;
  /** Of the error's relevance, what reaches the step, absolute and signed; for what is given, what ends there. */
  readonly weight: number;
  readonly signedWeight: number;
}

/** A continuation from the end of a step, and the checker's verdict. */
export interface StoredRollout {
  /** The first token, and its rank among all at that place. */
  readonly id: number;
  readonly text: string;
  readonly rank: number;
  readonly passed: boolean;
}

/** What continuations from a place came to. */
export interface StoredReach {
  /** The step at whose end they begin; null for the prompt's end. */
  readonly step: number | null;
  readonly rollouts: readonly StoredRollout[];
  /** The whole answer that the best-ranked continuation that passed led to; null where none did. */
  readonly completion: string | null;
}

/** The first step after which nothing passed; null where something passes at the last place, and where nothing ever did. */
export function lostAt(reach: readonly StoredReach[]): number | null {
  const last = reach.findLastIndex(({ completion }) => completion !== null);
  return last < 0 ? null : reach[last + 1]?.step ?? null;
}
