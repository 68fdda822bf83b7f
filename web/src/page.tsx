/** @jsxImportSource preact */
/** The frame of the page: its top line and what the address asks for. */
import { CaseList } from "./case_list.tsx";
import { CaseView } from "./case_view.tsx";
import { JobsPanel } from "./jobs_panel.tsx";
import { CASES, formatRoute } from "./route.ts";
import { useRoute } from "./use_route.ts";

export function Page() {
  const route = useRoute();
  return (
    <>
      <button
        type="button"
        class="skip"
        onClick={() => document.getElementById("content")?.focus()}
      >
        Skip to content
      </button>
      <header class="top">
        <a class="name" href={formatRoute(CASES)}>Culprit</a>
        <span class="saying">which tokens made the model fail</span>
        <JobsPanel />
      </header>
      <main id="content" tabIndex={-1}>
        {route.page === "case" ? <CaseView key={route.id} route={route} /> : <CaseList route={route} />}
      </main>
    </>
  );
}
