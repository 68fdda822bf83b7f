/** @jsxImportSource preact */
/** In place of what is not computed yet: a button, then live progress. */
import { useEffect, useState } from "preact/hooks";
import { addOrFetch } from "./add_model.ts";
import { JobBar } from "./job_item.tsx";
import { amountOf, timeOf } from "./job_progress.ts";
import { cancel, isActive, useJobs } from "./job_store.ts";
import { type PageModel, useAbsentModel } from "./page_model.ts";
import type { PlanInput } from "./plan_documents.ts";
import { PlanLine } from "./plan_line.tsx";

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

interface BoxProps {
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
}

/** What the button says; a model that is not here is fetched first. */
function verbOf({ what, verb, again }: BoxProps, absent: PageModel | undefined): string {
  const own = verb ?? `Compute ${what}${again === true ? " here" : ""}`;
  if (absent === undefined || absent.place.hub === null) return own;
  return `Fetch ${absent.name}, then ${own.charAt(0).toLowerCase()}${own.slice(1)}`;
}

export function WorkBox(props: BoxProps) {
  const { what } = props;
  const standing = props.standing !== undefined
    ? props.standing
    : props.again === true
    ? "came with the project, computed before."
    : "is not computed for this case yet.";
  const absent = useAbsentModel();
  const [fetchId, setFetchId] = useState<string>();
  const [jobId, setJobId] = useState<string>();
  const [asking, setAsking] = useState(false);
  const [trouble, setTrouble] = useState<string>();
  const jobs = useJobs();
  const fetching = jobs.find(({ id }) => id === fetchId);
  const job = jobs.find(({ id }) => id === jobId) ?? fetching;

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
  const compute = () => attempt(async () => setJobId(await props.start()));
  const start = () => {
    const hub = absent?.place.hub;
    if (absent === undefined || hub == null) return compute();
    return attempt(async () => {
      const found = await addOrFetch(hub, absent.name);
      if ("jobId" in found) setFetchId(found.jobId);
      else setJobId(await props.start());
    });
  };
  useEffect(() => {
    // The model is there: what it was fetched for begins.
    if (fetching?.status === "COMPLETED" && jobId === undefined) compute();
  }, [fetching?.status]);
  const stop = (id: string) => attempt(() => cancel(id));

  const box = props.aside === true ? "wait aside" : "wait";
  const problem = trouble ?? job?.error?.message;
  if (job !== undefined && (isActive(job) || job.status === "COMPLETED")) {
    const of = job === fetching && absent !== undefined ? absent.name : capital(what);
    const far = [amountOf(job), timeOf(job, new Date().toISOString())].filter((part) => part !== "").join(", ");
    const doing = job.message ?? (job.status === "QUEUED" ? "Waiting for a worker" : "Working");
    const said = far === "" ? doing : `${doing}, ${far}`;
    return (
      <div class={box} data-job={job.id}>
        <div class="grow">
          <p role="status">{`${of}: ${job.status === "COMPLETED" ? "done, loading" : said}`}</p>
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
        {props.plan === undefined || absent !== undefined ? null : <PlanLine input={props.plan} />}
      </div>
      <button
        type="button"
        class={props.aside === true ? "" : "strong"}
        disabled={asking || absent?.place.hub === null}
        title={absent?.place.hub === null ? `The files of ${absent.name} are not here` : undefined}
        onClick={start}
      >
        {problem !== undefined ? "Try again" : verbOf(props, absent)}
      </button>
    </div>
  );
}
