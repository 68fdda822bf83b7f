/** The cases of the list as it was last seen, so that a case knows what comes before and after it. */
import type { CaseRoute } from "../shell/route.ts";
import type { Found } from "./found.ts";

interface Listed {
  readonly routes: readonly CaseRoute[];
  /** Cases of the list in all, those included that were not read. */
  readonly total: Found;
  /** Reads the next page of the list. */
  readonly more: () => void;
}

/** Cases from the end of what was read at which the next page is asked for. */
const AHEAD = 5;

let listed: Listed = { routes: [], total: { count: 0, isAll: true }, more: () => {} };

export function keepListed(list: Listed): void {
  listed = list;
}

/** Reads on where a case stands near the end of what was read. */
export function readAhead({ number }: Place): void {
  if (number > listed.routes.length - AHEAD) listed.more();
}

export interface Place {
  /** Number in the list, counted from 1. */
  readonly number: number;
  readonly total: Found;
  readonly previous: CaseRoute | undefined;
  readonly next: CaseRoute | undefined;
}

/** Where a case stands in the list; undefined when it does not. What is shown of it stays for its neighbours. */
export function placeOf(route: CaseRoute): Place | undefined {
  const { routes, total } = listed;
  const same = routes.map(({ id }, index) => id === route.id ? index : -1).filter((index) => index >= 0);
  const at = same.find((index) => routes[index]?.pair === route.pair) ?? same[0];
  if (at === undefined) return undefined;
  const { view, values, special } = route;
  const beside = (index: number) => {
    const found = routes[index];
    return found === undefined ? undefined : { ...found, view, values, special };
  };
  return { number: at + 1, total, previous: beside(at - 1), next: beside(at + 1) };
}
