/// <reference lib="dom" />
/** @jsxImportSource preact */
/** A form of a few fields that starts one job, and the fields that such forms have. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { JobItem } from "../jobs/job_item.tsx";
import { useEndedJobs, useJobs } from "../jobs/job_store.ts";
import type { PlanInput } from "../jobs/plan_documents.ts";
import { type TermName, termOf } from "../shell/term.tsx";
import { PlanLine } from "../jobs/plan_line.tsx";

type Values = Readonly<Record<string, string>>;

/** A form of a few fields that starts one job; below it what became of it. */
export function Starter(props: {
  readonly title: string;
  /** Where the title stands above it already. */
  readonly titled?: boolean;
  readonly help: string;
  readonly verb: string;
  readonly ready: boolean;
  readonly start: () => Promise<string | undefined>;
  /** The same as work that can be planned. */
  readonly plan?: PlanInput | undefined;
  /** What tells the cost of work that cannot be planned. */
  readonly cost?: ComponentChildren;
  readonly children?: ComponentChildren;
}) {
  const ended = useEndedJobs();
  const [jobId, setJobId] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string>();
  const job = useJobs().find(({ id }) => id === jobId);
  const submit = async () => {
    setBusy(true);
    setTrouble(undefined);
    try {
      setJobId(await props.start());
    } catch (error) {
      setTrouble((error as Error).message);
    }
    setBusy(false);
  };
  return (
    <section class="starter" aria-label={props.title}>
      {props.titled === true ? null : <h2>{props.title}</h2>}
      <p class="quiet small">{props.help}</p>
      <form
        class="filter"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {props.children}
        <button type="submit" class="strong" disabled={busy || !props.ready}>{props.verb}</button>
      </form>
      {props.plan === undefined ? null : <PlanLine input={props.plan} loud turn={ended} />}
      {props.cost}
      {trouble === undefined ? null : <p role="alert">{trouble}</p>}
      {job === undefined ? null : (
        <ul>
          <JobItem job={job} />
        </ul>
      )}
    </section>
  );
}

export function Pick(props: {
  readonly label: string;
  readonly term?: TermName;
  readonly value: string;
  readonly options: readonly (readonly [value: string, name: string])[];
  readonly onValue: (value: string) => void;
}) {
  return (
    <label class="field" data-term={props.term}>
      {props.label}
      <select
        aria-description={termOf(props.term)["aria-description"]}
        value={props.value}
        onChange={({ currentTarget }) => props.onValue(currentTarget.value)}
      >
        {props.options.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
      </select>
    </label>
  );
}

export function Write(props: {
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  readonly onValue: (value: string) => void;
}) {
  return (
    <label class="field wide">
      {props.label}
      <input
        type="text"
        value={props.value}
        placeholder={props.placeholder}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => props.onValue(currentTarget.value)}
      />
    </label>
  );
}

/** Values of a form's fields, and a setter for each. */
export function useValues(first: Values) {
  const [values, setValues] = useState(first);
  const set = (name: string) => (value: string) => setValues((old) => ({ ...old, [name]: value }));
  return [values as Readonly<Record<string, string | undefined>>, set] as const;
}

/** Only what was filled in. */
export function given<Key extends string>(values: Readonly<Record<Key, string | undefined>>): { [K in Key]?: string } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== "")) as {
    [K in Key]?: string;
  };
}
