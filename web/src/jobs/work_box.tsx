/** @jsxImportSource preact */
/** In place of what is not computed yet: a button, then live progress. */
import { useState } from "preact/hooks";
import { JobBar } from "./job_item.tsx";
import { amountOf, timeOf } from "./job_progress.ts";
import { cancel, isActive, useJobs } from "./job_store.ts";
import type { PlanInput } from "./plan_documents.ts";
import { PlanLine } from "./plan_line.tsx";

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export function WorkBox(props: {
  /** What is computed, as within a sentence: "AttnLRP", "the masking curve". */
  readonly what: string;
  /** What it is besides what the page is about: less is made of it. */
  readonly aside?: boolean;
  /** It came with the project, and is computed anew. */
  readonly again?: boolean;
  /** How it stands, where it is not just not computed; and what the button says. */
  readonly standing?: string;
  readonly verb?: string;
  /** The same as work that can be planned. */
  readonly plan?: PlanInput;
  /** Asks for it; gives the job's id. */
  readonly start: () => Promise<string>;
}) {
  const { what } = props;
  const standing = props.standing !== undefined
    ? props.standing
    : props.again === true
    ? "came with the project, computed before."
    : "is not computed for this case yet.";
  const [jobId, setJobId] = useState<string>();
  const [asking, setAsking] = useState(false);
  const [trouble, setTrouble] = useState<string>();
  const job = useJobs().find(({ id }) => id === jobId);

  const attempt = async (work: () => Promise<void>) => {
    setAsking(true);
    setTrouble(undefined);
    try {
      await work();
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
    }
    setAsking(false);
  };
  const start = () => attempt(async () => setJobId(await props.start()));
  const stop = (id: string) => attempt(() => cancel(id));

  const box = props.aside === true ? "wait aside" : "wait";
  const problem = trouble ?? job?.error?.message;
  if (job !== undefined && (isActive(job) || job.status === "COMPLETED")) {
    const far = [amountOf(job), timeOf(job, new Date().toISOString())].filter((part) => part !== "").join(", ");
    const doing = job.message ?? (job.status === "QUEUED" ? "Waiting for a worker" : "Working");
    const said = far === "" ? doing : `${doing}, ${far}`;
    return (
      <div class={box} data-job={job.id}>
        <div class="grow">
          <p role="status">{`${capital(what)}: ${job.status === "COMPLETED" ? "done, loading" : said}`}</p>
          <JobBar job={job} />
        </div>
        {isActive(job) ? <button type="button" disabled={asking} onClick={() => stop(job.id)}>Cancel</button> : null}
      </div>
    );
  }
  return (
    <div class={box}>
      <div class="grow">
        <p>
          {capital(what)} {job?.status === "CANCELLED" ? "was cancelled." : standing}
        </p>
        {problem === undefined ? null : <p role="alert">{problem}</p>}
        {props.plan === undefined ? null : <PlanLine input={props.plan} />}
      </div>
      <button type="button" class={props.aside === true ? "" : "strong"} disabled={asking} onClick={start}>
        {problem !== undefined ? "Try again" : props.verb ?? `Compute ${what}${props.again === true ? " here" : ""}`}
      </button>
    </div>
  );
}
