/** Studies: the same token pairs on every member of a series of models. */
import type { Operation } from "../shell/client.ts";
import type { Rule } from "../shell/route.ts";

export type Verdict = "CORRECTED" | "NOT_CORRECTED" | "UNDECIDED";

export interface StudyHead {
  readonly id: string;
  readonly name: string;
  readonly rule: Rule;
  readonly pairs: number;
  readonly series: {
    readonly name: string;
    readonly kind: "SCALING" | "TRAINING";
    readonly members: readonly { readonly label: string }[];
  };
}

export const LIST_STUDIES: Operation<
  { readonly studies: { readonly nodes: readonly StudyHead[] } },
  Record<never, never>
> = {
  document: `
    query ListStudies {
      studies(first: 100) { nodes { id name rule pairs series { name kind members { label } } } }
    }
  `,
};

export interface Segments {
  readonly verdict: Verdict | null;
  readonly count: number;
  readonly instruction: number | null;
  readonly query: number | null;
  readonly answer: number | null;
}

export interface Member {
  readonly label: string;
  readonly position: number;
  readonly attributed: number;
  readonly failing: number | null;
  readonly delta:
    | { readonly value: number; readonly low: number; readonly high: number; readonly count: number }
    | null;
  readonly segments: readonly Segments[];
}

export interface Summary {
  readonly x: string;
  readonly y: string;
  readonly both: number;
  readonly corrected: number;
  readonly notCorrected: number;
  readonly undecided: number;
  readonly members: readonly Member[];
}

export interface Point {
  readonly failureCaseId: string;
  readonly tokenPairId: string;
  readonly key: string;
  readonly target: string;
  readonly contrast: string;
  readonly x: number;
  readonly y: number;
  readonly verdict: Verdict;
}

type StudyNode<Fields> = { readonly node: (Fields & { readonly __typename: string }) | null };

export const READ_STUDY: Operation<
  StudyNode<{ readonly summary: Summary }>,
  { readonly id: string; readonly x?: string; readonly y?: string }
> = {
  document: `
    query ReadStudy($id: ID!, $x: String, $y: String) {
      node(id: $id) {
        __typename
        ... on Study {
          summary(x: $x, y: $y) {
            x
            y
            both
            corrected
            notCorrected
            undecided
            members {
              label
              position
              attributed
              failing
              delta { value low high count }
              segments { verdict count instruction query answer }
            }
          }
        }
      }
    }
  `,
};

export const READ_POINTS: Operation<
  StudyNode<{
    readonly points: {
      readonly nodes: readonly Point[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
    };
  }>,
  { readonly id: string; readonly x: string; readonly y: string; readonly after: string | null }
> = {
  document: `
    query ReadPoints($id: ID!, $x: String!, $y: String!, $after: String) {
      node(id: $id) {
        __typename
        ... on Study {
          points(x: $x, y: $y, first: 200, after: $after) {
            nodes { failureCaseId tokenPairId key target contrast x y verdict }
            pageInfo { hasNextPage endCursor }
          }
        }
      }
    }
  `,
};
