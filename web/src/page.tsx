/** @jsxImportSource preact */
/** The frame of the page: its top line and what the address asks for. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { AskPage } from "./ask/ask_page.tsx";
import { CaseList } from "./cases/case_list.tsx";
import { CaseView } from "./case/case_view.tsx";
import { CopyLink } from "./shell/copy_link.tsx";
import { JobsPanel } from "./jobs/jobs_panel.tsx";
import { GraphFilePage } from "./graph/graph_file_page.tsx";
import { GlossaryPage } from "./glossary/glossary_page.tsx";
import { ASK, CASES, type CasesRoute, formatRoute, GLOSSARY_ROUTE, type Route, RUN, STUDIES } from "./shell/route.ts";
import { RunListed } from "./run/run_listed.tsx";
import { RunPage } from "./run/run_page.tsx";
import { StudiesPage } from "./studies/studies_page.tsx";
import { TracePage } from "./trace/trace_page.tsx";
import { TermTip } from "./shell/term_tip.tsx";
import { lastList, useRoute } from "./shell/use_route.ts";

const here = (is: boolean) => is ? { "aria-current": "page" as const } : {};

/** What tells whether another place is shown: there the reader begins at its top. */
function placeOf(route: Route): string {
  if (route.page === "case") return route.id;
  if (route.page === "trace") return route.pair;
  return route.page === "cases" ? "" : route.page;
}

export function Page() {
  const { route, troubles } = useRoute();
  const content = useRef<HTMLElement>(null);
  /** The list stays as it is behind a case, so that going back finds it unchanged. */
  const list = useRef<CasesRoute>(undefined);
  if (route.page === "cases") list.current = route;

  const place = placeOf(route);
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
        <nav class="places" aria-label="Places">
          <a href={formatRoute(ASK)} {...here(route.page === "ask")}>Ask</a>
          <a href={formatRoute(route.page === "cases" ? CASES : lastList().route)} {...here(route.page === "cases")}>
            Cases
          </a>
          <a href={formatRoute(STUDIES)} {...here(route.page === "studies")}>Studies</a>
          <a href={formatRoute(RUN)} {...here(route.page === "run")}>Run</a>
          <a href={formatRoute(GLOSSARY_ROUTE)} {...here(route.page === "glossary")}>Glossary</a>
          <a href="graphql" title="GraphiQL: the same data by queries of your own">API</a>
        </nav>
        <CopyLink />
        <JobsPanel />
      </header>
      <main id="content" tabIndex={-1} ref={content}>
        {troubles.length === 0
          ? null
          : (
            <ul class="address-troubles small" role="status" aria-label="What the address says and nobody understands">
              {troubles.map((line) => <li key={line}>{line}</li>)}
            </ul>
          )}
        {list.current === undefined ? null : (
          <div hidden={route.page !== "cases"}>
            <CaseList
              route={list.current}
              shown={route.page === "cases"}
              actions={(total) => list.current === undefined ? null : <RunListed route={list.current} total={total} />}
            />
          </div>
        )}
        {route.page === "ask" ? <AskPage route={route} /> : null}
        {route.page === "studies" ? <StudiesPage route={route} /> : null}
        {route.page === "run" ? <RunPage /> : null}
        {route.page === "graph" ? <GraphFilePage /> : null}
        {route.page === "glossary" ? <GlossaryPage /> : null}
        {route.page === "trace" ? <TracePage key={route.pair} route={route} /> : null}
        {route.page === "case" ? <CaseView key={route.id} route={route} /> : null}
      </main>
      <TermTip />
    </>
  );
}
