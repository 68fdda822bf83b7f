/** What ablation experiments are asked for, and what they say together. */
import type { AblationOptions } from "../tables/ablation_values.ts";
import type { IntervalRow } from "./masking.ts";

export interface RunAblationRequest {
  /** Row ids; "missing" = every token pair, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly settings: AblationOptions;
  readonly idempotencyKey: string | undefined;
}

type Unit = AblationOptions["units"][number];
type Ranking = AblationOptions["rankings"][number];

export interface FlipRatesRow {
  readonly rate: readonly number[];
  readonly area: IntervalRow;
}

/** What many experiments say together; see server/ablation/summary.ts. */
export interface AblationSummaryRow {
  readonly summaries: readonly {
    readonly unit: Unit;
    readonly ranking: Ranking;
    readonly counts: readonly number[];
    readonly cases: number;
    readonly away: FlipRatesRow;
    readonly contrast: FlipRatesRow;
    readonly lost: readonly IntervalRow[];
    readonly concentration: readonly IntervalRow[] | null;
  }[];
  readonly comparisons: readonly {
    readonly unit: Unit;
    readonly first: Ranking;
    readonly second: Ranking;
    readonly difference: IntervalRow;
    readonly lost: IntervalRow;
    readonly beats: boolean;
  }[];
}
