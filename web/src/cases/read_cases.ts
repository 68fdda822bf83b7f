/** One page of the case list, whichever of the two lists it comes from. */
import { request } from "../shell/client.ts";
import { countedAtMost } from "./found.ts";
import { LIST_ATTRIBUTIONS, LIST_CASES, type PairSummary, type RowSummary } from "./documents.ts";
import { attributionFilter, caseFilter, listsAttributions } from "./list_filter.ts";
import type { ListPage } from "./use_pages.ts";
import type { CaseStatus } from "../shell/names.ts";
import { type CaseRoute, caseRoute, type CasesRoute, type Order, type Rule } from "../shell/route.ts";

const PAGE = 40;

/** A line of the list. */
export interface CaseLine {
  readonly id: string;
  readonly to: CaseRoute;
  readonly key: string;
  readonly benchmark: string;
  readonly task: string;
  readonly model: string;
  readonly textBefore: string;
  readonly tokenCount: number;
  readonly status: CaseStatus;
  readonly exclusion: string | null;
  readonly pair: Pick<PairSummary, "id" | "delta" | "target" | "contrast"> | undefined;
  /** How many pairs more the case has. */
  readonly otherPairs: number;
  readonly delta: number | null;
  readonly rules: readonly Rule[];
  /** The attribution whose diagnosis and strongest tokens the line shows. */
  readonly shown: RowSummary | undefined;
}

export type CasePage = ListPage<CaseLine>;

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

export function readCasePage(route: CasesRoute, after: string | null, signal?: AbortSignal): Promise<CasePage> {
  return listsAttributions(route) ? readAttributions(route, after, signal) : readCases(route, after, signal);
}

async function readCases(route: CasesRoute, after: string | null, signal?: AbortSignal): Promise<CasePage> {
  const { failureCases, found } = await request(LIST_CASES, {
    first: PAGE,
    after,
    filter: caseFilter(route),
    orderBy: ORDER_BY[route.order],
    atMost: countedAtMost(route),
  }, signal);
  const lines = failureCases.nodes.map(({ tokenPairs, model, ...failureCase }): CaseLine => {
    const pair = largestDelta(tokenPairs);
    const rules = pair?.attributions.map(({ rule }) => rule) ?? [];
    return {
      ...failureCase,
      model: model.name,
      to: { ...caseRoute(failureCase.id), ...openWith(rules) },
      pair,
      otherPairs: Math.max(0, tokenPairs.length - 1),
      delta: pair?.delta ?? null,
      rules,
      shown: pair?.attributions.find(({ rule }) => rule === "ATTNLRP") ?? pair?.attributions[0],
    };
  });
  return { lines, total: found, info: failureCases.pageInfo };
}

/**
 * The pair that stands for its case: the one with the largest delta, the oldest of equals. What somebody asked beside the
 * pair that was found stands behind it.
 */
export function largestDelta<Pair extends { readonly delta: number; readonly source: string }>(
  pairs: readonly Pair[],
): Pair | undefined {
  const found = pairs.filter(({ source }) => source !== "ASKED");
  return (found.length > 0 ? found : pairs).reduce<Pair | undefined>(
    (best, pair) => best === undefined || pair.delta > best.delta ? pair : best,
    undefined,
  );
}

/** A case opens with AttnLRP when that is there, else with the rule that is. */
function openWith(rules: readonly Rule[]): { readonly rule?: Rule } {
  const rule = rules[0];
  return rule === undefined || rules.includes("ATTNLRP") ? {} : { rule };
}

async function readAttributions(route: CasesRoute, after: string | null, signal?: AbortSignal): Promise<CasePage> {
  const { by, direction } = ORDER_BY[route.order];
  const { attributions, found } = await request(LIST_ATTRIBUTIONS, {
    first: PAGE,
    after,
    filter: attributionFilter(route),
    orderBy: { by: by === "KEY" ? "CREATED" : by, direction: by === "KEY" ? "DESC" : direction },
    atMost: countedAtMost(route),
  }, signal);
  const lines = attributions.nodes.map(({ id, logitDifference, tokenPair, model, ...shown }): CaseLine => ({
    ...tokenPair.failureCase,
    id,
    model: model.name,
    to: { ...caseRoute(tokenPair.failureCase.id), pair: tokenPair.id, rule: shown.rule },
    pair: tokenPair,
    otherPairs: 0,
    delta: logitDifference,
    rules: [shown.rule],
    shown,
  }));
  return { lines, total: found, info: attributions.pageInfo };
}
