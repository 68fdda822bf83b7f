/** What the page asks about outcome and pattern. */
import { JOB } from "../jobs/documents.ts";
import { type DataOf, graphql, type Named, type VariablesOf } from "../shell/graphql.ts";

export const READ_DIAGNOSIS = graphql(`
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
`);
export type DiagnosedPair = Extract<DataOf<typeof READ_DIAGNOSIS>["node"], { readonly __typename: "TokenPair" }>;
export type Label = DiagnosedPair["labels"][number];
export type Diagnosis = NonNullable<DiagnosedPair["attributions"][number]["diagnosis"]>;

export const DIAGNOSE = graphql(
  `
  mutation Diagnose($id: ID!) {
    diagnose(input: { tokenPairIds: [$id] }) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const EXPLAIN_AGAINST = graphql(
  `
  mutation ExplainAgainst($input: ExplainInput!) {
    explain(input: $input) {
      __typename
      ... on Explanation { job { __typename ...JobState } }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const SEARCH_CASE = graphql(
  `
  mutation SearchCase($cases: FailureCaseFilter!) {
    findTokenPairs(input: { cases: $cases }) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const LABEL_PAIR = graphql(`
  mutation LabelPair($input: LabelTokenPairInput!) {
    labelTokenPair(input: $input) {
      __typename
      ... on InputError { problem: message }
    }
  }
`);

export const READ_OBJECTIVES = graphql(`
  query ReadObjectives($id: ID!) {
    node(id: $id) {
      __typename
      ... on TokenPair {
        objectives {
          id
          kind
          count
          target
          contrast
          rule
          value
          tokens
          relevance
          branches { side tokens relevance }
          adapter
        }
      }
    }
  }
`);
export type Objective = Extract<
  DataOf<typeof READ_OBJECTIVES>["node"],
  { readonly __typename: "TokenPair" }
>["objectives"][number];
export type ObjectiveKind = Named<"ObjectiveKind">;

export const EXPLAIN_OBJECTIVE = graphql(
  `
  mutation ExplainObjective($input: ExplainObjectiveInput!) {
    explainObjective(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);
export type ObjectiveInput = VariablesOf<typeof EXPLAIN_OBJECTIVE>["input"];
