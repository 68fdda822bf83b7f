/** A trace as JSON: what `culprit trace --json` prints and what is downloaded. */
import type { Rule } from "../../gpu/mod.ts";
import type { StoredReach, StoredStep, StoredStretch, StoredTraceRow } from "../../schema/tables/trace_values.ts";

/** A token of the error's pair, with its logit where it is known and its text where a tokenizer is. */
interface PairToken {
  readonly id: number;
  readonly text: string | null;
  readonly logit: number;
}

export interface TraceDocument {
  readonly rule: Rule;
  readonly inputIds: readonly number[];
  /** Texts, [tokens]. */
  readonly tokens: readonly string[];
  /** Tokens before the first step. */
  readonly promptTokens: number;
  readonly sentences: readonly StoredStretch[];
  readonly steps: readonly StoredStep[];
  /** The row of the pair, or of the last step where that is explained. */
  readonly error: StoredTraceRow & {
    readonly target: PairToken | null;
    readonly contrast: PairToken | null;
  };
  /** [tokens] */
  readonly heat: readonly number[];
  readonly signedHeat: readonly number[];
  /** Raw signed relevance of the error's row, in logits, [tokens]. */
  readonly relevance: readonly number[];
  readonly reach: readonly StoredReach[] | null;
  readonly lostAt: number | null;
  readonly adapter: string;
  readonly seconds: number;
}
