/** What work would take, before it is asked for. */
import type { Operation } from "../shell/client.ts";
import type { Rule } from "../shell/route.ts";
import type { Replacement } from "./documents.ts";

export interface PlanInput {
  readonly work: "ATTRIBUTE" | "BUILD_GRAPH" | "MASK" | "STUDY";
  readonly tokenPairIds?: readonly string[];
  readonly selection?: "MISSING" | "CLEAN";
  readonly rule?: Rule;
  readonly heads?: boolean;
  readonly replacements?: readonly Replacement[];
  readonly series?: string;
  readonly name?: string;
}

export interface Plan {
  readonly runs: number;
  readonly longest: number;
  readonly seconds: number;
  readonly gpuBytes: number;
  readonly hostBytes: number;
  readonly fits: boolean;
  readonly why: string;
  readonly adapter: string | null;
}

export const PLAN: Operation<
  {
    readonly plan: ({ readonly __typename: "Plan" } & Plan) | {
      readonly __typename: "InputError";
      readonly problem: string;
    };
  },
  { readonly input: PlanInput }
> = {
  document: `
    query PlanWork($input: PlanInput!) {
      plan(input: $input) {
        __typename
        ... on Plan { runs longest seconds gpuBytes hostBytes fits why adapter }
        ... on InputError { problem: message }
      }
    }
  `,
};
