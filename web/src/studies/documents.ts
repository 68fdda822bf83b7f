/** Studies: the same token pairs on every member of a series of models. */
import { type DataOf, graphql, type Named } from "../shell/graphql.ts";

export type Verdict = Named<"StudyVerdict">;

export const LIST_STUDIES = graphql(`
  query ListStudies {
    studies(first: 100) { nodes { id name rule pairs series { name kind members { label } } } }
  }
`);
export type StudyHead = DataOf<typeof LIST_STUDIES>["studies"]["nodes"][number];

export const READ_STUDY = graphql(`
  query ReadStudy($id: ID!, $x: String, $y: String) {
    node(id: $id) {
      __typename
      ... on Study {
        summary(x: $x, y: $y) {
          x
          y
          pairs
          sources { model pairs clear }
          both
          corrected
          notCorrected
          undecided
          members {
            label
            position
            attributed
            failing
            delta { value low high count }
            segments { verdict count instruction query answer }
          }
        }
      }
    }
  }
`);
export type Summary = Extract<DataOf<typeof READ_STUDY>["node"], { readonly __typename: "Study" }>["summary"];
export type Member = Summary["members"][number];
export type Segments = Member["segments"][number];

export const READ_MOVEMENTS = graphql(`
  query ReadMovements($id: ID!, $from: String) {
    node(id: $id) {
      __typename
      ... on Study {
        movements(from: $from) { label pairs corrected moved { value low high } most { key moved } }
      }
    }
  }
`);
export type Movement = Extract<
  DataOf<typeof READ_MOVEMENTS>["node"],
  { readonly __typename: "Study" }
>["movements"][number];

export const READ_POINTS = graphql(`
  query ReadPoints($id: ID!, $x: String!, $y: String!, $after: String) {
    node(id: $id) {
      __typename
      ... on Study {
        points(x: $x, y: $y, first: 200, after: $after) {
          nodes { failureCaseId tokenPairId xAttributionId yAttributionId key target contrast x y verdict }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
`);
export type Point = Extract<
  DataOf<typeof READ_POINTS>["node"],
  { readonly __typename: "Study" }
>["points"]["nodes"][number];
