/** @jsxImportSource preact */
/** One job: what it does, how far it is, and a way to stop it or to start it again. */
import { useState } from "preact/hooks";
import { cancel, isActive, retry } from "./job_store.ts";
import type { Job } from "./documents.ts";
import { describeSeconds } from "./plan_words.ts";

const KIND = {
  ATTRIBUTE: "Attribution",
  IMPORT: "Import",
  COLLECT: "Collection",
  GENERATE: "Answer",
  EXPLAIN: "Explanation",
  FIND_PAIRS: "Search of token pairs",
  FETCH_MODEL: "Model from the hub",
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

/** How long it took, or will take if it goes on as it did; nothing where that cannot be told. */
function timeOf({ status, done, total, startedAt, finishedAt }: Job): string {
  if (startedAt === null) return "";
  if (finishedAt !== null) return `, took ${describeSeconds(seconds(startedAt, finishedAt))}`;
  if (status !== "RUNNING" || done < 1 || done >= total) return "";
  return `, ${describeSeconds(seconds(startedAt, new Date().toISOString()) * (total - done) / done)} left`;
}

const seconds = (from: string, to: string) => Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);

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
          {job.kind !== "IMPORT" && job.total > 1 ? ` ${job.done} of ${job.total}` : ""},{" "}
          <time dateTime={job.createdAt}>{new Date(job.createdAt).toLocaleTimeString()}</time>
          {timeOf(job)}
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
