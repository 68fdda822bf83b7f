/** What the page of one case asks for. Long vectors come in windows. */
import type { Operation } from "../shell/client.ts";
import type { Rule } from "../shell/route.ts";
import type { CaseStatus, Segment } from "../shell/names.ts";

/** Most tokens of one window. */
export const WINDOW = 1024;

export interface PairToken {
  readonly id: number;
  readonly text: string;
  readonly logit: number;
}

export interface AttributionSummary {
  readonly id: string;
  readonly rule: Rule;
  readonly target: { readonly logit: number };
  readonly contrast: { readonly logit: number };
  readonly logitDifference: number;
  readonly layers: number;
  readonly adapter: string;
  readonly seconds: number;
  readonly download: string;
  readonly graphs: readonly GraphSummary[];
}

/** A stored graph; newest first. */
export interface GraphSummary {
  readonly id: string;
  readonly heads: boolean;
  readonly edgeCount: number;
  readonly download: string;
  readonly adapter: string;
  readonly seconds: number;
}

export interface Pair {
  readonly id: string;
  readonly target: PairToken;
  readonly contrast: PairToken & { readonly rank: number };
  readonly delta: number;
  readonly attributions: readonly AttributionSummary[];
}

/** What an annotator says of a case; positions count from the completion's first token. */
export interface Annotation {
  readonly id: string;
  readonly annotator: string;
  readonly decision: "PAIR" | "EXCLUDE";
  readonly position: number | null;
  readonly targetId: number | null;
  readonly contrastId: number | null;
  readonly reason: string;
}

export interface Case {
  readonly id: string;
  readonly key: string;
  readonly benchmark: string;
  readonly task: string;
  readonly model: { readonly name: string; readonly layers: number };
  readonly tokenCount: number;
  readonly promptTokens: number;
  /** The completion before its first wrong token. */
  readonly prefix: string;
  readonly completionTokenCount: number;
  /** Whether a person changed the segments. */
  readonly segmentsEdited: boolean;
  readonly visitedPositionCount: number;
  readonly status: CaseStatus;
  readonly exclusion: string | null;
  readonly exclusionNote: string | null;
  readonly reviewer: string | null;
  readonly verdict: { readonly passed: boolean | null; readonly reason: string | null } | null;
  readonly annotations: readonly Annotation[];
  readonly tokenPairs: readonly Pair[];
}

/** `__typename` is all that comes back when the id is of something else. */
type NodeOf<Fields> = { readonly node: (Fields & { readonly __typename: string }) | null };

export const READ_CASE: Operation<NodeOf<Case>, { readonly id: string }> = {
  document: `
    query ReadCase($id: ID!) {
      node(id: $id) {
        __typename
        ... on FailureCase {
          id
          key
          benchmark
          task
          model { name layers }
          tokenCount
          promptTokens
          prefix
          completionTokenCount
          segmentsEdited
          visitedPositionCount
          status
          exclusion
          exclusionNote
          reviewer
          verdict { passed reason }
          annotations { id annotator decision position targetId contrastId reason }
          tokenPairs {
            id
            target { id text logit }
            contrast { id text logit rank }
            delta
            attributions {
              id
              rule
              target { logit }
              contrast { logit }
              logitDifference
              layers
              adapter
              seconds
              download
              graphs { id heads edgeCount download adapter seconds }
            }
          }
        }
      }
    }
  `,
};

export interface Token {
  readonly position: number;
  readonly id: number;
  readonly text: string;
  readonly special: boolean;
  readonly segment: Segment;
}

export const READ_TOKENS: Operation<
  NodeOf<{ readonly tokens: readonly Token[] }>,
  { readonly id: string; readonly from: number; readonly count: number }
> = {
  document: `
    query ReadTokens($id: ID!, $from: Int!, $count: Int!) {
      node(id: $id) {
        __typename
        ... on FailureCase { tokens(from: $from, count: $count) { position id text special segment } }
      }
    }
  `,
};

export const READ_COMPLETION: Operation<
  NodeOf<{ readonly completionTokens: readonly Token[] }>,
  { readonly id: string; readonly from: number; readonly count: number }
> = {
  document: `
    query ReadCompletion($id: ID!, $from: Int!, $count: Int!) {
      node(id: $id) {
        __typename
        ... on FailureCase {
          completionTokens(from: $from, count: $count) { position id text special segment }
        }
      }
    }
  `,
};

export const READ_ANNOTATION_PROMPT: Operation<NodeOf<{ readonly annotationPrompt: string }>, { readonly id: string }> =
  {
    document: `
      query ReadAnnotationPrompt($id: ID!) {
        node(id: $id) {
          __typename
          ... on FailureCase { annotationPrompt }
        }
      }
    `,
  };

export const ANNOTATE: Operation<
  { readonly annotateCase: { readonly __typename: string; readonly problem?: string } },
  {
    readonly input: {
      readonly failureCaseId: string;
      readonly annotator: string;
      readonly decision: "PAIR" | "EXCLUDE";
      readonly position?: number;
      readonly targetId?: number;
      readonly contrastText?: string;
      readonly contrastId?: number;
      readonly reason: string;
    };
  }
> = {
  document: `
    mutation Annotate($input: AnnotateCaseInput!) {
      annotateCase(input: $input) {
        __typename
        ... on InputError { problem: message }
      }
    }
  `,
};

/** An attribution on any model. */
export interface MemberAttribution {
  readonly id: string;
  readonly rule: Rule;
  readonly layers: number;
  readonly logitDifference: number;
  readonly model: { readonly name: string };
}

export const READ_MEMBERS: Operation<
  NodeOf<{ readonly memberAttributions: readonly MemberAttribution[] }>,
  { readonly id: string }
> = {
  document: `
    query ReadMembers($id: ID!) {
      node(id: $id) {
        __typename
        ... on TokenPair { memberAttributions { id rule layers logitDifference model { name } } }
      }
    }
  `,
};

/** Tokens that follow each other, and their segment. */
export interface SegmentRange {
  readonly from: number;
  readonly count: number;
  readonly segment: "INSTRUCTION" | "QUERY";
}

export const SET_SEGMENTS: Operation<
  { readonly setSegments: { readonly __typename: string; readonly problem?: string } },
  { readonly id: string; readonly ranges: readonly SegmentRange[] }
> = {
  document: `
    mutation SetSegments($id: ID!, $ranges: [SegmentRange!]!) {
      setSegments(failureCaseId: $id, ranges: $ranges) {
        __typename
        ... on InputError { problem: message }
      }
    }
  `,
};

export const READ_RELEVANCE: Operation<
  NodeOf<{ readonly relevance: readonly number[]; readonly scale: number; readonly scaleWithSpecial: number }>,
  { readonly id: string; readonly layer: number; readonly from: number; readonly count: number }
> = {
  document: `
    query ReadRelevance($id: ID!, $layer: Int!, $from: Int!, $count: Int!) {
      node(id: $id) {
        __typename
        ... on Attribution {
          relevance(layer: $layer, from: $from, count: $count)
          scale(layer: $layer)
          scaleWithSpecial: scale(layer: $layer, includeSpecial: true)
        }
      }
    }
  `,
};

export interface Candidate {
  readonly rank: number;
  readonly id: number;
  readonly text: string;
  readonly logit: number;
  readonly completion: string | null;
  readonly passed: boolean | null;
}

export const READ_CANDIDATES: Operation<
  NodeOf<{ readonly candidates: readonly Candidate[] }>,
  { readonly id: string }
> = {
  document: `
    query ReadCandidates($id: ID!) {
      node(id: $id) {
        __typename
        ... on TokenPair { candidates { rank id text logit completion passed } }
      }
    }
  `,
};

/** A position of the answer that a search visited. */
export interface VisitedPosition {
  /** Counted from the completion's first token. */
  readonly position: number;
  readonly proposedBy: "OWN" | "SIBLING";
  readonly target: { readonly text: string; readonly rank: number | null };
  readonly triedCount: number;
  readonly recovered: boolean;
  /** The best of them, those that passed first. */
  readonly tried: readonly Candidate[];
}

export const READ_VISITED: Operation<
  NodeOf<{ readonly visitedPositions: readonly VisitedPosition[] }>,
  { readonly id: string; readonly from: number; readonly count: number }
> = {
  document: `
    query ReadVisited($id: ID!, $from: Int!, $count: Int!) {
      node(id: $id) {
        __typename
        ... on FailureCase {
          visitedPositions(from: $from, count: $count) {
            position
            proposedBy
            target { text rank }
            triedCount
            recovered
            tried(first: 3) { rank id text logit completion passed }
          }
        }
      }
    }
  `,
};
