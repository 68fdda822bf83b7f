/** What attributions and graphs of token pairs are asked for. */
import type { AskedObjective, GraphOptions } from "../tables/analysis_values.ts";
import type { Rule } from "../tables/rules.ts";

export interface AttributeRequest {
  /** Row ids; "missing" = every token pair without an attribution of the rule, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly rule: Rule;
  readonly idempotencyKey: string | undefined;
}

export interface ExplainObjectiveRequest {
  /** Row ids; "missing" = every token pair without this objective's relevance, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly rule: Rule;
  readonly objective: AskedObjective;
  readonly idempotencyKey: string | undefined;
}

export interface BuildGraphRequest {
  /** Row ids; "missing" = every token pair without such a graph, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly rule: Rule;
  readonly options: GraphOptions;
  readonly idempotencyKey: string | undefined;
}
