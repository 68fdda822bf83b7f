/** One page of the case list, whichever of the two lists it comes from. */
import { request } from "../shell/client.ts";
import type { Named } from "../shell/graphql.ts";
import { LIST_ATTRIBUTIONS, LIST_CASES, type PageInfo, type PairSummary } from "./documents.ts";
import type { CaseStatus } from "../shell/names.ts";
import { type CaseRoute, caseRoute, type CasesRoute, type Order, type Rule, RULES } from "../shell/route.ts";

const PAGE = 40;
/** Characters that the server's index needs. */
const SHORTEST_SEARCH = 3;

/** A line of the list. */
export interface CaseLine {
  readonly id: string;
  readonly to: CaseRoute;
  readonly key: string;
  readonly benchmark: string;
  readonly task: string;
  readonly textBefore: string;
  readonly tokenCount: number;
  readonly status: CaseStatus;
  readonly exclusion: string | null;
  readonly pair: PairSummary | undefined;
  /** How many pairs more the case has. */
  readonly otherPairs: number;
  readonly delta: number | null;
  readonly rules: readonly Rule[];
}

export interface CasePage {
  readonly lines: readonly CaseLine[];
  readonly total: number;
  readonly info: PageInfo;
}

type OrderBy = { readonly by: "CREATED" | "DELTA" | "TOKENS" | "KEY"; readonly direction: "ASC" | "DESC" };

const ORDER_BY: Readonly<Record<Order, OrderBy>> = {
  "newest": { by: "CREATED", direction: "DESC" },
  "oldest": { by: "CREATED", direction: "ASC" },
  "delta-down": { by: "DELTA", direction: "DESC" },
  "delta-up": { by: "DELTA", direction: "ASC" },
  "tokens-down": { by: "TOKENS", direction: "DESC" },
  "tokens-up": { by: "TOKENS", direction: "ASC" },
  "key": { by: "KEY", direction: "ASC" },
};

/** Whether the route's filter can only be answered from the attributions. */
export function listsAttributions(route: CasesRoute): boolean {
  if (route.list === "unattributed") return false;
  return route.list !== "cases" || route.token !== "" || route.outcome !== "" || route.pattern !== "";
}

export function readCasePage(route: CasesRoute, after: string | null, signal?: AbortSignal): Promise<CasePage> {
  const filter = {
    ...(route.benchmark === "" ? {} : { benchmark: route.benchmark }),
    ...(route.model === "" ? {} : { model: route.model }),
    ...([...route.search.trim()].length < SHORTEST_SEARCH ? {} : { search: route.search.trim() }),
    ...(route.deltaFrom === null && route.deltaTo === null ? {} : {
      delta: {
        ...(route.deltaFrom === null ? {} : { min: route.deltaFrom }),
        ...(route.deltaTo === null ? {} : { max: route.deltaTo }),
      },
    }),
  };
  const page = { first: PAGE, after };
  return listsAttributions(route)
    ? readAttributions(route, { ...page, filter }, signal)
    : readCases(route, { ...page, filter }, signal);
}

interface Variables {
  readonly first: number;
  readonly after: string | null;
  readonly filter: { readonly benchmark?: string };
}

async function readCases(route: CasesRoute, variables: Variables, signal?: AbortSignal): Promise<CasePage> {
  const filter = {
    ...variables.filter,
    ...(route.status === "" ? {} : { status: route.status }),
    ...(route.exclusion === "" ? {} : { exclusion: route.exclusion as Named<"Exclusion"> }),
    ...(route.list === "unattributed" ? { attributed: false } : {}),
  };
  const { failureCases } = await request(LIST_CASES, { ...variables, filter, orderBy: ORDER_BY[route.order] }, signal);
  const lines = failureCases.nodes.map(({ tokenPairs, ...failureCase }): CaseLine => {
    const pair = largestDelta(tokenPairs);
    const rules = pair?.attributions.map(({ rule }) => rule) ?? [];
    return {
      ...failureCase,
      to: { ...caseRoute(failureCase.id), ...openWith(rules) },
      pair,
      otherPairs: Math.max(0, tokenPairs.length - 1),
      delta: pair?.delta ?? null,
      rules,
    };
  });
  return { lines, total: failureCases.totalCount, info: failureCases.pageInfo };
}

/** The pair that stands for its case: the one with the largest delta, the oldest of equals. */
export function largestDelta<Pair extends { readonly delta: number }>(pairs: readonly Pair[]): Pair | undefined {
  return pairs.reduce<Pair | undefined>(
    (best, pair) => best === undefined || pair.delta > best.delta ? pair : best,
    undefined,
  );
}

/** A case opens with AttnLRP when that is there, else with the rule that is. */
function openWith(rules: readonly Rule[]): { readonly rule?: Rule } {
  const rule = rules[0];
  return rule === undefined || rules.includes("ATTNLRP") ? {} : { rule };
}

async function readAttributions(route: CasesRoute, variables: Variables, signal?: AbortSignal): Promise<CasePage> {
  const { by, direction } = ORDER_BY[route.order];
  const { attributions } = await request(LIST_ATTRIBUTIONS, {
    ...variables,
    filter: {
      ...variables.filter,
      ...RULES.filter((rule) => rule === route.list).map((rule) => ({ rule }))[0],
      ...(route.token === "" ? {} : { token: route.token }),
      ...(route.outcome === "" ? {} : { outcome: route.outcome as Named<"Outcome"> }),
      ...(route.pattern === "" ? {} : { pattern: route.pattern as Named<"Pattern"> }),
    },
    orderBy: { by: by === "KEY" ? "CREATED" : by, direction: by === "KEY" ? "DESC" : direction },
  }, signal);
  const lines = attributions.nodes.map(({ id, rule, logitDifference, tokenPair }): CaseLine => ({
    ...tokenPair.failureCase,
    id,
    to: { ...caseRoute(tokenPair.failureCase.id), pair: tokenPair.id, rule },
    pair: tokenPair,
    otherPairs: 0,
    delta: logitDifference,
    rules: [rule],
  }));
  return { lines, total: attributions.totalCount, info: attributions.pageInfo };
}
