/** Ablation experiments of one token pair. */
import { JOB } from "../jobs/documents.ts";
import { type DataOf, graphql, type Named } from "../shell/graphql.ts";

export type AblationUnit = Named<"AblationUnit">;
export type AblationRanking = Named<"AblationRanking">;

export const READ_ABLATIONS = graphql(`
  query ReadAblations($id: ID!) {
    node(id: $id) {
      __typename
      ... on TokenPair {
        ablationExperiments {
          id
          unit
          ranking
          seed
          components
          flipAway
          flipToContrast
          steps { ablated delta argmax argmaxText concentration }
          ablated(count: 8) { layer index expert relevance }
          adapter
        }
      }
    }
  }
`);
export type Ablation = Extract<
  DataOf<typeof READ_ABLATIONS>["node"],
  { readonly __typename: "TokenPair" }
>["ablationExperiments"][number];

export const ABLATE = graphql(
  `
  mutation Ablate($input: RunAblationExperimentInput!) {
    runAblationExperiment(input: $input) {
      __typename
      ... on Job { ...JobState }
      ... on InputError { problem: message }
    }
  }
`,
  [JOB],
);
