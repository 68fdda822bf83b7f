/// <reference lib="dom" />
/** @jsxImportSource preact */
/** The list of jobs behind a button at the top of the page. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { JobItem } from "./job_item.tsx";
import { isActive, useJobs } from "./job_store.ts";
import { WorkerList } from "./worker_list.tsx";

export function JobsPanel() {
  const jobs = useJobs();
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const active = jobs.filter(isActive).length;

  // Before the panel is painted: a key pressed as soon as it shows must close it.
  useLayoutEffect(() => {
    if (!open) return;
    const outside = (event: PointerEvent) => {
      if (event.target instanceof Node && box.current?.contains(event.target) === false) setOpen(false);
    };
    const escape = (event: KeyboardEvent) => {
      if (event.key === "Escape") setOpen(false);
    };
    addEventListener("pointerdown", outside);
    addEventListener("keydown", escape);
    return () => {
      removeEventListener("pointerdown", outside);
      removeEventListener("keydown", escape);
    };
  }, [open]);

  return (
    <div class="jobs" ref={box}>
      <button
        type="button"
        aria-label={active > 0 ? `Jobs, ${active} active` : "Jobs"}
        aria-expanded={open}
        aria-controls="jobs"
        onClick={() => setOpen(!open)}
      >
        Jobs{active > 0 ? <span class="tally number">{active}</span> : null}
      </button>
      <span class="unseen" role="status">{active > 0 ? `${active} jobs active` : ""}</span>
      <section
        id="jobs"
        class="jobs-panel"
        aria-label="Jobs"
        hidden={!open}
        onClick={({ target }) => target instanceof Element && target.closest("a") !== null && setOpen(false)}
      >
        <h2>Jobs</h2>
        <p class="quiet small">
          {active === 0 ? "None is active." : `${active} active.`}
        </p>
        <WorkerList shown={open} />
        {jobs.length === 0
          ? <p class="quiet small">No jobs yet. Imports and attributions show here while they run.</p>
          : <ul>{jobs.map((job) => <JobItem key={job.id} job={job} />)}</ul>}
      </section>
    </div>
  );
}
