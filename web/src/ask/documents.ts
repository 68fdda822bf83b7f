/** Asking a model, and why it did not say something else. */
import { type DataOf, type Given, graphql, type VariablesOf } from "../shell/graphql.ts";

const ASK_JOB = graphql(`
  fragment AskState on Job {
    id
    status
    message
    error { message }
    sequence
    about
    generation {
      prompt
      prefix
      text
      answer
      thought { budget tokens insertedTokens }
      stop
      tokens { position id text logit probability alternatives { rank id text logit probability } }
    }
  }
`);
export type AskJob = DataOf<typeof ASK_JOB>;
export type AnswerToken = NonNullable<AskJob["generation"]>["tokens"][number];
export type AnswerThought = NonNullable<NonNullable<AskJob["generation"]>["thought"]>;
export type Alternative = AnswerToken["alternatives"][number];

export const GENERATE = graphql(`
  mutation Generate($input: GenerateInput!) {
    generate(input: $input) {
      __typename
      ... on Job { id }
      ... on InputError { problem: message }
    }
  }
`);
/** What is asked of which model; or, with `at`, how an answer goes on after another token. */
export type GenerateInput = Given<VariablesOf<typeof GENERATE>["input"]>;

export const READ_ANSWER = graphql(
  `
  query ReadAnswer($id: ID!) {
    job(id: $id) { ...AskState }
  }
`,
  [ASK_JOB],
);

export const WATCH_ANSWER = graphql(
  `
  subscription WatchAnswer($id: ID!, $after: Int!) {
    jobProgress(id: $id, after: $after) { ...AskState }
  }
`,
  [ASK_JOB],
);

export const EXPLAIN = graphql(`
  mutation Explain($input: ExplainInput!) {
    explain(input: $input) {
      __typename
      ... on Explanation { note failureCase { id } job { id } }
      ... on InputError { problem: message }
    }
  }
`);
export type Explained = Extract<DataOf<typeof EXPLAIN>["explain"], { readonly __typename: "Explanation" }>;

export const READ_ASK_MODELS = graphql(`
  query ReadAskModels {
    models(first: 200) { nodes { name } }
  }
`);
