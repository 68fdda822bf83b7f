/** The GraphQL documents of the tools. */

const JOB = "id status done total message error { message }";
const ATTRIBUTION = `
  rule logitDifference scale layers outcome pattern model { name }
  target { id text logit } contrast { id text logit }
  wrong: strongest(count: 8, sign: WRONG) { position text relevance }
  right: strongest(count: 8, sign: RIGHT) { position text relevance }
  diagnosis { summary }
`;
const PAIR = `id delta target { text } contrast { text }`;

export const READ_MODELS = `query ToolModels {
  models(first: 100) { nodes { name architecture parameters layers } }
}`;

export const GENERATE = `mutation ToolGenerate($input: GenerateInput!) {
  generate(input: $input) { ... on Job { id } ... on InputError { problem: message } }
}`;

export const READ_JOB = `query ToolJob($id: ID!) { job(id: $id) { ${JOB} } }`;

export const CANCEL_JOB = `mutation ToolCancel($id: ID!) { cancelJob(id: $id) { ... on Job { id } } }`;

export const READ_ANSWER = `query ToolAnswer($id: ID!) {
  job(id: $id) { generation { text stop tokens { position text probability alternatives { id text probability } } } }
}`;

/** Failures that are counted at most: an agent reads a few of them. */
const MOST_COUNTED = 10_000;

export const FIND_CASES = `query ToolCases($first: Int!, $filter: FailureCaseFilter!) {
  found: failureCasesFound(filter: $filter, atMost: ${MOST_COUNTED}) { count isAll }
  failureCases(first: $first, filter: $filter, orderBy: { by: DELTA, direction: DESC }) {
    nodes {
      key benchmark status tokenCount model { name }
      tokenPairs { ${PAIR} attribution(rule: ATTNLRP) { ...Reading } }
    }
  }
}
fragment Reading on Attribution {
  outcome pattern
  wrong: strongest(count: 1, sign: WRONG) { text relevance }
  right: strongest(count: 1, sign: RIGHT) { text relevance }
}`;

export const FIND_ATTRIBUTIONS = `query ToolAttributions($first: Int!, $filter: AttributionFilter!) {
  found: attributionsFound(filter: $filter, atMost: ${MOST_COUNTED}) { count isAll }
  attributions(first: $first, filter: $filter, orderBy: { by: DELTA, direction: DESC }) {
    nodes { ...Reading model { name } tokenPair { ${PAIR} failureCase { key benchmark status tokenCount } } }
  }
}
fragment Reading on Attribution {
  outcome pattern
  wrong: strongest(count: 1, sign: WRONG) { text relevance }
  right: strongest(count: 1, sign: RIGHT) { text relevance }
}`;

export const EXPLAIN = `mutation ToolExplain($input: ExplainInput!) {
  explain(input: $input) {
    ... on Explanation { note failureCase { id } job { id } }
    ... on InputError { problem: message }
  }
}`;

export const ATTRIBUTE = `mutation ToolAttribute($input: AttributeInput!) {
  attribute(input: $input) { ... on Job { id } ... on InputError { problem: message } }
}`;

/** The pair that an EXPLAIN job attributed. */
export const READ_EXPLAINED = `query ToolExplained($id: ID!) {
  job(id: $id) { attributions(first: 1) { nodes { tokenPair { id } } } }
}`;

export const READ_PAIR = `query ToolPair($id: ID!, $rule: Rule!) {
  node(id: $id) {
    ... on TokenPair {
      id
      failureCase { id key tokenCount }
      attribution(rule: $rule) { ${ATTRIBUTION} }
    }
  }
}`;

/** A window of a case's tokens with their relevance. */
export const READ_TOKENS = `query ToolTokens($case: ID!, $pair: ID!, $rule: Rule!, $from: Int!) {
  failureCase: node(id: $case) { ... on FailureCase { tokens(from: $from) { text segment special } } }
  pair: node(id: $pair) { ... on TokenPair { attribution(rule: $rule) { relevance(from: $from) } } }
}`;

export const MASK = `mutation ToolMask($input: MaskTokensInput!) {
  maskTokens(input: $input) { ... on Job { id } ... on InputError { problem: message } }
}`;

export const READ_MASKED = `query ToolMasked($id: ID!) {
  node(id: $id) {
    ... on TokenPair {
      maskingExperiments { ranking replacement steps { masked position delta argmaxText probability } }
    }
  }
}`;

export const TRACE = `mutation ToolTrace($input: TraceInput!) {
  trace(input: $input) { ... on Job { id } ... on InputError { problem: message } }
}`;

export const READ_TRACES = `query ToolTraces($id: ID!) {
  node(id: $id) {
    ... on TokenPair {
      target { text } contrast { text } delta
      traces {
        rule boundaries lostAt
        sentences { start end text }
        steps { index kind text weight signedWeight row { own shares lost } }
        error { shares special lost }
        reach { step completion }
        strongest(count: 8) { position text share signed }
      }
    }
  }
}`;

export const PLAN = `query ToolPlan($input: PlanInput!) {
  plan(input: $input) {
    ... on Plan { runs longest seconds gpuBytes hostBytes fits why adapter }
    ... on InputError { problem: message }
  }
}`;

/** All of them: a server that answers known documents only answers these too. */
export const TOOL_DOCUMENTS: readonly string[] = [
  READ_MODELS,
  GENERATE,
  READ_JOB,
  CANCEL_JOB,
  READ_ANSWER,
  FIND_CASES,
  FIND_ATTRIBUTIONS,
  EXPLAIN,
  ATTRIBUTE,
  READ_EXPLAINED,
  READ_PAIR,
  READ_TOKENS,
  MASK,
  READ_MASKED,
  TRACE,
  READ_TRACES,
  PLAN,
];
