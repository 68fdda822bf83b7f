/** Jobs: what is running, what can be asked for. */
import { type DataOf, graphql, type Named } from "../shell/graphql.ts";

export const JOB = graphql(`
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
    failureCaseId
    tokenPairId
    benchmark
    model
  }
`);
export type Job = DataOf<typeof JOB>;

export const LIST_JOBS = graphql(
  `
  query ListJobs($first: Int!) {
    jobs(first: $first) { nodes { ...JobState } }
  }
`,
  [JOB],
);

export const LIST_WORKERS = graphql(`
  query ListWorkers {
    workers { host pid adapter memoryBytes models }
  }
`);
/** A worker that runs now. */
export type Worker = DataOf<typeof LIST_WORKERS>["workers"][number];

export const WATCH_JOB = graphql(
  `
  subscription WatchJob($id: ID!, $after: Int!) {
    jobProgress(id: $id, after: $after) { ...JobState }
  }
`,
  [JOB],
);

export const ATTRIBUTE = graphql(
  `
  mutation Attribute($input: AttributeInput!) {
    attribute(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const BUILD_GRAPH = graphql(
  `
  mutation BuildGraph($input: BuildGraphInput!) {
    buildGraph(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const CANCEL_JOB = graphql(
  `
  mutation CancelJob($id: ID!) {
    cancelJob(id: $id) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);
/** The job, or what was wrong. */
export type JobResult = DataOf<typeof CANCEL_JOB>["cancelJob"];

export const RETRY_JOB = graphql(
  `
  mutation RetryJob($id: ID!) {
    retryJob(id: $id) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export type Replacement = Named<"MaskingReplacement">;
/** Tokens of the prompt, or of prompt and answer before the error. */
export type Scope = Named<"MaskingScope">;

export const MASK = graphql(
  `
  mutation Mask($input: RunMaskingExperimentInput!) {
    runMaskingExperiment(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const ADD_MODEL = graphql(`
  mutation AddModel($input: AddModelInput!) {
    addModel(input: $input) {
      __typename
      ... on Model { name }
      ... on InputError { problem: message }
    }
  }
`);

export const FETCH_MODEL = graphql(
  `
  mutation Start($input: FetchModelInput!) {
    fetchModel(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);
