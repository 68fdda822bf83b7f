/** @jsxImportSource preact */
/** One job: what it does, how far it is, and a way to stop it or to start it again. */
import { useState } from "preact/hooks";
import { cancel, isActive, retry } from "./job_store.ts";
import type { Job } from "./documents.ts";
import { amountOf, timeOf } from "./job_progress.ts";
import { resultOf } from "./job_result.ts";
import { formatRoute } from "../shell/route.ts";

const KIND = {
  ATTRIBUTE: "Attribution",
  IMPORT: "Import",
  COLLECT: "Collection",
  GENERATE: "Answer",
  EXPLAIN: "Explanation",
  FIND_PAIRS: "Search of token pairs",
  FETCH_MODEL: "Model from the hub",
  EXPLAIN_OBJECTIVE: "Objective",
  TRACE: "Trace",
  ABLATE: "Heads and neurons",
  BUILD_GRAPH: "Graph",
  DIAGNOSE: "Diagnosis",
  MASK: "Masking",
  MARK: "Marks",
  STUDY: "Study",
  EXPORT_PREFERENCES: "Preference weights",
} as const satisfies Record<Job["kind"], string>;
const STATUS = {
  QUEUED: "queued",
  RUNNING: "running",
  COMPLETED: "done",
  FAILED: "failed",
  CANCELLED: "cancelled",
} as const;

/** A bar for known totals, a moving one else. */
export function JobBar({ job }: { readonly job: Job }) {
  const known = job.total > 0 && job.status === "RUNNING";
  return <progress class="bar" aria-label={KIND[job.kind]} {...(known ? { value: job.done, max: job.total } : {})} />;
}

/** Bad lines that are shown; the API has more. */
const SHOWN = 3;

function ImportReport({ report }: { readonly report: NonNullable<Job["report"]> }) {
  const { inserted, unchanged, failedCount, failed } = report;
  return (
    <>
      <p class="text">
        {`${inserted} new, ${unchanged} known${failedCount === 0 ? "" : `, ${failedCount} not stored:`}`}
      </p>
      {failed.slice(0, SHOWN).map(({ message }) => <p key={message} class="text">{message}</p>)}
      {failedCount > SHOWN ? <p class="text quiet">{`and ${failedCount - SHOWN} more lines`}</p> : null}
    </>
  );
}

export function JobItem({ job }: { readonly job: Job }) {
  const [trouble, setTrouble] = useState<string>();
  const [asked, setAsked] = useState(false);
  const attempt = (work: Promise<void>) => {
    setTrouble(undefined);
    work.catch((error: Error) => {
      setAsked(false);
      setTrouble(error.message);
    });
  };
  const amount = job.kind === "IMPORT" && !isActive(job) ? "" : amountOf(job);
  const time = timeOf(job, new Date().toISOString());
  const result = resultOf(job);
  const again = () => {
    setAsked(true);
    attempt(retry(job.id));
  };
  return (
    <li class="job" data-status={job.status}>
      <div class="line">
        <strong>{KIND[job.kind]}</strong>
        <span class="quiet small number">
          {STATUS[job.status]}
          {amount === "" ? "" : ` ${amount}`},{" "}
          <time dateTime={job.createdAt}>{new Date(job.createdAt).toLocaleTimeString()}</time>
          {time === "" ? "" : `, ${time}`}
        </span>
      </div>
      <p class="text">{job.about}</p>
      {isActive(job) ? <JobBar job={job} /> : null}
      {job.message === null ? null : <p class="text quiet">{job.message}</p>}
      {job.report === null ? null : <ImportReport report={job.report} />}
      {job.error === null ? null : <p class="text" role="alert">{job.error.message}</p>}
      {trouble === undefined ? null : <p class="text" role="alert">{trouble}</p>}
      {isActive(job)
        ? <button type="button" class="link small" onClick={() => attempt(cancel(job.id))}>Cancel</button>
        : null}
      {isActive(job) || result === undefined ? null : <a class="small" href={formatRoute(result)}>Open the results</a>}
      {job.status === "FAILED" || job.status === "CANCELLED"
        ? (
          <button type="button" class="link small" disabled={asked} onClick={again}>
            {asked ? "Asked again" : "Try again"}
          </button>
        )
        : null}
    </li>
  );
}
