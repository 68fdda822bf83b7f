/** Masking experiments of one token pair. */
import type { Operation } from "../shell/client.ts";
import { JOB, type JobResult, type Replacement, type Scope } from "../jobs/documents.ts";

export type Ranking = "CHOSEN" | "ATTNLRP" | "CPLRP" | "GRADIENT" | "RANDOM" | "LOWEST";

export interface Experiment {
  readonly id: string;
  readonly ranking: Ranking;
  readonly replacement: Replacement;
  readonly scope: Scope;
  readonly seed: number;
  readonly budget: number;
  readonly flipAway: number | null;
  readonly flipToContrast: number | null;
  readonly flipToPass: number | null;
  readonly steps: readonly {
    readonly masked: number;
    readonly position: number | null;
    readonly delta: number;
    readonly argmax: number;
    readonly argmaxText: string;
  }[];
  readonly adapter: string;
}

export const READ_MASKING: Operation<
  {
    readonly node:
      | { readonly __typename: string; readonly maskingExperiments?: readonly Experiment[] }
      | null;
  },
  { readonly id: string }
> = {
  document: `
    query ReadMasking($id: ID!) {
      node(id: $id) {
        __typename
        ... on TokenPair {
          maskingExperiments {
            id
            ranking
            replacement
            scope
            seed
            budget
            flipAway
            flipToContrast
            flipToPass
            steps { masked position delta argmax argmaxText }
            adapter
          }
        }
      }
    }
  `,
};

export const MASK_TOKENS: Operation<
  { readonly maskTokens: JobResult },
  {
    readonly input: {
      readonly tokenPairId: string;
      readonly positions: readonly number[];
      readonly replacement: Replacement;
    };
  }
> = {
  document: `
    mutation MaskTokens($input: MaskTokensInput!) {
      maskTokens(input: $input) {
        __typename
        ... on Job { ...JobState }
        ... on InputError { problem: message }
      }
    }
    ${JOB}
  `,
};
