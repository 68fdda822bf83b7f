/** What the page can start. */
import type { Operation } from "../shell/client.ts";
import type { Rule } from "../shell/route.ts";
import { JOB, type JobResult } from "../jobs/documents.ts";

export interface BenchmarkSummary {
  readonly name: string;
  readonly kind: string;
  readonly items: number;
}

export interface ModelSummary {
  readonly name: string;
  readonly parameters: string | number;
}

export interface SeriesSummary {
  readonly name: string;
  readonly members: readonly { readonly label: string }[];
}

export const READ_CHOICES: Operation<
  {
    readonly models: { readonly nodes: readonly ModelSummary[] };
    readonly modelSeries: { readonly nodes: readonly SeriesSummary[] };
    readonly benchmarks: { readonly nodes: readonly BenchmarkSummary[] };
  },
  Record<never, never>
> = {
  document: `
    query ReadChoices {
      models(first: 200) { nodes { name parameters } }
      modelSeries(first: 100) { nodes { name members { label } } }
      benchmarks(first: 200) { nodes { name kind items } }
    }
  `,
};

export const ADD_MODEL: Operation<
  {
    readonly addModel: { readonly __typename: "Model"; readonly name: string } | {
      readonly __typename: "InputError";
      readonly problem: string;
    };
  },
  { readonly input: { readonly directory: string; readonly name?: string } }
> = {
  document: `
    mutation AddModel($input: AddModelInput!) {
      addModel(input: $input) {
        __typename
        ... on Model { name }
        ... on InputError { problem: message }
      }
    }
  `,
};

/** A mutation of one input that returns a job or what was wrong. */
function starts(name: string, type: string): string {
  return `
    mutation Start($input: ${type}!) {
      ${name}(input: $input) {
        __typename
        ... on Job { ...JobState }
        ... on InputError { problem: message }
      }
    }
    ${JOB}
  `;
}

export interface ImportInput {
  readonly from: string;
  readonly file?: File;
  readonly path?: string;
  readonly model?: string;
  readonly items?: string;
  readonly annotator?: string;
}

export const IMPORT: Operation<{ readonly importFailureCases: JobResult }, { readonly input: ImportInput }> = {
  document: starts("importFailureCases", "ImportFailureCasesInput"),
};

export const COLLECT: Operation<
  { readonly collectFailures: JobResult },
  { readonly input: { readonly model: string; readonly benchmark: string; readonly limit?: number } }
> = { document: starts("collectFailures", "CollectFailuresInput") };

export const FIND_PAIRS: Operation<
  { readonly findTokenPairs: JobResult },
  { readonly input: { readonly model: string; readonly benchmarks?: readonly string[]; readonly sibling?: string } }
> = { document: starts("findTokenPairs", "FindTokenPairsInput") };

export const ATTRIBUTE_ALL: Operation<
  { readonly attribute: JobResult },
  { readonly input: { readonly selection: "MISSING" | "CLEAN"; readonly rule: Rule } }
> = { document: starts("attribute", "AttributeInput") };

export const BUILD_ALL_GRAPHS: Operation<
  { readonly buildGraph: JobResult },
  { readonly input: { readonly selection: "MISSING" | "CLEAN"; readonly rule: Rule } }
> = { document: starts("buildGraph", "BuildGraphInput") };

export const MASK_ALL: Operation<
  { readonly runMaskingExperiment: JobResult },
  { readonly input: { readonly selection: "ALL" | "CLEAN"; readonly replacements: readonly string[] } }
> = { document: starts("runMaskingExperiment", "RunMaskingExperimentInput") };

export const DIAGNOSE_ALL: Operation<
  { readonly diagnose: JobResult },
  { readonly input: { readonly selection: "MISSING" | "CLEAN" } }
> = { document: starts("diagnose", "DiagnoseInput") };

export const ADD_SERIES: Operation<
  {
    readonly addModelSeries: { readonly __typename: "ModelSeries"; readonly name: string } | {
      readonly __typename: "InputError";
      readonly problem: string;
    };
  },
  {
    readonly input: {
      readonly name: string;
      readonly kind: "SCALING" | "TRAINING";
      readonly members: readonly { readonly model: string; readonly position?: number }[];
    };
  }
> = {
  document: `
    mutation AddModelSeries($input: AddModelSeriesInput!) {
      addModelSeries(input: $input) {
        __typename
        ... on ModelSeries { name }
        ... on InputError { problem: message }
      }
    }
  `,
};

export const RUN_STUDY: Operation<
  { readonly runStudy: JobResult },
  { readonly input: { readonly series: string; readonly rule: Rule } }
> = { document: starts("runStudy", "RunStudyInput") };
