/** @jsxImportSource preact */
/** What computed a result. One that came with the project says so, with a button that computes it here. */
import type { ComponentChildren } from "preact";
import type { PlanInput } from "./plan_documents.ts";
import { WorkBox } from "./work_box.tsx";

/** As the server says it in front of an adapter's name. */
const PRECOMPUTED = "precomputed on ";

export function ComputedOn(props: {
  /** What was computed, as within a sentence. */
  readonly what: string;
  readonly adapter: string;
  readonly seconds?: number | undefined;
  readonly plan: PlanInput;
  /** Asks for it anew; gives the job's id. */
  readonly start: () => Promise<string>;
  readonly children?: ComponentChildren;
}) {
  const { what, adapter, seconds, plan, start, children } = props;
  const isBefore = adapter.startsWith(PRECOMPUTED);
  const name = isBefore ? adapter.slice(PRECOMPUTED.length) : adapter;
  return (
    <>
      <p class="quiet small">
        {isBefore ? "Precomputed" : "Computed"} on {name}
        {seconds === undefined ? "" : ` in ${seconds.toFixed(2)} s`}. {children}
      </p>
      {isBefore ? <WorkBox what={what} aside again plan={plan} start={start} /> : null}
    </>
  );
}
