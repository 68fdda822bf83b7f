/** What diagnoses are asked for, and how far readers agree with them. */
import type { Rule } from "../tables/rules.ts";

export interface DiagnoseRequest {
  /** Row ids; "missing" = every token pair without a diagnosis of this version, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly rule: Rule;
  readonly idempotencyKey: string | undefined;
}

/** Cohen's kappa with what it is made of. */
export interface AgreementRow {
  readonly observed: number;
  readonly expected: number;
  readonly kappa: number | null;
}

export interface LabelAgreementRequest {
  readonly benchmark: string | undefined;
  readonly rule: Rule;
}

/** How far two readers agree; `one` is null for the classifier. */
export interface LabelAgreementRow {
  readonly one: string | null;
  readonly other: string;
  readonly pairs: number;
  readonly outcome: AgreementRow;
  readonly pattern: AgreementRow;
  readonly urt: AgreementRow;
  readonly oit: AgreementRow;
}
