/** @jsxImportSource preact */
/** The list of failure cases: filtered, ordered and paged by the server. */
import { useEffect } from "preact/hooks";
import { ActiveFilters } from "./active_filters.tsx";
import { CaseCounts } from "./case_counts.tsx";
import { CaseFilter } from "./case_filter.tsx";
import { CaseTable } from "./case_table.tsx";
import { request } from "../shell/client.ts";
import { DiagnosisCounts } from "./diagnosis_counts.tsx";
import { useEndedJobs } from "../jobs/job_store.ts";
import { keepListed } from "./listed_cases.ts";
import { Empty, Trouble, Waiting } from "../shell/notice.tsx";
import { LIST_MODELS } from "./documents.ts";
import { listsAttributions, readCasePage } from "./read_cases.ts";
import { CASES, type CasesRoute, formatRoute } from "../shell/route.ts";
import { SavedFilters } from "./saved_filters.tsx";
import { useLoad } from "../shell/use_load.ts";
import { usePages } from "./use_pages.ts";
import { Welcome } from "./welcome.tsx";

const HOW_TO_IMPORT =
  "npx culprit model add models/demo-1m\nnpx culprit import --from culprit models/demo-1m/failure-cases.jsonl";

const benchmarksSeen = new Set<string>();

function NoCases({ filtered, attributions }: { readonly filtered: boolean; readonly attributions: boolean }) {
  if (filtered) {
    return (
      <Empty title="No case matches">
        <p class="quiet">
          {attributions
            ? "Only attributed cases were searched: compute attributions first, or widen the filter."
            : "Widen the filter to see more."}
        </p>
      </Empty>
    );
  }
  return (
    <Empty title="No cases yet">
      <p>Add the model that failed, then import its failure cases:</p>
      <pre>{HOW_TO_IMPORT}</pre>
      <p class="quiet">Imported cases show here by themselves.</p>
    </Empty>
  );
}

export function CaseList(props: {
  readonly route: CasesRoute;
  /** Whether it is what the reader sees, and not kept behind a case. */
  readonly shown: boolean;
}) {
  const { route, shown } = props;
  const ended = useEndedJobs();
  const list = useLoad(formatRoute(route), (signal) => readCasePage(route, null, signal));
  const models = useLoad("models", (signal) => request(LIST_MODELS, {}, signal));
  const page = list.data;
  const pages = usePages(route, page);
  for (const { benchmark } of pages.pages.at(-1) ?? []) benchmarksSeen.add(benchmark);

  useEffect(() => {
    if (shown) document.title = "Cases · Culprit";
  }, [shown]);
  useEffect(() => {
    if (ended > 0 && pages.pages.length < 2) list.reload();
  }, [ended]);

  useEffect(() => {
    const routes = pages.pages.flatMap((lines) => lines.map(({ to }) => to));
    keepListed({ routes, total: page?.total ?? 0, more: pages.load });
  }, [pages.count, page]);

  const attributions = listsAttributions(route);
  const noun = attributions ? "attribution" : "failure case";
  const filtered = formatRoute({ ...route, order: CASES.order }) !== formatRoute(CASES);
  return (
    <div class="sheet">
      <div>
        <h1>Failure cases</h1>
        <p class="count-line quiet">
          <span role="status">
            {page === undefined
              ? "\u00a0"
              : `${page.total.toLocaleString("en")} ${noun}${page.total === 1 ? "" : "s"}${filtered ? " found" : ""}`}
          </span>
          {filtered ? <a href={formatRoute({ ...CASES, order: route.order })}>Clear the filter</a> : null}
        </p>
        <ActiveFilters route={route} />
      </div>
      {page !== undefined && page.total > 0 && !filtered ? <Welcome lines={page.lines} /> : null}
      <CaseFilter
        route={route}
        benchmarks={[...benchmarksSeen].sort()}
        models={models.data?.models.nodes.map(({ name }) => name) ?? []}
      />
      <SavedFilters route={route} filtered={filtered} />
      <div class="summary">
        <CaseCounts route={route} ended={ended} />
        <DiagnosisCounts route={route} ended={ended} />
      </div>
      {list.error === undefined ? null : <Trouble error={list.error} onRetry={list.reload} />}
      {page === undefined
        ? list.error === undefined ? <Waiting what="cases" /> : null
        : pages.count === 0
        ? <NoCases filtered={filtered} attributions={attributions} />
        : <CaseTable list={pages} total={page.total} busy={list.loading} />}
    </div>
  );
}
