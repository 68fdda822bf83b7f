/** Jobs: what is running, what can be asked for. */
import type { Operation } from "../shell/client.ts";
import type { Rule } from "../shell/route.ts";

export interface Job {
  readonly id: string;
  readonly kind:
    | "ATTRIBUTE"
    | "IMPORT"
    | "COLLECT"
    | "FIND_PAIRS"
    | "BUILD_GRAPH"
    | "DIAGNOSE"
    | "MASK"
    | "STUDY"
    | "EXPORT_PREFERENCES"
    | "GENERATE"
    | "EXPLAIN";
  /** Rule, benchmark, model or file, in a few words. */
  readonly about: string;
  readonly status: "QUEUED" | "RUNNING" | "COMPLETED" | "FAILED" | "CANCELLED";
  readonly done: number;
  readonly total: number;
  readonly message: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly sequence: number;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** What an import did with the lines of its file. */
  readonly report: {
    readonly inserted: number;
    readonly unchanged: number;
    readonly failedCount: number;
    readonly failed: readonly { readonly message: string }[];
  } | null;
}

interface InputError {
  readonly __typename: "InputError";
  readonly problem: string;
}

export type JobResult = ({ readonly __typename: "Job" } & Job) | InputError;

export const JOB = `
  fragment JobState on Job {
    id
    kind
    about
    status
    done
    total
    message
    error { code message }
    sequence
    createdAt
    startedAt
    finishedAt
    report { inserted unchanged failedCount failed { message } }
  }
`;

export const LIST_JOBS: Operation<
  { readonly jobs: { readonly nodes: readonly Job[] } },
  { readonly first: number }
> = {
  document: `
    query ListJobs($first: Int!) {
      jobs(first: $first) { nodes { ...JobState } }
    }
    ${JOB}
  `,
};

/** A worker that runs now. */
export interface Worker {
  readonly host: string;
  readonly pid: number;
  readonly adapter: string;
  readonly memoryBytes: number | null;
  readonly models: readonly string[];
}

export const LIST_WORKERS: Operation<{ readonly workers: readonly Worker[] }, Record<never, never>> = {
  document: `
    query ListWorkers {
      workers { host pid adapter memoryBytes models }
    }
  `,
};

export const WATCH_JOB: Operation<
  { readonly jobProgress: Job },
  { readonly id: string; readonly after: number }
> = {
  document: `
    subscription WatchJob($id: ID!, $after: Int!) {
      jobProgress(id: $id, after: $after) { ...JobState }
    }
    ${JOB}
  `,
};

export const ATTRIBUTE: Operation<
  { readonly attribute: JobResult },
  { readonly input: { readonly tokenPairIds: readonly string[]; readonly rule: Rule; readonly idempotencyKey: string } }
> = {
  document: `
    mutation Attribute($input: AttributeInput!) {
      attribute(input: $input) {
        __typename
        ... on Job { ...JobState }
        ... on InputError { problem: message }
      }
    }
    ${JOB}
  `,
};

export const BUILD_GRAPH: Operation<
  { readonly buildGraph: JobResult },
  {
    readonly input: {
      readonly tokenPairIds: readonly string[];
      readonly rule: Rule;
      readonly heads: boolean;
      readonly idempotencyKey: string;
    };
  }
> = {
  document: `
    mutation BuildGraph($input: BuildGraphInput!) {
      buildGraph(input: $input) {
        __typename
        ... on Job { ...JobState }
        ... on InputError { problem: message }
      }
    }
    ${JOB}
  `,
};

export const CANCEL_JOB: Operation<{ readonly cancelJob: JobResult }, { readonly id: string }> = {
  document: `
    mutation CancelJob($id: ID!) {
      cancelJob(id: $id) {
        __typename
        ... on Job { ...JobState }
        ... on InputError { problem: message }
      }
    }
    ${JOB}
  `,
};

export const RETRY_JOB: Operation<{ readonly retryJob: JobResult }, { readonly id: string }> = {
  document: `
    mutation RetryJob($id: ID!) {
      retryJob(id: $id) {
        __typename
        ... on Job { ...JobState }
        ... on InputError { problem: message }
      }
    }
    ${JOB}
  `,
};

export const REPLACEMENTS = ["ATTENTION", "REMOVE", "NEUTRAL", "MEAN"] as const;
export type Replacement = (typeof REPLACEMENTS)[number];
/** Tokens of the prompt, or of prompt and answer before the error. */
export type Scope = "PROMPT" | "ALL";

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
