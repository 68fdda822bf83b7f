/** Masking experiments of one token pair. */
import { JOB } from "../jobs/documents.ts";
import { type DataOf, graphql, type Named } from "../shell/graphql.ts";

export type Ranking = Named<"MaskingRanking">;

export const READ_MASKING = graphql(`
  query ReadMasking($id: ID!) {
    node(id: $id) {
      __typename
      ... on TokenPair {
        maskingExperiments {
          id
          ranking
          replacement
          scope
          seed
          budget
          flipAway
          flipToContrast
          flipToPass
          steps { masked position delta argmax argmaxText }
          rollouts { masked text passed }
          adapter
        }
      }
    }
  }
`);
export type Experiment = Extract<
  DataOf<typeof READ_MASKING>["node"],
  { readonly __typename: "TokenPair" }
>["maskingExperiments"][number];

export const MASK_TOKENS = graphql(
  `
  mutation MaskTokens($input: MaskTokensInput!) {
    maskTokens(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);
