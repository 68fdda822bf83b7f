/** @jsxImportSource preact */
/** The page of one failure case. */
import { useEffect } from "preact/hooks";
import { AnnotatePanel } from "./annotate_panel.tsx";
import { Candidates } from "./candidates.tsx";
import { CaseStanding, CaseStatusBadge } from "./case_standing.tsx";
import { CaseSteps } from "./case_steps.tsx";
import { Choice } from "../shell/choice.tsx";
import { CompareSection } from "./compare_section.tsx";
import { DiagnosisBox } from "./diagnosis_box.tsx";
import { Fold } from "../shell/fold.tsx";
import { GraphSection } from "../graph/graph_section.tsx";
import { HeatFigure } from "../heat/heat_figure.tsx";
import type { View } from "../heat/heat_value.ts";
import { useEndedJobs } from "../jobs/job_store.ts";
import { MaskingSection } from "../masking/masking_section.tsx";
import { Empty, Trouble, Waiting } from "../shell/notice.tsx";
import { PairChoice } from "./pair_choice.tsx";
import { readCase, readTokens } from "../heat/read_case.ts";
import { largestDelta } from "../cases/read_cases.ts";
import { type CaseRoute, formatRoute, RUN } from "../shell/route.ts";
import { SegmentsPanel } from "./segments_panel.tsx";
import { TokenFlow } from "../heat/token_flow.tsx";
import { useLoad } from "../shell/use_load.ts";
import { go } from "../shell/use_route.ts";
import { Verdict } from "../heat/verdict.tsx";
import { VisitedPositions } from "./visited_positions.tsx";

/** Text without colours. */
const PLAIN: View = { values: "raw", special: false };

export function CaseView({ route }: { readonly route: CaseRoute }) {
  const ended = useEndedJobs();
  const reading = useLoad(route.id, (signal) => readCase(route.id, signal));
  const failureCase = reading.data;
  const tokens = useLoad(
    // A case that is placed has more tokens than when it was open.
    failureCase === undefined ? null : `${failureCase.id} ${failureCase.tokenCount}`,
    (signal) => readTokens(route.id, failureCase?.tokenCount ?? 0, signal),
  );
  const pairs = failureCase?.tokenPairs ?? [];
  const pair = pairs.find(({ id }) => id === route.pair) ?? largestDelta(pairs);

  useEffect(() => {
    document.title = `${failureCase?.key ?? "Case"} · Culprit`;
  }, [failureCase?.key]);
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);

  const error = reading.error ?? tokens.error;
  return (
    <div class="sheet">
      <CaseSteps route={route} />
      {error === undefined ? null : <Trouble error={error} onRetry={reading.error ? reading.reload : tokens.reload} />}
      {failureCase === undefined ? error === undefined ? <Waiting what="the case" /> : null : (
        <>
          <header class="case-head">
            <h1>{failureCase.key}</h1>
            <p class="facts">
              <CaseStatusBadge failureCase={failureCase} />
              <span>{failureCase.benchmark}, {failureCase.task}</span>
              <span>{failureCase.model.name}, {failureCase.model.layers} blocks</span>
              <span class="number">{failureCase.tokenCount.toLocaleString("en")} tokens</span>
            </p>
            <CaseStanding failureCase={failureCase} />
          </header>
          {pairs.length < 2 || pair === undefined ? null : (
            <PairChoice
              pairs={pairs}
              value={pair.id}
              onChange={(id) => go({ ...route, pair: id, left: "", right: "" }, "replace")}
            />
          )}
          {pair === undefined
            ? (
              <>
                <Empty title={failureCase.status === "OPEN" ? "No token pair yet" : "No token pair"}>
                  <p class="quiet">
                    Without a wrong token and a right alternative there is nothing to attribute.{" "}
                    {failureCase.status === "OPEN"
                      ? (
                        <>
                          A <a href={formatRoute(RUN)}>search of token pairs</a> finds them, or mark them below.
                        </>
                      )
                      : null}
                  </p>
                </Empty>
                {tokens.data === undefined ? null : (
                  <div class="flow">
                    <TokenFlow
                      tokens={tokens.data}
                      promptTokens={failureCase.promptTokens}
                      heat={undefined}
                      view={PLAIN}
                      asked={undefined}
                      end={null}
                    />
                  </div>
                )}
              </>
            )
            : (
              <>
                <Verdict pair={pair} />
                <DiagnosisBox key={`diagnosis ${pair.id}`} pair={pair} />
                {tokens.data === undefined ? tokens.error === undefined ? <Waiting what="tokens" /> : null : (
                  <>
                    <Choice
                      label="View"
                      tabs
                      value={route.view}
                      options={[
                        { value: "heat", label: "heatmap", title: "Relevance over the text" },
                        { value: "compare", label: "compare", title: "Two rules or two models side by side" },
                        { value: "graph", label: "graph", title: "How relevance flowed between tokens and layers" },
                        { value: "masking", label: "masking", title: "What flips when tokens are masked" },
                      ]}
                      onChange={(view) => go({ ...route, view }, "replace")}
                    />
                    {route.view === "heat"
                      ? <HeatFigure route={route} failureCase={failureCase} pair={pair} tokens={tokens.data} />
                      : route.view === "compare"
                      ? <CompareSection route={route} failureCase={failureCase} pair={pair} tokens={tokens.data} />
                      : route.view === "graph"
                      ? <GraphSection route={route} failureCase={failureCase} pair={pair} tokens={tokens.data} />
                      : <MaskingSection key={pair.id} name={failureCase.key} pair={pair} tokens={tokens.data} />}
                  </>
                )}
                <Candidates pair={pair} failureCase={failureCase} />
              </>
            )}
          {failureCase.visitedPositionCount === 0 ? null : <VisitedPositions failureCase={failureCase} />}
          {tokens.data === undefined ? null : (
            <Fold title="Say which tokens of the prompt state the constraint">
              {() => (
                <SegmentsPanel
                  failureCase={failureCase}
                  tokens={tokens.data ?? []}
                  onDone={() => {
                    reading.reload();
                    tokens.reload();
                  }}
                />
              )}
            </Fold>
          )}
          {failureCase.completionTokenCount === 0
            ? null
            : (
              <Fold title="Mark the wrong and the right token by hand" open={pair === undefined}>
                {() => <AnnotatePanel failureCase={failureCase} pair={pair} onDone={reading.reload} />}
              </Fold>
            )}
        </>
      )}
    </div>
  );
}
