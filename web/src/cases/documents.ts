/** What the case list asks for: failure cases, or attributions where the filter speaks of tokens or rules. */
import type { CaseStatus } from "../shell/names.ts";
import type { Operation } from "../shell/client.ts";
import type { Rule } from "../shell/route.ts";

export interface PairSummary {
  readonly id: string;
  readonly delta: number;
  readonly target: { readonly text: string };
  readonly contrast: { readonly text: string };
  readonly attributions: readonly { readonly rule: Rule }[];
}

export interface CaseSummary {
  readonly id: string;
  readonly key: string;
  readonly benchmark: string;
  readonly task: string;
  /** The end of what the model read before the error. */
  readonly textBefore: string;
  readonly tokenCount: number;
  readonly status: CaseStatus;
  readonly exclusion: string | null;
  readonly tokenPairs: readonly PairSummary[];
}

export interface PageInfo {
  readonly hasNextPage: boolean;
  readonly endCursor: string | null;
}

interface Range {
  readonly min?: number;
  readonly max?: number;
}

interface PageVariables {
  readonly first: number;
  readonly after: string | null;
}

const SUMMARY = `
  fragment PairSummary on TokenPair {
    id
    delta
    target { text }
    contrast { text }
    attributions { rule }
  }
`;

export const LIST_CASES: Operation<
  {
    readonly failureCases: {
      readonly totalCount: number;
      readonly pageInfo: PageInfo;
      readonly nodes: readonly CaseSummary[];
    };
  },
  PageVariables & {
    readonly filter: {
      readonly benchmark?: string;
      readonly model?: string;
      readonly search?: string;
      readonly delta?: Range;
      readonly status?: CaseStatus;
      readonly exclusion?: string;
      readonly attributed?: boolean;
    };
    readonly orderBy: { readonly by: "CREATED" | "DELTA" | "TOKENS" | "KEY"; readonly direction: "ASC" | "DESC" };
  }
> = {
  document: `
    query ListCases($filter: FailureCaseFilter!, $orderBy: FailureCaseOrder!, $first: Int!, $after: String) {
      failureCases(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
        totalCount
        pageInfo { hasNextPage endCursor }
        nodes {
          id
          key
          benchmark
          task
          textBefore(characters: 240)
          tokenCount
          status
          exclusion
          tokenPairs { ...PairSummary }
        }
      }
    }
    ${SUMMARY}
  `,
};

export interface AttributionSummary {
  readonly id: string;
  readonly rule: Rule;
  readonly logitDifference: number;
  readonly tokenPair: PairSummary & { readonly failureCase: Omit<CaseSummary, "tokenPairs"> };
}

export const LIST_ATTRIBUTIONS: Operation<
  {
    readonly attributions: {
      readonly totalCount: number;
      readonly pageInfo: PageInfo;
      readonly nodes: readonly AttributionSummary[];
    };
  },
  PageVariables & {
    readonly filter: {
      readonly benchmark?: string;
      readonly model?: string;
      readonly search?: string;
      readonly delta?: Range;
      readonly rule?: Rule;
      readonly token?: string;
      readonly outcome?: string;
      readonly pattern?: string;
    };
    readonly orderBy: { readonly by: "CREATED" | "DELTA" | "TOKENS"; readonly direction: "ASC" | "DESC" };
  }
> = {
  document: `
    query ListAttributions($filter: AttributionFilter!, $orderBy: AttributionOrder!, $first: Int!, $after: String) {
      attributions(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
        totalCount
        pageInfo { hasNextPage endCursor }
        nodes {
          id
          rule
          logitDifference
          tokenPair {
            ...PairSummary
            failureCase { id key benchmark task textBefore(characters: 240) tokenCount status exclusion }
          }
        }
      }
    }
    ${SUMMARY}
  `,
};

export interface CaseCount {
  readonly benchmark: string;
  readonly status: CaseStatus;
  readonly exclusion: string | null;
  readonly count: number;
}

export const COUNT_CASES: Operation<
  { readonly caseCounts: readonly CaseCount[] },
  { readonly filter: { readonly model?: string } }
> = {
  document: `
    query CountCases($filter: CaseCountFilter!) {
      caseCounts(filter: $filter) { benchmark status exclusion count }
    }
  `,
};

export const COUNT_DIAGNOSES: Operation<
  {
    readonly attributionCounts: {
      readonly nodes: readonly { readonly keys: readonly (string | null)[]; readonly count: number }[];
    };
  },
  { readonly filter: { readonly model?: string; readonly benchmark?: string } }
> = {
  document: `
    query CountDiagnoses($filter: AttributionFilter!) {
      attributionCounts(by: [OUTCOME, PATTERN], filter: $filter, first: 20) { nodes { keys count } }
    }
  `,
};

export const LIST_MODELS: Operation<
  { readonly models: { readonly nodes: readonly { readonly name: string }[] } },
  Record<never, never>
> = {
  document: `
    query ListModels {
      models(first: 200) { nodes { name } }
    }
  `,
};

export const FIND_CASE: Operation<
  { readonly failureCases: { readonly nodes: readonly { readonly id: string }[] } },
  { readonly key: string }
> = {
  document: `
    query FindCase($key: String!) {
      failureCases(filter: { key: $key }, first: 1) { nodes { id } }
    }
  `,
};

/** Keys: benchmark and outcome. */
export interface OutcomeCount {
  readonly keys: readonly (string | null)[];
  readonly count: number;
}

export const COUNT_OUTCOMES: Operation<
  { readonly attributionCounts: { readonly nodes: readonly OutcomeCount[] } },
  Record<never, never>
> = {
  document: `
    query CountOutcomes {
      attributionCounts(by: [BENCHMARK, OUTCOME], first: 200) { nodes { keys count } }
    }
  `,
};

/** Cohen's kappa, null where both always say one and the same; and the share on which both say the same. */
export interface Agreement {
  readonly observed: number;
  readonly kappa: number | null;
}

export const READER_AGREEMENT: Operation<
  {
    readonly labelAgreement: readonly {
      /** null: the classifier. */
      readonly one: string | null;
      readonly other: string;
      readonly pairs: number;
      readonly outcome: Agreement;
      readonly pattern: Agreement;
    }[];
  },
  Readonly<Record<never, never>>
> = {
  document: `
    query ReaderAgreement {
      labelAgreement { one other pairs outcome { observed kappa } pattern { observed kappa } }
    }
  `,
};
