/** What the page can start. */
import { JOB } from "../jobs/documents.ts";
import { type DataOf, type Given, graphql, type VariablesOf } from "../shell/graphql.ts";

export const READ_CHOICES = graphql(`
  query ReadChoices {
    models(first: 200) { nodes { name parameters } }
    modelSeries(first: 100) { nodes { name members { label } } }
    benchmarks(first: 200) { nodes { name kind items } }
  }
`);
type Choices = DataOf<typeof READ_CHOICES>;
export type ModelSummary = Choices["models"]["nodes"][number];
export type SeriesSummary = Choices["modelSeries"]["nodes"][number];
export type BenchmarkSummary = Choices["benchmarks"]["nodes"][number];

export const IMPORT = graphql(
  `
  mutation Start($input: ImportFailureCasesInput!) {
    importFailureCases(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);
export type ImportInput = Given<VariablesOf<typeof IMPORT>["input"]>;

export const COLLECT = graphql(
  `
  mutation Start($input: CollectFailuresInput!) {
    collectFailures(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const FIND_PAIRS = graphql(
  `
  mutation Start($input: FindTokenPairsInput!) {
    findTokenPairs(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const ATTRIBUTE_ALL = graphql(
  `
  mutation Start($input: AttributeInput!) {
    attribute(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const BUILD_ALL_GRAPHS = graphql(
  `
  mutation Start($input: BuildGraphInput!) {
    buildGraph(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const MASK_ALL = graphql(
  `
  mutation Start($input: RunMaskingExperimentInput!) {
    runMaskingExperiment(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const DIAGNOSE_ALL = graphql(
  `
  mutation Start($input: DiagnoseInput!) {
    diagnose(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const MARK_ALL = graphql(
  `
  mutation Start($input: MarkInstructionsInput!) {
    markInstructions(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const WEIGH_ALL = graphql(
  `
  mutation Start($input: ExportPreferencesInput!) {
    exportPreferences(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);

export const LAST_JOB = graphql(`
  query LastJob($kind: JobKind!) {
    jobs(filter: { kind: $kind, status: COMPLETED }, first: 5) { nodes { total startedAt finishedAt } }
  }
`);

export const ADD_SERIES = graphql(`
  mutation AddModelSeries($input: AddModelSeriesInput!) {
    addModelSeries(input: $input) {
      __typename
      ... on ModelSeries { name }
      ... on InputError { problem: message }
    }
  }
`);

export const RUN_STUDY = graphql(
  `
  mutation Start($input: RunStudyInput!) {
    runStudy(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);
