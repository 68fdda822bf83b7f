/** What the page asks about outcome and pattern. */
import type { Operation } from "../shell/client.ts";
import type { Rule } from "../shell/route.ts";
import { JOB, type JobResult } from "../jobs/documents.ts";

export type Outcome = "M_IA" | "NC_IA_M_AG" | "NC_IA_AG";
export type Pattern = "URT" | "OIT" | "URT_OIT";

export interface Diagnosis {
  readonly outcome: Outcome;
  readonly pattern: Pattern | null;
  readonly confidence: number;
  readonly summary: string;
  readonly version: string;
  readonly outdated: boolean;
  readonly probes: readonly {
    readonly kind: "WEAKEN" | "STRENGTHEN";
    readonly positions: readonly number[];
    readonly factor: number;
    readonly before: number;
    readonly after: number;
    readonly asClaimed: boolean;
  }[];
}

export interface Label {
  readonly id: string;
  readonly reader: string;
  readonly outcome: Outcome;
  readonly pattern: Pattern | null;
  readonly note: string | null;
}

export interface DiagnosedPair {
  readonly labels: readonly Label[];
  readonly attributions: readonly { readonly rule: Rule; readonly diagnosis: Diagnosis | null }[];
}

export const READ_DIAGNOSIS: Operation<
  { readonly node: (DiagnosedPair & { readonly __typename: string }) | null },
  { readonly id: string }
> = {
  document: `
    query ReadDiagnosis($id: ID!) {
      node(id: $id) {
        __typename
        ... on TokenPair {
          labels { id reader outcome pattern note }
          attributions {
            rule
            diagnosis {
              outcome
              pattern
              confidence
              summary
              version
              outdated
              probes { kind positions factor before after asClaimed }
            }
          }
        }
      }
    }
  `,
};

export const DIAGNOSE: Operation<
  { readonly diagnose: JobResult },
  { readonly id: string }
> = {
  document: `
    mutation Diagnose($id: ID!) {
      diagnose(input: { tokenPairIds: [$id] }) {
        __typename
        ... on Job { ...JobState }
        ... on InputError { problem: message }
      }
    }
    ${JOB}
  `,
};
