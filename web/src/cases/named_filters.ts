/** Filters that the reader gave a name, kept by the browser. */
import { type CasesRoute, formatRoute, parseRoute } from "../shell/route.ts";

export interface NamedFilter {
  readonly name: string;
  readonly route: CasesRoute;
}

const KEY = "culprit.filters";
/** More would not be found again. */
const MOST = 50;

/** What the browser keeps; what it does not understand is left out. */
export function readFilters(): readonly NamedFilter[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    if (!Array.isArray(stored)) return [];
    return stored.flatMap((one: { readonly name?: unknown; readonly address?: unknown }): NamedFilter[] => {
      if (typeof one?.name !== "string" || typeof one.address !== "string") return [];
      const route = parseRoute(one.address);
      return route.page === "cases" ? [{ name: one.name, route }] : [];
    });
  } catch {
    return [];
  }
}

/** Keeps these filters. False where the browser keeps nothing. */
export function storeFilters(filters: readonly NamedFilter[]): boolean {
  const kept = filters.slice(-MOST).map(({ name, route }) => ({ name, address: formatRoute(route) }));
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
    return true;
  } catch {
    return false;
  }
}

/** The filters with one more; a filter of the same name is replaced. */
export function withFilter(filters: readonly NamedFilter[], added: NamedFilter): readonly NamedFilter[] {
  return [...filters.filter(({ name }) => name !== added.name), added];
}
