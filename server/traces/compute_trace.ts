/** A token pair's trace, computed and stored. */
import { InputError } from "../../gpu/mod.ts";
import type { AnalysisInput } from "../../schema/tables/analysis_values.ts";
import type { Analysis, StoreResult } from "../jobs/analysis.ts";

type TraceInput = Extract<AnalysisInput, { kind: "trace" }>;

/** Throws InputError: nothing computes traces yet. */
export function computeTrace({ rows }: Analysis, _input: TraceInput): Promise<StoreResult> {
  throw new InputError("this version stores traces and computes none", rows.failureCase.key, "take a later version");
}
