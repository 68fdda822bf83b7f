/** @jsxImportSource preact */
/** In place of what is not computed yet: a button, then live progress. */
import { useState } from "preact/hooks";
import { JobBar } from "./job_item.tsx";
import { cancel, isActive, useJobs } from "./job_store.ts";

export function WorkBox(props: {
  /** What is computed, for example "AttnLRP". */
  readonly what: string;
  /** Asks for it; gives the job's id. */
  readonly start: () => Promise<string>;
}) {
  const { what } = props;
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

  const problem = trouble ?? job?.error?.message;
  if (job !== undefined && (isActive(job) || job.status === "COMPLETED")) {
    const said = job.message ?? (job.status === "QUEUED" ? "Waiting for a worker" : "Working");
    return (
      <div class="wait" data-job={job.id}>
        <div class="grow">
          <p role="status">{`${what}: ${job.status === "COMPLETED" ? "done, loading" : said}`}</p>
          <JobBar job={job} />
        </div>
        {isActive(job) ? <button type="button" disabled={asking} onClick={() => stop(job.id)}>Cancel</button> : null}
      </div>
    );
  }
  return (
    <div class="wait">
      <div class="grow">
        <p>
          {what} {job?.status === "CANCELLED" ? "was cancelled." : "is not computed for this case yet."}
        </p>
        {problem === undefined ? null : <p role="alert">{problem}</p>}
      </div>
      <button type="button" class="strong" disabled={asking} onClick={start}>
        {problem === undefined ? `Compute ${what}` : "Try again"}
      </button>
    </div>
  );
}
