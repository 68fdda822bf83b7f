/// <reference lib="dom" />
/** @jsxImportSource preact */
/** The way back to the list and on to its other cases, by links and by the keys j and k. */
import { useEffect } from "preact/hooks";
import { foundText } from "../cases/found.ts";
import { placeOf, readAhead } from "../cases/listed_cases.ts";
import { type CaseRoute, formatRoute } from "../shell/route.ts";
import { isTyping } from "../shell/typing.ts";
import { go, lastList } from "../shell/use_route.ts";

export function CaseSteps({ route }: { readonly route: CaseRoute }) {
  const place = placeOf(route);
  useEffect(() => {
    if (place !== undefined) readAhead(place);
  }, [place?.number]);
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const to = event.key === "j" ? place?.next : event.key === "k" ? place?.previous : undefined;
      if (to !== undefined) go(to);
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, [place?.next?.id, place?.previous?.id, route]);
  const step = (to: CaseRoute | undefined, name: string, letter: string) =>
    to === undefined
      ? <span class="quiet" aria-hidden="true">{name}</span>
      : <a href={formatRoute(to)} title={`Key ${letter}`} aria-keyshortcuts={letter}>{name}</a>;
  return (
    <nav class="steps small" aria-label="Cases">
      <a href={formatRoute(lastList().route)}>Cases</a>
      {place === undefined ? null : (
        <>
          <span class="quiet number">
            {place.number.toLocaleString("en")} of {foundText(place.total)}
          </span>
          {step(place.previous, "Previous", "k")}
          {step(place.next, "Next", "j")}
        </>
      )}
    </nav>
  );
}
