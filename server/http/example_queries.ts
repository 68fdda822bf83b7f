/** The most that running any of the examples may ask for: token pairs, attributions' worth of passes, fields. */
export const EXAMPLE_LIMITS = { pairs: 1, passes: 40, cost: 2000 } as const;

/** What GraphiQL shows when it is opened: one document with an operation for each use, to choose from by its name. */
export const EXAMPLE_QUERIES = `# Choose an operation beside the button that runs it. Nothing here leaves this machine.

# The failures with the largest logit difference, and the first tokens to blame.
query Failures {
  failureCases(first: 5, filter: { status: CLEAN }, orderBy: { by: DELTA }) {
    nodes {
      key
      tokenPairs {
        id
        delta
        target { text }
        contrast { text }
        attribution(rule: ATTNLRP) { relevance(count: 20) scale }
      }
    }
  }
}

# Attributions by failure pattern: irrelevant tokens were overweighted.
query ByPattern {
  attributions(first: 10, filter: { pattern: OIT, delta: { min: 1 } }) {
    nodes {
      logitDifference
      outcome
      pattern
      tokenPair { failureCase { key benchmark } target { text } contrast { text } }
    }
  }
}

# How often predictions flip when the top-ranked tokens are masked, against the controls.
query FlipsByMasking {
  maskingSummary(budget: 10) {
    rankings {
      ranking
      replacement
      cases
      away { area { value low high } medianTokens reached censored }
      passes { area { value low high } }
    }
    comparisons { first second replacement difference { value low high } beats }
  }
}

# What masking a token pair would take, and memory; nothing runs. Give "pair" an id that Failures returned.
query PlanMask($pair: ID!) {
  plan(input: { work: MASK, tokenPairIds: [$pair] }) {
    __typename
    ... on Plan { runs seconds gpuBytes fits why }
    ... on InputError { message }
  }
}

# Masks the tokens of one pair, a short curve of each ranking; run FlipsByMasking with budget 5 when the job has ended.
# A filter or a selection in place of the ids masks many pairs: plan that first.
mutation Mask($pair: ID!) {
  runMaskingExperiment(input: { tokenPairIds: [$pair], replacements: [NEUTRAL], budget: 5, seeds: [1], rolloutTokens: 0 }) {
    __typename
    ... on Job { id status total }
    ... on InputError { message }
  }
}

# Token weights of one preference pair; ask for the job until it has ended, then for its files.
mutation PreferenceWeights($pair: ID!) {
  exportPreferences(input: { tokenPairIds: [$pair] }) {
    __typename
    ... on Job { id status total }
    ... on InputError { message }
  }
}

query PreferenceFiles($job: ID!) {
  job(id: $job) {
    status
    done
    total
    preferences { rows leftOut { reason count } trl: download(format: TRL_WEIGHTED) tisDpo: download(format: TIS_DPO) }
  }
}
`;
