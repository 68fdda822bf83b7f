/// <reference lib="dom" />
/** @jsxImportSource preact */
/** A model that is not there yet: added from a folder of the server, or fetched from the hub, with its progress. */
import { useEffect, useState } from "preact/hooks";
import { addOrFetch } from "../jobs/add_model.ts";
import { JobBar } from "../jobs/job_item.tsx";
import { cancel, isActive, useJobs } from "../jobs/job_store.ts";

export function OtherModel({ open, onAdded }: {
  /** Shown without being asked for: there is no model. */
  readonly open: boolean;
  /** Called with the model's name when it can be asked. */
  readonly onAdded: (name: string) => void;
}) {
  const [model, setModel] = useState("");
  const [said, setSaid] = useState<{ readonly text: string; readonly wrong: boolean }>();
  const [jobId, setJobId] = useState<string>();
  const job = useJobs().find(({ id }) => id === jobId);
  const busy = jobId !== undefined && (job === undefined || isActive(job));
  const status = job?.status;
  useEffect(() => {
    if (status === "COMPLETED") {
      setSaid({ text: job?.message ?? "", wrong: false });
      onAdded(model);
    } else if (status === "FAILED") setSaid({ text: job?.error?.message ?? "It failed.", wrong: true });
    else if (status === "CANCELLED") setSaid({ text: "Given up.", wrong: true });
  }, [jobId, status]);
  const add = async () => {
    setSaid(undefined);
    setJobId(undefined);
    try {
      const found = await addOrFetch(model);
      if ("jobId" in found) return setJobId(found.jobId);
      setSaid({ text: `${found.added} is there.`, wrong: false });
      onAdded(found.added);
    } catch (error) {
      setSaid({ text: (error as Error).message, wrong: true });
    }
  };
  return (
    <details class="other-model" open={open || busy || said !== undefined}>
      <summary>A model that is not in the list</summary>
      <form
        class="filter"
        onSubmit={(event) => {
          event.preventDefault();
          if (model !== "" && !busy) add();
        }}
      >
        <label class="field wide">
          A hub's ORG/NAME, or a folder of the server
          <input
            type="text"
            value={model}
            placeholder="Qwen/Qwen3-0.6B"
            autocomplete="off"
            spellcheck={false}
            disabled={busy}
            onInput={({ currentTarget }) => setModel(currentTarget.value.trim())}
          />
        </label>
        <button type="submit" disabled={busy || model === ""}>Fetch</button>
      </form>
      {busy && job !== undefined
        ? (
          <div class="fetching" role="status">
            <JobBar job={job} />
            <p class="quiet small">
              {job.message || "Waiting"}{" "}
              <button type="button" class="link small" onClick={() => void cancel(job.id).catch(() => {})}>
                Give up
              </button>
            </p>
          </div>
        )
        : null}
      {said === undefined || busy ? null : <p role={said.wrong ? "alert" : "status"}>{said.text}</p>}
    </details>
  );
}
