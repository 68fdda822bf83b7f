/** What can be computed of many token pairs at once: how it is asked for, and what tells its cost before. */
import type { AttributionFilter, CaseFilter } from "../cases/list_filter.ts";
import { request } from "../shell/client.ts";
import type { Named } from "../shell/graphql.ts";
import type { Rule } from "../shell/route.ts";
import type { JobResult } from "../jobs/documents.ts";
import type { PlanInput } from "../jobs/plan_documents.ts";
import {
  ATTRIBUTE_ALL,
  BUILD_ALL_GRAPHS,
  DIAGNOSE_ALL,
  FIND_PAIRS,
  MARK_ALL,
  MASK_ALL,
  RUN_STUDY,
  WEIGH_ALL,
} from "./documents.ts";

/** Of which pairs: all of a kind, or those of the cases or the attributions of a filter. */
export type Pairs =
  | { readonly selection: "CLEAN" | "MISSING" }
  | { readonly cases: CaseFilter }
  | { readonly filter: AttributionFilter };

export interface Asked {
  readonly pairs: Pairs;
  readonly rule: Rule;
  /** Of studies: the series' name. */
  readonly series: string;
}

export interface Analysis {
  readonly name: string;
  readonly hasRule: boolean;
  readonly start: (asked: Asked) => Promise<JobResult>;
  /** Undefined where what it takes hangs on what it finds: then the last jobs of the kind tell. */
  readonly plan?: (asked: Asked) => PlanInput;
  readonly kind: Named<"JobKind">;
}

/** Masking keeps what is stored by itself: it has another word for all pairs. */
const masked = (pairs: Pairs) =>
  "selection" in pairs ? { selection: pairs.selection === "CLEAN" ? "CLEAN" as const : "ALL" as const } : pairs;

export const ANALYSES = {
  attribute: {
    name: "attributions",
    hasRule: true,
    start: async ({ pairs, rule }) => (await request(ATTRIBUTE_ALL, { input: { ...pairs, rule } })).attribute,
    plan: ({ pairs, rule }) => ({ work: "ATTRIBUTE", ...pairs, rule }),
    kind: "ATTRIBUTE",
  },
  graph: {
    name: "attribution graphs",
    hasRule: true,
    start: async ({ pairs, rule }) => (await request(BUILD_ALL_GRAPHS, { input: { ...pairs, rule } })).buildGraph,
    plan: ({ pairs, rule }) => ({ work: "BUILD_GRAPH", ...pairs, rule }),
    kind: "BUILD_GRAPH",
  },
  diagnose: {
    name: "diagnoses",
    hasRule: false,
    start: async ({ pairs }) => (await request(DIAGNOSE_ALL, { input: pairs })).diagnose,
    kind: "DIAGNOSE",
  },
  mask: {
    name: "masking experiments",
    hasRule: false,
    start: async ({ pairs }) =>
      (await request(MASK_ALL, { input: { ...masked(pairs), replacements: ["ATTENTION"] } })).runMaskingExperiment,
    plan: ({ pairs }) => ({ work: "MASK", ...pairs }),
    kind: "MASK",
  },
  mark: {
    name: "marks of what prompts demand",
    hasRule: false,
    start: async ({ pairs }) => (await request(MARK_ALL, { input: pairs })).markInstructions,
    kind: "MARK",
  },
  weigh: {
    name: "preference weights",
    hasRule: false,
    start: async ({ pairs }) => (await request(WEIGH_ALL, { input: pairs })).exportPreferences,
    kind: "EXPORT_PREFERENCES",
  },
} as const satisfies Readonly<Record<string, Analysis>>;
export type AnalysisName = keyof typeof ANALYSES;

/** The search of token pairs, for cases alone: what has a pair is not searched. */
export const SEARCH: Analysis = {
  name: "search of token pairs, of the open ones",
  hasRule: false,
  start: async ({ pairs }) =>
    (await request(FIND_PAIRS, { input: "cases" in pairs ? { cases: pairs.cases } : {} })).findTokenPairs,
  kind: "FIND_PAIRS",
};

/** A study over a series, of pairs that a filter chooses. */
export const STUDY: Analysis = {
  name: "study over a series",
  hasRule: true,
  start: async ({ pairs, rule, series }) =>
    (await request(RUN_STUDY, { input: { series, rule, ...("selection" in pairs ? {} : pairs) } })).runStudy,
  plan: ({ pairs, rule, series }) => ({ work: "STUDY", series, rule, ...("selection" in pairs ? {} : pairs) }),
  kind: "STUDY",
};
