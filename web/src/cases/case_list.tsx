/** @jsxImportSource preact */
/** The list of failure cases: filtered, ordered and paged by the server; its filters stand beside it. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ActiveFilters, conditionsOf } from "./active_filters.tsx";
import { AnswerList } from "./answer_list.tsx";
import { CaseRail } from "./case_rail.tsx";
import { CaseTable } from "./case_table.tsx";
import { request } from "../shell/client.ts";
import { useEndedJobs } from "../jobs/job_store.ts";
import { keepListed } from "./listed_cases.ts";
import { Empty, Trouble, Waiting } from "../shell/notice.tsx";
import { LIST_MODELS } from "./documents.ts";
import { ORDER_NAMES } from "./filter_names.ts";
import { type Found, foundText } from "./found.ts";
import { listsAttributions } from "./list_filter.ts";
import { readCasePage } from "./read_cases.ts";
import { CASES, type CasesRoute, formatRoute, type Order, ORDERS } from "../shell/route.ts";
import { go } from "../shell/use_route.ts";
import { SavedFilters } from "./saved_filters.tsx";
import { Typed } from "./typed.tsx";
import { useLoad } from "../shell/use_load.ts";
import { usePages } from "./use_pages.ts";
import { Welcome } from "./welcome.tsx";

const HOW_TO_IMPORT =
  "npx culprit model add models/demo-1m\nnpx culprit import --from culprit models/demo-1m/failure-cases.jsonl";

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

/** Orders that a list has. */
function ordersOf(route: CasesRoute): readonly Order[] {
  if (route.list === "answers") return ["newest", "oldest", "key"];
  return listsAttributions(route) ? ORDERS.filter((order) => order !== "key") : ORDERS;
}

function nounOf(route: CasesRoute): string {
  if (route.list === "answers") return "answer";
  return listsAttributions(route) ? "attribution" : "failure case";
}

/** Search box, order, and how much was found. */
function ListHead({ route, total, filtered }: {
  readonly route: CasesRoute;
  readonly total: Found | undefined;
  readonly filtered: boolean;
}) {
  const change = (part: Partial<CasesRoute>) => go({ ...route, ...part }, "replace");
  const noun = nounOf(route);
  return (
    <>
      <div class="list-head">
        {route.list === "answers" ? null : (
          <Typed
            label="Search in key, prompt, answer and tokens"
            placeholder="Search in key, prompt, answer and tokens"
            value={route.search}
            onValue={(search) => change({ search })}
          />
        )}
        <label class="field">
          <span class="unseen">Order</span>
          <select
            value={route.order}
            onChange={({ currentTarget }) =>
              change({ order: ORDERS.find((order) => order === currentTarget.value) ?? CASES.order })}
          >
            {ordersOf(route).map((order) => <option key={order} value={order}>{ORDER_NAMES[order]}</option>)}
          </select>
        </label>
      </div>
      <p class="count-line quiet">
        <span role="status">
          {total === undefined
            ? "\u00a0"
            : `${foundText(total)} ${noun}${total.count === 1 ? "" : "s"}${filtered ? " found" : ""}`}
        </span>
        {filtered ? <a href={formatRoute({ ...CASES, order: route.order })}>Clear the filter</a> : null}
      </p>
    </>
  );
}

/** The table of cases or attributions; tells how many there are. */
function Cases({ route, onTotal, filtered, ended }: {
  readonly route: CasesRoute;
  readonly onTotal: (total: Found | undefined) => void;
  readonly filtered: boolean;
  readonly ended: number;
}) {
  const list = useLoad(formatRoute(route), (signal) => readCasePage(route, null, signal));
  const page = list.data;
  const pages = usePages(page, (after) => readCasePage(route, after));
  useEffect(() => onTotal(page?.total), [page]);
  useEffect(() => {
    if (ended > 0 && pages.pages.length < 2) list.reload();
  }, [ended]);
  useEffect(() => {
    const routes = pages.pages.flatMap((lines) => lines.map(({ to }) => to));
    keepListed({ routes, total: page?.total ?? { count: 0, isAll: true }, more: pages.load });
  }, [pages.count, page]);
  return (
    <>
      {page !== undefined && page.total.count > 0 && !filtered ? <Welcome lines={page.lines} /> : null}
      {list.error === undefined ? null : <Trouble error={list.error} onRetry={list.reload} />}
      {page === undefined
        ? list.error === undefined ? <Waiting what="cases" /> : null
        : pages.count === 0
        ? <NoCases filtered={filtered} attributions={listsAttributions(route)} />
        : <CaseTable list={pages} total={page.total} busy={list.loading} />}
    </>
  );
}

export function CaseList(props: {
  readonly route: CasesRoute;
  /** Whether it is what the reader sees, and not kept behind a case. */
  readonly shown: boolean;
  /** What can be done with all that is listed. */
  readonly actions: (total: Found) => ComponentChildren;
}) {
  const { route, shown } = props;
  const ended = useEndedJobs();
  const models = useLoad("models", (signal) => request(LIST_MODELS, {}, signal));
  const [total, setTotal] = useState<Found>();
  useEffect(() => {
    if (shown) document.title = "Cases · Culprit";
  }, [shown]);
  const filtered = formatRoute({ ...route, order: CASES.order }) !== formatRoute(CASES);
  return (
    <div class="listing">
      <h1 class="unseen">Failure cases</h1>
      <div class="rail-place">
        <CaseRail
          route={route}
          models={models.data?.models.nodes.map(({ name }) => name) ?? []}
          active={conditionsOf(route).length}
          ended={ended}
        />
        <SavedFilters route={route} filtered={filtered} />
      </div>
      <div class="list">
        <ListHead route={route} total={total} filtered={filtered} />
        <ActiveFilters route={route} />
        {route.list === "answers" ? <AnswerList route={route} shown={setTotal} /> : (
          <>
            {total === undefined || total.count === 0 ? null : props.actions(total)}
            <Cases route={route} onTotal={setTotal} filtered={filtered} ended={ended} />
          </>
        )}
      </div>
    </div>
  );
}
