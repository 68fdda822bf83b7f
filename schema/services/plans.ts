/** Work that could be asked for, and what it would take. */
import type { MaskingOptions } from "../tables/analysis_values.ts";
import type { Rule } from "../tables/rules.ts";

/** Work that could be asked for. */
export interface PlanRequest {
  readonly kind: "attribute" | "build_graph" | "trace" | "mask" | "ablate" | "study";
  /** As in AttributeRequest; undefined for the pairs that a study has. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean" | undefined;
  readonly rule: Rule;
  /** Of graphs: whether edges are split by head. */
  readonly heads: boolean;
  readonly masking: Pick<MaskingOptions, "replacements" | "budget" | "seeds" | "rolloutTokens">;
  /** Of studies: the series' name, and the study's. */
  readonly series: string | undefined;
  readonly name: string | undefined;
}

/** What it would take; docs/planning.md. */
export interface WorkPlan {
  /** Results that are missing: each is a run. */
  readonly runs: number;
  /** Tokens of the longest run. */
  readonly longest: number;
  /** All runs one after another, without loading models. */
  readonly seconds: number;
  /** Of the largest run, its model included. */
  readonly gpuBytes: number;
  readonly hostBytes: number;
  readonly fits: boolean;
  /** One line with the numbers. */
  readonly why: string;
  /** In its driver's words; null where nothing is missing. */
  readonly adapter: string | null;
}
