/** Traces: what is asked of the server about the steps of a completion. Long vectors come in windows. */
import { JOB } from "../jobs/documents.ts";
import { type DataOf, type Given, graphql, type VariablesOf } from "../shell/graphql.ts";

export const READ_TRACED = graphql(`
  query ReadTraced($id: ID!) {
    node(id: $id) {
      __typename
      ... on TokenPair {
        id
        target { id text logit }
        contrast { id text logit rank }
        delta
        source
        failureCase {
          id key benchmark model { name directory place { isHere hub } } tokenCount promptTokens
        }
        traces { id rule boundaries createdAt }
      }
    }
  }
`);
/** A token pair with its case, and the traces that it has, newest first. */
export type TracedPair = Extract<DataOf<typeof READ_TRACED>["node"], { readonly __typename: "TokenPair" }>;
export type TraceSummary = TracedPair["traces"][number];

export const READ_TRACE = graphql(`
  query ReadTrace($id: ID!) {
    node(id: $id) {
      __typename
      ... on Trace {
        id
        rule
        promptTokens
        tokenCount
        boundaries
        sentences { start end text }
        steps {
          index
          kind
          start
          end
          text
          weight
          signedWeight
          row { value tokens absolute own special signed shares weight signedWeight lost signedLost }
        }
        error { value tokens absolute own special signed shares weight signedWeight lost signedLost }
        reach { step rollouts { text rank passed } completion }
        lostAt
        adapter
        seconds
        json
        svg
      }
    }
  }
`);
export type Trace = Extract<DataOf<typeof READ_TRACE>["node"], { readonly __typename: "Trace" }>;
export type TraceRow = Trace["error"];
export type StepKind = Trace["steps"][number]["kind"];

export const READ_CHAIN_HEAT = graphql(`
  query ReadChainHeat($id: ID!, $signed: Boolean!, $from: Int!, $count: Int!) {
    node(id: $id) {
      __typename
      ... on Trace { heat(signed: $signed, from: $from, count: $count) }
    }
  }
`);

export const READ_ROW_RELEVANCE = graphql(`
  query ReadRowRelevance($id: ID!, $step: Int, $from: Int!, $count: Int!) {
    node(id: $id) {
      __typename
      ... on Trace { relevance(step: $step, from: $from, count: $count) }
    }
  }
`);

export const TRACE = graphql(
  `
  mutation Trace($input: TraceInput!) {
    trace(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);
/** How a trace is asked for. */
export type TraceInput = Given<VariablesOf<typeof TRACE>["input"]>;
