/** Masking experiments of one token pair. */
import type { Operation } from "../shell/client.ts";
import { JOB, type JobResult } from "./jobs.ts";

export const REPLACEMENTS = ["ATTENTION", "REMOVE", "NEUTRAL", "MEAN"] as const;
export type Replacement = (typeof REPLACEMENTS)[number];
/** Tokens of the prompt, or of prompt and answer before the error. */
export type Scope = "PROMPT" | "ALL";
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

export const MASK: Operation<
  { readonly runMaskingExperiment: JobResult },
  {
    readonly input: {
      readonly tokenPairIds: readonly string[];
      readonly replacements: readonly Replacement[];
      readonly scope: Scope;
      readonly idempotencyKey: string;
    };
  }
> = {
  document: `
    mutation Mask($input: RunMaskingExperimentInput!) {
      runMaskingExperiment(input: $input) {
        __typename
        ... on Job { ...JobState }
        ... on InputError { problem: message }
      }
    }
    ${JOB}
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
