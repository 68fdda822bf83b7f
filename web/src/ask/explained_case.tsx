/** @jsxImportSource preact */
/** The heatmap of a token that was asked about, at once below the answer; its case has the rest. */
import { useEffect, useState } from "preact/hooks";
import { HeatFigure } from "../heat/heat_figure.tsx";
import { readCase, readTokens } from "../heat/read_case.ts";
import { Verdict } from "../heat/verdict.tsx";
import { useEndedJobs } from "../jobs/job_store.ts";
import { request } from "../shell/client.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import { caseRoute, FIRST_HEAT, formatRoute, traceRoute } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";
import { GENERATE } from "./documents.ts";
import { useAnswer } from "./use_answer.ts";

/** What was asked: the case, and at which token of which answer something else should have stood. */
export interface Question {
  readonly caseId: string;
  readonly explainJob: string;
  readonly note: string | null;
  readonly at: { readonly job: string; readonly position: number };
  /** Undefined where a text was typed. */
  readonly contrastId: number | undefined;
}

export function ExplainedCase({ question }: { readonly question: Question }) {
  const { caseId, explainJob, note } = question;
  const [heat, setHeat] = useState(FIRST_HEAT);
  const explaining = useAnswer(explainJob);
  const ended = useEndedJobs();
  const done = explaining.job?.status === "COMPLETED";
  const reading = useLoad(done ? `${caseId} ${explainJob} ${ended}` : null, async (signal) => {
    const failureCase = await readCase(caseId, signal);
    return { failureCase, tokens: await readTokens(caseId, failureCase.tokenCount, signal) };
  });
  const { failureCase, tokens } = reading.data ?? {};
  const pair =
    failureCase?.tokenPairs.find(({ contrast }) =>
      question.contrastId === undefined || contrast.id === question.contrastId
    ) ?? failureCase?.tokenPairs.at(-1);
  const failed = explaining.job?.error?.message ?? explaining.trouble;
  return (
    <section class="explained" aria-label="Why" aria-live="polite">
      <h2>Why</h2>
      {note === null ? null : <p class="quiet small">{note}.</p>}
      {failed === undefined ? null : <p role="alert">{failed}</p>}
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      {failureCase === undefined || tokens === undefined || pair === undefined
        ? failed === undefined ? <Waiting what="the attribution" /> : null
        : (
          <>
            <Verdict pair={pair} />
            <HeatFigure
              route={heat}
              onChange={(part) => setHeat((old) => ({ ...old, ...part }))}
              failureCase={failureCase}
              pair={pair}
              tokens={tokens}
            />
            <Rollout at={question.at} instead={pair.contrast.id} text={pair.contrast.text} />
            <p class="buttons">
              <a class="button strong" href={formatRoute({ ...caseRoute(caseId), pair: pair.id, ...heat })}>
                Diagnosis, graph and masking of this case
              </a>
              {failureCase.tokenCount > failureCase.promptTokens
                ? (
                  <a class="button" href={formatRoute({ ...traceRoute(pair.id), rule: heat.rule })}>
                    Through its own words
                  </a>
                )
                : null}
            </p>
          </>
        )}
    </section>
  );
}

/** What the model would have answered after the other token. */
function Rollout(
  { at, instead, text }: { readonly at: Question["at"]; readonly instead: number; readonly text: string },
) {
  const [jobId, setJobId] = useState<string | null>(null);
  const [trouble, setTrouble] = useState<string>();
  useEffect(() => {
    setJobId(null);
    setTrouble(undefined);
    request(GENERATE, { input: { at: { ...at, instead } } }).then(({ generate }) => {
      if (generate.__typename === "InputError") setTrouble(generate.problem);
      else setJobId(generate.id);
    }, (error) => setTrouble((error as Error).message));
  }, [at.job, at.position, instead]);
  const { job, trouble: broken } = useAnswer(jobId);
  const wrong = trouble ?? broken ?? job?.error?.message;
  return (
    <section class="rollout-answer" aria-label="What it would have answered">
      <h3>What it would have answered</h3>
      {wrong === undefined ? null : <p role="alert">{wrong}</p>}
      {job?.generation == null
        ? wrong === undefined ? <Waiting what="the other answer" /> : null
        : (
          <p class="answer-text" data-status={job.status}>
            <span class="quiet">{job.generation.prefix.slice(0, -text.length)}</span>
            <span class="blue">{text}</span>
            {job.generation.text}
          </p>
        )}
    </section>
  );
}
