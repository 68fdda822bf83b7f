/** The address as state. */
import { useEffect, useState } from "preact/hooks";
import { CASES, type CasesRoute, formatRoute, type ReadRoute, readRoute, type Route } from "./route.ts";

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

/** What the address shows now, and what it says that means nothing. */
export function useRoute(): ReadRoute {
  const [read, setRead] = useState(() => readRoute(location.hash));
  const { route } = read;
  useEffect(() => {
    if (route.page === "cases") place = { route, scroll: place.scroll };
    const readAgain = () => {
      if (route.page === "cases") place = { route, scroll: scrollY };
      setRead(readRoute(location.hash));
    };
    addEventListener("hashchange", readAgain);
    return () => removeEventListener("hashchange", readAgain);
  }, [route]);
  return read;
}
