/** What the case list asks for: failure cases, or attributions where the filter speaks of tokens or rules. */
import { type DataOf, graphql } from "../shell/graphql.ts";

const ROW = graphql(`
  fragment RowSummary on Attribution {
    rule
    outcome
    pattern
    red: strongest(count: 1, sign: WRONG) { text }
    blue: strongest(count: 1, sign: RIGHT) { text }
  }
`);
/** What a line says of an attribution. */
export type RowSummary = DataOf<typeof ROW>;

const PAIR = graphql(
  `
  fragment PairSummary on TokenPair {
    id
    delta
    source
    target { text }
    contrast { text }
    attributions { ...RowSummary }
  }
`,
  [ROW],
);
export type PairSummary = DataOf<typeof PAIR>;

export const LIST_CASES = graphql(
  `
  query ListCases(
    $filter: FailureCaseFilter!, $orderBy: FailureCaseOrder!, $first: Int!, $after: String, $atMost: Int
  ) {
    found: failureCasesFound(filter: $filter, atMost: $atMost) { count isAll }
    failureCases(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes {
        id
        key
        benchmark
        task
        model { name }
        textBefore(characters: 240)
        tokenCount
        status
        exclusion
        tokenPairs { ...PairSummary }
      }
    }
  }
`,
  [PAIR],
);
export type CaseSummary = DataOf<typeof LIST_CASES>["failureCases"]["nodes"][number];
export type PageInfo = DataOf<typeof LIST_CASES>["failureCases"]["pageInfo"];

export const LIST_ATTRIBUTIONS = graphql(
  `
  query ListAttributions(
    $filter: AttributionFilter!, $orderBy: AttributionOrder!, $first: Int!, $after: String, $atMost: Int
  ) {
    found: attributionsFound(filter: $filter, atMost: $atMost) { count isAll }
    attributions(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes {
        id
        ...RowSummary
        logitDifference
        model { name }
        tokenPair {
          id
          delta
          target { text }
          contrast { text }
          failureCase { id key benchmark task textBefore(characters: 240) tokenCount status exclusion }
        }
      }
    }
  }
`,
  [ROW],
);
export type AttributionSummary = DataOf<typeof LIST_ATTRIBUTIONS>["attributions"]["nodes"][number];

export const COUNT_CASES = graphql(`
  query CountCases($filter: CaseCountFilter!) {
    caseCounts(filter: $filter) { benchmark status exclusion count }
  }
`);
export type CaseCount = DataOf<typeof COUNT_CASES>["caseCounts"][number];

export const COUNT_DIAGNOSES = graphql(`
  query CountDiagnoses($filter: CaseCountFilter!) {
    diagnosisCounts(filter: $filter) { outcome pattern count }
  }
`);
export type DiagnosisCount = DataOf<typeof COUNT_DIAGNOSES>["diagnosisCounts"][number];

export const LIST_ANSWERS = graphql(`
  query ListAnswers($filter: ResponseFilter!, $orderBy: ResponseOrder!, $first: Int!, $after: String) {
    responses(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes {
        id
        key
        benchmark
        task
        model { name }
        completionStart(characters: 160)
        passed
        disagrees
        verdict { logPassed checkerPassed counts reason }
        failureCases { id }
      }
    }
  }
`);
export type Answer = DataOf<typeof LIST_ANSWERS>["responses"]["nodes"][number];

export const LIST_MODELS = graphql(`
  query ListModels {
    models(first: 200) { nodes { name } }
  }
`);

export const FIND_CASE = graphql(`
  query FindCase($key: String!) {
    failureCases(filter: { key: $key }, first: 1) { nodes { id } }
  }
`);

export const COUNT_OUTCOMES = graphql(`
  query CountOutcomes {
    attributionCounts(by: [BENCHMARK, OUTCOME], first: 200) { nodes { keys count } }
  }
`);
/** Keys: benchmark and outcome. */
export type OutcomeCount = DataOf<typeof COUNT_OUTCOMES>["attributionCounts"]["nodes"][number];

export const READER_AGREEMENT = graphql(`
  query ReaderAgreement {
    labelAgreement { one other pairs outcome { observed kappa } pattern { observed kappa } }
  }
`);
/** Cohen's kappa, null where both always say one and the same; and the share on which both say the same. */
export type Agreement = DataOf<typeof READER_AGREEMENT>["labelAgreement"][number]["outcome"];
