/** @jsxImportSource preact */
/** The page of one failure case. */
import { useEffect } from "preact/hooks";
import { CaseHead } from "./case_head.tsx";
import { CasePanels } from "./case_panels.tsx";
import { CaseSteps } from "./case_steps.tsx";
import { AbsentModel } from "../jobs/absent_model.tsx";
import { useEndedJobs } from "../jobs/job_store.ts";
import { PageModelContext } from "../jobs/page_model.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import { PairChoice } from "./pair_choice.tsx";
import { PairViews } from "./pair_views.tsx";
import { readCase, readTokens } from "../heat/read_case.ts";
import { largestDelta } from "../cases/read_cases.ts";
import type { CaseRoute } from "../shell/route.ts";
import { UnplacedCase } from "./unplaced_case.tsx";
import { useLoad } from "../shell/use_load.ts";
import { go } from "../shell/use_route.ts";

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
      {failureCase === undefined
        ? error === undefined ? <Waiting what="the case" /> : null
        : (
          <PageModelContext.Provider value={failureCase.model}>
            <CaseHead failureCase={failureCase} />
            <AbsentModel />
            {pairs.length < 2 || pair === undefined ? null : (
              <PairChoice
                pairs={pairs}
                value={pair.id}
                onChange={(id) =>
                  go({ ...route, pair: id, left: "", right: "", at: null, node: [], masked: [] }, "replace")}
              />
            )}
            {pair === undefined
              ? <UnplacedCase failureCase={failureCase} tokens={tokens.data} />
              : <PairViews route={route} failureCase={failureCase} pair={pair} tokens={tokens.data} />}
            <CasePanels
              failureCase={failureCase}
              pair={pair}
              tokens={tokens.data}
              onCase={reading.reload}
              onTokens={tokens.reload}
            />
          </PageModelContext.Provider>
        )}
    </div>
  );
}
