/** What the page of one case asks for. Long vectors come in windows. */
import { type DataOf, type Given, graphql, type VariablesOf } from "../shell/graphql.ts";

/** Most tokens of one window. */
export const WINDOW = 1024;

export const READ_CASE = graphql(`
  query ReadCase($id: ID!) {
    node(id: $id) {
      __typename
      ... on FailureCase {
        id
        key
        benchmark
        task
        model { name layers directory place { isHere hub } }
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
          source
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
`);
export type Case = Extract<DataOf<typeof READ_CASE>["node"], { readonly __typename: "FailureCase" }>;
/** What an annotator says of a case; positions count from the completion's first token. */
export type Annotation = Case["annotations"][number];
export type Pair = Case["tokenPairs"][number];
export type PairToken = Pair["target"];
export type AttributionSummary = Pair["attributions"][number];
/** A stored graph; newest first. */
export type GraphSummary = AttributionSummary["graphs"][number];

export const READ_TOKENS = graphql(`
  query ReadTokens($id: ID!, $from: Int!, $count: Int!) {
    node(id: $id) {
      __typename
      ... on FailureCase { tokens(from: $from, count: $count) { position id text special segment } }
    }
  }
`);
export type Token = Extract<
  DataOf<typeof READ_TOKENS>["node"],
  { readonly __typename: "FailureCase" }
>["tokens"][number];

export const READ_COMPLETION = graphql(`
  query ReadCompletion($id: ID!, $from: Int!, $count: Int!) {
    node(id: $id) {
      __typename
      ... on FailureCase {
        completionTokens(from: $from, count: $count) { position id text special segment }
      }
    }
  }
`);

export const READ_ANNOTATION_PROMPT = graphql(`
  query ReadAnnotationPrompt($id: ID!) {
    node(id: $id) {
      __typename
      ... on FailureCase { annotationPrompt }
    }
  }
`);

export const ANNOTATE = graphql(`
  mutation Annotate($input: AnnotateCaseInput!) {
    annotateCase(input: $input) {
      __typename
      ... on InputError { problem: message }
    }
  }
`);

export const READ_MEMBERS = graphql(`
  query ReadMembers($id: ID!) {
    node(id: $id) {
      __typename
      ... on TokenPair { memberAttributions { id rule layers logitDifference model { name } } }
    }
  }
`);
/** An attribution on any model. */
export type MemberAttribution = Extract<
  DataOf<typeof READ_MEMBERS>["node"],
  { readonly __typename: "TokenPair" }
>["memberAttributions"][number];

export const SET_SEGMENTS = graphql(`
  mutation SetSegments($id: ID!, $ranges: [SegmentRange!]!) {
    setSegments(failureCaseId: $id, ranges: $ranges) {
      __typename
      ... on InputError { problem: message }
    }
  }
`);
/** Tokens that follow each other, and their segment. */
export type SegmentRange = Given<VariablesOf<typeof SET_SEGMENTS>["ranges"][number]>;

export const READ_RELEVANCE = graphql(`
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
`);

export const READ_CANDIDATES = graphql(`
  query ReadCandidates($id: ID!) {
    node(id: $id) {
      __typename
      ... on TokenPair { candidates { rank id text logit completion passed endedEarly } }
    }
  }
`);
export type Candidate = Extract<
  DataOf<typeof READ_CANDIDATES>["node"],
  { readonly __typename: "TokenPair" }
>["candidates"][number];

export const READ_VISITED = graphql(`
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
          tried(first: 3) { rank id text logit completion passed endedEarly }
        }
      }
    }
  }
`);
/** A position of the response that a search visited. */
export type VisitedPosition = Extract<
  DataOf<typeof READ_VISITED>["node"],
  { readonly __typename: "FailureCase" }
>["visitedPositions"][number];
