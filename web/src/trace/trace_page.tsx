/** @jsxImportSource preact */
/** The room of a trace: which steps of a completion led to its error, and what they rest on. */
import { useEffect, useMemo } from "preact/hooks";
import { quoteToken } from "../../../figures/token_text.ts";
import { readTokens } from "../heat/read_case.ts";
import { plain, signed } from "../heat/relevance.ts";
import { TokenBox } from "../heat/token_glyphs.tsx";
import { AbsentModel } from "../jobs/absent_model.tsx";
import { useEndedJobs } from "../jobs/job_store.ts";
import { PageModelContext } from "../jobs/page_model.ts";
import { WorkBox } from "../jobs/work_box.tsx";
import { Choice } from "../shell/choice.tsx";
import { RULE_NAMES } from "../shell/names.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import { caseRoute, formatRoute, RULES, type TraceRoute } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";
import { go } from "../shell/use_route.ts";
import type { TracedPair, TraceSummary } from "./documents.ts";
import { readTrace, readTraced, startTrace } from "./read_trace.ts";
import { TraceView } from "./trace_view.tsx";

/** Continuations that are tried at each step's end, where somebody wants them. */
const ROLLOUTS = 5;

type Change = (part: Partial<TraceRoute>) => void;

export function TracePage({ route }: { readonly route: TraceRoute }) {
  const ended = useEndedJobs();
  const reading = useLoad(route.pair, (signal) => readTraced(route.pair, signal));
  const pair = reading.data;
  useEffect(() => {
    document.title = `${pair?.failureCase.key ?? "Trace"} · steps · Culprit`;
  }, [pair?.failureCase.key]);
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const change: Change = (part) => go({ ...route, ...part }, "replace");
  return (
    <div class="sheet trace">
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      {pair === undefined
        ? reading.error === undefined ? <Waiting what="the case" /> : null
        : (
          <PageModelContext.Provider value={pair.failureCase.model}>
            <TraceHead route={route} pair={pair} />
            <AbsentModel />
            <TraceOfRule key={route.rule} route={route} pair={pair} onChange={change} />
          </PageModelContext.Provider>
        )}
    </div>
  );
}

function TraceHead({ route, pair }: { readonly route: TraceRoute; readonly pair: TracedPair }) {
  const { failureCase, target, contrast, delta } = pair;
  const back = { ...caseRoute(failureCase.id), pair: pair.id, rule: route.rule };
  return (
    <>
      <nav class="steps small" aria-label="Case">
        <a href={formatRoute(back)}>The case</a>
        <span class="quiet">{failureCase.key}, {failureCase.model.name}</span>
      </nav>
      <h1>Through its own words</h1>
      <p>
        The model wrote <TokenBox text={target.text} side="red" /> where <TokenBox text={contrast.text} side="blue" />
        {" "}
        was right, <span class="number">{plain(target.logit)}</span> against{" "}
        <span class="number">{plain(contrast.logit)}</span>, delta{" "}
        <span class="number">{signed(delta)}</span>. Before that it wrote steps of its own: here the error's relevance
        is sent back through them to the prompt.
      </p>
    </>
  );
}

/** The trace that is shown: the one of the address, or the newest of the rule. */
function chosenTrace({ traces }: TracedPair, { trace, rule }: TraceRoute): TraceSummary | undefined {
  return traces.find(({ id }) => id === trace) ?? traces.find((one) => one.rule === rule);
}

function TraceOfRule({ route, pair, onChange }: {
  readonly route: TraceRoute;
  readonly pair: TracedPair;
  readonly onChange: Change;
}) {
  const { failureCase } = pair;
  const chosen = chosenTrace(pair, route);
  const reading = useLoad(chosen?.id ?? null, (signal) => readTrace(chosen?.id ?? "", signal));
  const tokens = useLoad(
    `${failureCase.id} ${failureCase.tokenCount}`,
    (signal) => readTokens(failureCase.id, failureCase.tokenCount, signal),
  );
  const error = reading.error ?? tokens.error;
  return (
    <>
      <TraceChoice route={route} pair={pair} chosen={chosen} onChange={onChange} />
      {chosen === undefined ? <StartTrace route={route} pair={pair} /> : null}
      {error === undefined ? null : <Trouble error={error} onRetry={reading.error ? reading.reload : tokens.reload} />}
      {chosen === undefined || error !== undefined
        ? null
        : reading.data === undefined || tokens.data === undefined
        ? <Waiting what="the trace" />
        : (
          <TraceView
            key={reading.data.id}
            route={route}
            pair={pair}
            trace={reading.data}
            tokens={tokens.data}
            onChange={onChange}
          />
        )}
    </>
  );
}

function StartTrace({ route, pair }: { readonly route: TraceRoute; readonly pair: TracedPair }) {
  const { tokenCount, promptTokens } = pair.failureCase;
  if (tokenCount <= promptTokens && !pair.failureCase.benchmark.includes("gaia")) {
    return <p>The error is the answer's first token: there are no steps before it.</p>;
  }
  const what = `the trace (${RULE_NAMES[route.rule]})`;
  return (
    <>
      <WorkBox
        key={`trace ${pair.id} ${route.rule}`}
        what={what}
        verb="Trace the steps"
        start={() => startTrace(pair.id, route.rule, { boundaries: [], rollouts: 0 })}
      />
      <WorkBox
        key={`reach ${pair.id} ${route.rule}`}
        what="the same with continuations"
        aside
        standing={`tries ${ROLLOUTS} continuations at each step's end: from where on the right answer is out of reach. It takes longer.`}
        verb="Trace and continue"
        start={() => startTrace(pair.id, route.rule, { boundaries: [], rollouts: ROLLOUTS })}
      />
    </>
  );
}

/** Which rule, and which of several traces of it. */
function TraceChoice({ route, pair, chosen, onChange }: {
  readonly route: TraceRoute;
  readonly pair: TracedPair;
  readonly chosen: TraceSummary | undefined;
  readonly onChange: Change;
}) {
  const ofRule = useMemo(() => pair.traces.filter(({ rule }) => rule === route.rule), [pair, route.rule]);
  const nameOf = ({ boundaries }: TraceSummary, index: number) =>
    `${boundaries === null ? "steps by the text" : `${boundaries.length} steps by hand`}${
      index === 0 ? ", newest" : ""
    }`;
  return (
    <div class="controls">
      <Choice
        label="Rule"
        value={route.rule}
        options={RULES.map((value) => ({
          value,
          label: RULE_NAMES[value],
          ...(pair.traces.some(({ rule }) => rule === value) ? {} : { title: "Not computed yet", faint: true }),
        }))}
        onChange={(rule) => onChange({ rule, trace: "", part: null, open: [], whole: [], cut: [] })}
      />
      {ofRule.length < 2 || chosen === undefined ? null : (
        <label class="field">
          Steps
          <select
            value={chosen.id}
            onChange={({ currentTarget }) =>
              onChange({ trace: currentTarget.value, part: null, open: [], whole: [], cut: [] })}
          >
            {ofRule.map((one, index) => <option key={one.id} value={one.id}>{nameOf(one, index)}</option>)}
          </select>
        </label>
      )}
      <Choice
        label="Shares"
        value={route.signed ? "signed" : "absolute"}
        options={[
          { value: "absolute", label: "absolute", title: "How much of the error's relevance goes that way" },
          {
            value: "signed",
            label: "signed",
            title: `Red speaks for ${quoteToken(pair.target.text)}, blue against it`,
          },
        ]}
        onChange={(value) => onChange({ signed: value === "signed" })}
      />
      <label class="field">
        Parts shown from
        <select
          value={route.least}
          onChange={({ currentTarget }) => onChange({ least: Number(currentTarget.value), open: [] })}
        >
          {[...new Set([0, 5, 10, 20, 50, 100, route.least])].sort((a, b) => a - b).map((least) => (
            <option key={least} value={least}>{least === 0 ? "all" : `${least / 10} %`}</option>
          ))}
        </select>
      </label>
    </div>
  );
}
