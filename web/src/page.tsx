/** @jsxImportSource preact */
/** The frame of the page: its top line and what the address asks for. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { CaseList } from "./case_list.tsx";
import { CaseView } from "./case_view.tsx";
import { JobsPanel } from "./jobs_panel.tsx";
import { CASES, type CasesRoute, formatRoute, RUN, STUDIES } from "./route.ts";
import { RunPage } from "./run_page.tsx";
import { StudiesPage } from "./studies_page.tsx";
import { lastList, useRoute } from "./use_route.ts";

export function Page() {
  const route = useRoute();
  const content = useRef<HTMLElement>(null);
  /** The list stays as it is behind a case, so that going back finds it unchanged. */
  const list = useRef<CasesRoute>(undefined);
  if (route.page === "cases") list.current = route;

  const place = route.page === "case" ? route.id : route.page === "cases" ? "" : route.page;
  const shown = useRef(place);
  useLayoutEffect(() => {
    if (shown.current === place) return;
    shown.current = place;
    scrollTo(0, place === "" ? lastList().scroll : 0);
    content.current?.focus({ preventScroll: true });
  }, [place]);

  return (
    <>
      <button type="button" class="skip" onClick={() => content.current?.focus()}>Skip to content</button>
      <header class="top">
        <a class="name" href={formatRoute(CASES)}>Culprit</a>
        <span class="saying">which tokens made the model fail</span>
        <a href={formatRoute(STUDIES)} {...(route.page === "studies" ? { "aria-current": "page" } : {})}>Studies</a>
        <a href={formatRoute(RUN)} {...(route.page === "run" ? { "aria-current": "page" } : {})}>Run</a>
        <JobsPanel />
      </header>
      <main id="content" tabIndex={-1} ref={content}>
        {list.current === undefined ? null : (
          <div hidden={route.page !== "cases"}>
            <CaseList route={list.current} shown={route.page === "cases"} />
          </div>
        )}
        {route.page === "studies" ? <StudiesPage /> : null}
        {route.page === "run" ? <RunPage /> : null}
        {route.page === "case" ? <CaseView key={route.id} route={route} /> : null}
      </main>
    </>
  );
}
