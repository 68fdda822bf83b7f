/** The address as state. */
import { useEffect, useState } from "preact/hooks";
import { CASES, formatRoute, parseRoute, type Route } from "./route.ts";

let list = formatRoute(CASES);

/** The case list as it was last filtered and ordered. */
export function lastList(): string {
  return list;
}

/** Goes to a route; `replace` leaves no step in the history, for switches and sliders. */
export function go(route: Route, how: "push" | "replace" = "push"): void {
  const hash = formatRoute(route);
  if (how === "push") {
    location.hash = hash;
  } else {
    history.replaceState(null, "", hash);
    dispatchEvent(new HashChangeEvent("hashchange"));
  }
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const read = () => setHash(location.hash);
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  const route = parseRoute(hash);
  if (route.page === "cases") list = formatRoute(route);
  return route;
}
