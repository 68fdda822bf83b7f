/** @jsxImportSource preact */
/** What work took the last times, where nothing can be planned because it hangs on what is found. */
import { describeSeconds } from "../jobs/plan_words.ts";
import { request } from "../shell/client.ts";
import type { Named } from "../shell/graphql.ts";
import { useLoad } from "../shell/use_load.ts";
import { LAST_JOB } from "./documents.ts";

export function PastLine({ kind, count, turn }: {
  readonly kind: Named<"JobKind">;
  /** How many pairs or cases it would be. */
  readonly count: number | undefined;
  /** Changes when a job ends. */
  readonly turn: number;
}) {
  const { data } = useLoad(`last ${kind} ${turn}`, (signal) => request(LAST_JOB, { kind }, signal));
  if (data === undefined) {
    return (
      <p class="plan small quiet">
        <span class="waiting">Planning</span>
      </p>
    );
  }
  const past = data.jobs.nodes.filter(({ total, startedAt, finishedAt }) => total > 0 && startedAt && finishedAt);
  const done = past.reduce((sum, { total }) => sum + total, 0);
  const seconds = past.reduce((sum, job) => sum + (Date.parse(job.finishedAt!) - Date.parse(job.startedAt!)) / 1000, 0);
  return (
    <p class="plan small quiet" data-past={done}>
      {done === 0
        ? "It was not done here yet: what it takes is seen once it runs. It can be cancelled, and what is done stays."
        : `The last ${done.toLocaleString("en")} took ${describeSeconds(seconds)}${
          count === undefined
            ? ""
            : `: ${count.toLocaleString("en")} would take ${describeSeconds(seconds / done * count)}`
        }. What is stored is kept.`}
    </p>
  );
}
