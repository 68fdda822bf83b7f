/** @jsxImportSource preact */
/** The list of failure cases: filtered, ordered and paged by the server. */
import { useEffect, useRef, useState } from "preact/hooks";
import { CaseCounts } from "./case_counts.tsx";
import { CaseFilter } from "./case_filter.tsx";
import { CaseRow } from "./case_row.tsx";
import { request, RequestError } from "./client.ts";
import { useEndedJobs } from "./job_store.ts";
import { Empty, Trouble, Waiting } from "./notice.tsx";
import { LIST_MODELS } from "./operations/cases.ts";
import { type CaseLine, listsAttributions, readCasePage } from "./read_cases.ts";
import { CASES, type CasesRoute, formatRoute } from "./route.ts";
import { useLoad } from "./use_load.ts";

const HOW_TO_IMPORT =
  "npx culprit model add models/demo-1m\nnpx culprit import --from culprit models/demo-1m/failure-cases.jsonl";

const benchmarksSeen = new Set<string>();

/** The pages after the first, for as long as the filter and the first page stay the same. */
function useMore(route: CasesRoute, first: unknown, after: string | null) {
  const [more, setMore] = useState<{ lines: readonly CaseLine[]; after: string | null; error?: RequestError }>();
  const [loading, setLoading] = useState(false);
  const turn = useRef(0);
  useEffect(() => {
    turn.current++;
    setMore(undefined);
    setLoading(false);
  }, [first]);
  const load = async () => {
    const mine = turn.current;
    const old = more?.lines ?? [];
    const cursor = more === undefined ? after : more.after;
    setLoading(true);
    try {
      const page = await readCasePage(route, cursor);
      if (mine !== turn.current) return;
      setMore({ lines: [...old, ...page.lines], after: page.info.hasNextPage ? page.info.endCursor : null });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (mine === turn.current) setMore({ lines: old, after: cursor, error });
    }
    setLoading(false);
  };
  return {
    lines: more?.lines ?? [],
    after: more === undefined ? after : more.after,
    error: more?.error,
    loading,
    load,
  };
}

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
  const more = useMore(route, page, page?.info.hasNextPage === true ? page.info.endCursor : null);
  const lines = [...(page?.lines ?? []), ...more.lines];
  for (const { benchmark } of lines) benchmarksSeen.add(benchmark);

  useEffect(() => {
    if (shown) document.title = "Cases · Culprit";
  }, [shown]);
  useEffect(() => {
    if (ended > 0 && more.lines.length === 0) list.reload();
  }, [ended]);

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
      </div>
      <CaseFilter
        route={route}
        benchmarks={[...benchmarksSeen].sort()}
        models={models.data?.models.nodes.map(({ name }) => name) ?? []}
      />
      <CaseCounts route={route} ended={ended} />
      {list.error === undefined ? null : <Trouble error={list.error} onRetry={list.reload} />}
      {page === undefined
        ? list.error === undefined ? <Waiting what="cases" /> : null
        : lines.length === 0
        ? <NoCases filtered={filtered} attributions={attributions} />
        : (
          <table class="cases" aria-busy={list.loading}>
            <caption class="unseen">Failure cases</caption>
            <thead>
              <tr>
                <th scope="col">Case</th>
                <th scope="col">Benchmark</th>
                <th scope="col">Task</th>
                <th scope="col">Wrong token</th>
                <th scope="col">Right token</th>
                <th scope="col" class="number">Delta</th>
                <th scope="col" class="number">Tokens</th>
                <th scope="col">Attributed</th>
              </tr>
            </thead>
            <tbody>{lines.map((line) => <CaseRow key={line.id} line={line} />)}</tbody>
          </table>
        )}
      {more.error === undefined ? null : <Trouble error={more.error} />}
      {more.after === null || page === undefined ? null : (
        <div class="more">
          <button type="button" disabled={more.loading} onClick={more.load}>
            {more.loading ? "Loading" : "Load more"}
          </button>
          <span class="quiet number">{`${lines.length} of ${page.total.toLocaleString("en")}`}</span>
        </div>
      )}
    </div>
  );
}
