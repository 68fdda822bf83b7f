/** What GraphiQL shows when it is opened: one document with an operation for each use, to choose from by its name. */
export const EXAMPLE_QUERIES = `# Choose an operation beside the button that runs it. Nothing here leaves this machine.

# The failures with the largest logit difference, and the first tokens to blame.
query Failures {
  failureCases(first: 5, filter: { status: CLEAN }, orderBy: { by: DELTA }) {
    nodes {
      key
      tokenPairs {
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

# Masks the tokens of every clean pair; run FlipsByMasking when the job has ended.
mutation Mask {
  runMaskingExperiment(input: { selection: CLEAN }) {
    __typename
    ... on Job { id status total }
    ... on InputError { message }
  }
}

# Token weights for preference training; ask for the job until it has ended, then for its files.
mutation PreferenceWeights {
  exportPreferences(input: { selection: CLEAN }) {
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
