/** What traces of token pairs are asked for. */
import type { Rule } from "../tables/rules.ts";
import type { TraceSettings } from "../tables/trace_values.ts";

export interface TraceRequest {
  /** Row ids; "missing" = every token pair without this trace, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly rule: Rule;
  readonly settings: TraceSettings;
  readonly idempotencyKey: string | undefined;
}
