/** What exports of preferences are asked for, and what they hold. */
import type { WeightFormula } from "../tables/analysis_values.ts";

export interface ExportPreferencesRequest {
  /** Row ids; "missing" = every token pair without such weights, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly formula: WeightFormula;
  readonly idempotencyKey: string | undefined;
}

/** What a job of exportPreferences has to export. */
export interface PreferenceExportRow {
  readonly jobId: string;
  readonly formula: WeightFormula;
  /** Token pairs asked for; rows that can be exported now. */
  readonly pairs: number;
  readonly rows: number;
  /** Pairs without a row, by reason. */
  readonly leftOut: readonly { readonly reason: string; readonly count: number }[];
}
