/** What masking experiments are asked for, and what they say together. */
import type { MaskingOptions } from "../tables/analysis_values.ts";

/** What orders tokens: the rankings that are asked for by name, and what a person chose. */
export type MaskingRanking = MaskingOptions["rankings"][number] | "chosen";

export interface RunMaskingRequest {
  /** Row ids; "missing" = every token pair, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly settings: MaskingOptions;
  readonly idempotencyKey: string | undefined;
}

/** A number with its bootstrap interval. */
export interface IntervalRow {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

export interface FlipSummaryRow {
  readonly rate: readonly number[];
  readonly area: IntervalRow;
  readonly reached: number;
  readonly censored: number;
  readonly medianTokens: number | null;
  readonly meanTokensReached: number | null;
}

/** What many experiments say together; see server/masking/summary.ts. */
export interface MaskingSummaryRow {
  readonly summaries: readonly {
    readonly ranking: MaskingRanking;
    readonly replacement: MaskingOptions["replacements"][number];
    readonly cases: number;
    readonly away: FlipSummaryRow;
    readonly contrast: FlipSummaryRow | null;
    readonly passes: FlipSummaryRow | null;
    readonly comprehensiveness: { readonly probability: IntervalRow };
    readonly sufficiency: { readonly probability: IntervalRow };
  }[];
  readonly comparisons: readonly {
    readonly replacement: MaskingOptions["replacements"][number];
    readonly first: MaskingRanking;
    readonly second: MaskingRanking;
    readonly difference: IntervalRow;
    readonly beats: boolean;
  }[];
}
