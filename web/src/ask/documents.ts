/** Asking a model, and why it did not say something else. */
import type { Operation } from "../shell/client.ts";
import type { Rule } from "../shell/route.ts";

export interface Alternative {
  readonly rank: number;
  readonly id: number;
  readonly text: string;
  readonly logit: number;
}

export interface AnswerToken {
  readonly position: number;
  readonly id: number;
  readonly text: string;
  /** Null while the answer is being written. */
  readonly logit: number | null;
  readonly alternatives: readonly Alternative[];
}

export interface AskJob {
  readonly id: string;
  readonly status: "QUEUED" | "RUNNING" | "COMPLETED" | "FAILED" | "CANCELLED";
  readonly message: string | null;
  readonly error: { readonly message: string } | null;
  readonly sequence: number;
  readonly about: string;
  readonly generation: {
    readonly prompt: string;
    readonly prefix: string;
    readonly text: string;
    readonly stop: "EOS" | "LENGTH" | null;
    readonly tokens: readonly AnswerToken[];
  } | null;
}

interface InputError {
  readonly __typename: "InputError";
  readonly problem: string;
}

const ASK_JOB = `
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
      stop
      tokens { position id text logit alternatives { rank id text logit } }
    }
  }
`;

/** What is asked of which model; or, with `at`, how an answer goes on after another token. */
export interface GenerateInput {
  readonly model?: string;
  readonly chat?: string;
  readonly system?: string;
  readonly prompt?: string;
  readonly at?: { readonly job: string; readonly position: number; readonly instead: number };
  readonly maxTokens?: number;
}

export const GENERATE: Operation<
  { readonly generate: { readonly __typename: "Job"; readonly id: string } | InputError },
  { readonly input: GenerateInput }
> = {
  document: `
    mutation Generate($input: GenerateInput!) {
      generate(input: $input) {
        __typename
        ... on Job { id }
        ... on InputError { problem: message }
      }
    }
  `,
};

export const READ_ANSWER: Operation<{ readonly job: AskJob | null }, { readonly id: string }> = {
  document: `
    query ReadAnswer($id: ID!) {
      job(id: $id) { ...AskState }
    }
    ${ASK_JOB}
  `,
};

export const WATCH_ANSWER: Operation<
  { readonly jobProgress: AskJob },
  { readonly id: string; readonly after: number }
> = {
  document: `
    subscription WatchAnswer($id: ID!, $after: Int!) {
      jobProgress(id: $id, after: $after) { ...AskState }
    }
    ${ASK_JOB}
  `,
};

export interface Explained {
  readonly note: string | null;
  readonly failureCase: { readonly id: string };
  readonly job: { readonly id: string };
}

export const EXPLAIN: Operation<
  { readonly explain: ({ readonly __typename: "Explanation" } & Explained) | InputError },
  {
    readonly input: {
      readonly at: { readonly job: string; readonly position: number };
      readonly contrast: { readonly id: number } | { readonly text: string };
      readonly rule?: Rule;
    };
  }
> = {
  document: `
    mutation Explain($input: ExplainInput!) {
      explain(input: $input) {
        __typename
        ... on Explanation { note failureCase { id } job { id } }
        ... on InputError { problem: message }
      }
    }
  `,
};

export const READ_ASK_MODELS: Operation<
  { readonly models: { readonly nodes: readonly { readonly name: string }[] } },
  Record<never, never>
> = {
  document: `
    query ReadAskModels {
      models(first: 200) { nodes { name } }
    }
  `,
};
