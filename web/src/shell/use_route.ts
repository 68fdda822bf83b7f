/** The address as state. */
import { useEffect, useState } from "preact/hooks";
import { CASES, type CasesRoute, formatRoute, parseRoute, type Route } from "./route.ts";

/** Where the reader was in the case list. */
interface ListPlace {
  readonly route: CasesRoute;
  /** Pixels from the top. */
  readonly scroll: number;
}

let place: ListPlace = { route: CASES, scroll: 0 };

/** The case list as it was last seen. */
export function lastList(): ListPlace {
  return place;
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
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    if (route.page === "cases") place = { route, scroll: place.scroll };
    const read = () => {
      if (route.page === "cases") place = { route, scroll: scrollY };
      setRoute(parseRoute(location.hash));
    };
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, [route]);
  return route;
}
