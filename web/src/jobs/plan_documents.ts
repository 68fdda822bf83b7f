/** What work would take, before it is asked for. */
import { type DataOf, type Given, graphql, type VariablesOf } from "../shell/graphql.ts";

export const PLAN = graphql(`
  query PlanWork($input: PlanInput!) {
    plan(input: $input) {
      __typename
      ... on Plan { runs longest seconds gpuBytes hostBytes fits why adapter }
      ... on InputError { problem: message }
    }
  }
`);
export type PlanInput = Given<VariablesOf<typeof PLAN>["input"]>;
export type Plan = Extract<DataOf<typeof PLAN>["plan"], { readonly __typename: "Plan" }>;
