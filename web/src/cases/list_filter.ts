/** The address of the list as the API's filters: what is listed, and what work on all of it is asked for. */
import type { Given, Named } from "../shell/graphql.ts";
import { type CasesRoute, RULES } from "../shell/route.ts";

export type CaseFilter = Given<Named<"FailureCaseFilter">>;
export type AttributionFilter = Given<Named<"AttributionFilter">>;

/** Whether attributions are listed, and not cases. */
export function listsAttributions({ list }: CasesRoute): boolean {
  return list === "attributions" || RULES.some((rule) => rule === list);
}

/** Conditions on the case alone. */
function ofCase(route: CasesRoute): CaseFilter {
  const search = route.search.trim() === "" ? {} : { search: route.search };
  return {
    ...search,
    ...(route.status === "" ? {} : { status: route.status }),
    ...(route.exclusion === "" ? {} : { exclusion: route.exclusion as Named<"Exclusion"> }),
    ...(route.job === "" ? {} : { job: route.job }),
    ...(route.disagrees === "" ? {} : { disagrees: route.disagrees === "yes" }),
  };
}

/** Conditions that cases and attributions have under the same names. */
function shared(route: CasesRoute) {
  const { deltaFrom, deltaTo } = route;
  const delta = { ...(deltaFrom === null ? {} : { min: deltaFrom }), ...(deltaTo === null ? {} : { max: deltaTo }) };
  return {
    ...(route.benchmark === "" ? {} : { benchmark: route.benchmark }),
    ...(route.model === "" ? {} : { model: route.model }),
    ...(route.token.trim() === "" ? {} : { token: route.token }),
    ...(route.outcome === "" ? {} : { outcome: route.outcome }),
    ...(route.pattern === "" ? {} : { pattern: route.pattern }),
    ...(deltaFrom === null && deltaTo === null ? {} : { delta }),
  };
}

export function caseFilter(route: CasesRoute): CaseFilter {
  return { ...ofCase(route), ...shared(route), ...(route.list === "unattributed" ? { attributed: false } : {}) };
}

export function attributionFilter(route: CasesRoute): AttributionFilter {
  const failureCase = ofCase(route);
  return {
    ...shared(route),
    ...RULES.filter((rule) => rule === route.list).map((rule) => ({ rule }))[0],
    ...(Object.keys(failureCase).length === 0 ? {} : { failureCase }),
  };
}
