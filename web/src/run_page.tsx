/// <reference lib="dom" />
/** @jsxImportSource preact */
/** Getting started, and starting work: models, imports, collecting, searching pairs, analyses. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { request } from "./client.ts";
import { JobItem } from "./job_item.tsx";
import { follow, useEndedJobs, useJobs } from "./job_store.ts";
import { RULE_NAMES } from "./names.ts";
import { Trouble, Waiting } from "./notice.tsx";
import type { JobResult } from "./operations/jobs.ts";
import {
  ADD_MODEL,
  ATTRIBUTE_ALL,
  type BenchmarkSummary,
  BUILD_ALL_GRAPHS,
  COLLECT,
  FIND_PAIRS,
  IMPORT,
  MASK_ALL,
  READ_CHOICES,
} from "./operations/run.ts";
import { type Rule, RULES } from "./route.ts";
import { useLoad } from "./use_load.ts";

const FORMATS: readonly (readonly [value: string, name: string])[] = [
  ["CULPRIT", "Culprit's own (culprit/1)"],
  ["LM_EVAL", "lm-evaluation-harness samples"],
  ["IFEVAL", "IFEval responses"],
  ["EVALPLUS", "EvalPlus samples or results"],
  ["MATH", "MATH answers"],
  ["GAIA2", "GAIA2 / ARE traces"],
  ["DEBUG_XAI", "traces of the paper's code"],
  ["ANNOTATIONS", "answers of annotators"],
  ["LABELS", "readers' labels"],
];

type Values = Readonly<Record<string, string>>;

/** A form of a few fields that starts one job; below it what became of it. */
function Starter(props: {
  readonly title: string;
  readonly help: string;
  readonly verb: string;
  readonly ready: boolean;
  readonly start: () => Promise<string | undefined>;
  readonly children?: ComponentChildren;
}) {
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
      <h2>{props.title}</h2>
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
      {trouble === undefined ? null : <p role="alert">{trouble}</p>}
      {job === undefined ? null : (
        <ul>
          <JobItem job={job} />
        </ul>
      )}
    </section>
  );
}

function Pick(props: {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, name: string])[];
  readonly onValue: (value: string) => void;
}) {
  return (
    <label class="field">
      {props.label}
      <select value={props.value} onChange={({ currentTarget }) => props.onValue(currentTarget.value)}>
        {props.options.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
      </select>
    </label>
  );
}

function Write(props: {
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
function useValues(first: Values) {
  const [values, setValues] = useState(first);
  const set = (name: string) => (value: string) => setValues((old) => ({ ...old, [name]: value }));
  return [values as Readonly<Record<string, string | undefined>>, set] as const;
}

/** Only what was filled in. */
function given<Key extends string>(values: Readonly<Record<Key, string | undefined>>): { [K in Key]?: string } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== "")) as {
    [K in Key]?: string;
  };
}

function AddModel({ onAdded }: { readonly onAdded: () => void }) {
  const [{ directory = "", name }, set] = useValues({});
  const [added, setAdded] = useState<string>();
  const start = async () => {
    const { addModel } = await request(ADD_MODEL, { input: { directory, ...given({ name }) } });
    if (addModel.__typename === "InputError") throw new Error(addModel.problem);
    setAdded(addModel.name);
    onAdded();
    return undefined;
  };
  return (
    <Starter
      title="Add a model"
      help="A Hugging Face style directory with config.json, safetensors and tokenizer, inside one of the server's CULPRIT_MODELS folders."
      verb="Add"
      ready={directory !== ""}
      start={start}
    >
      <Write label="Directory" value={directory} placeholder="models/demo-1m" onValue={set("directory")} />
      <Write label="Name, its directory's if left empty" value={name ?? ""} onValue={set("name")} />
      <span role="status">{added === undefined ? "" : `${added} is there.`}</span>
    </Starter>
  );
}

function Import({ models }: { readonly models: readonly string[] }) {
  const [{ from = "CULPRIT", path, model, items, annotator }, set] = useValues({});
  const [file, setFile] = useState<File>();
  const [over, setOver] = useState(false);
  const start = async () => {
    const input = { from, ...given({ model, items, annotator }), ...(file === undefined ? given({ path }) : { file }) };
    return follow((await request(IMPORT, { input })).importFailureCases);
  };
  return (
    <Starter
      title="Import answers or failure cases"
      help="Good lines are stored, bad ones told with their line; the same file again changes nothing."
      verb="Import"
      ready={file !== undefined || (path ?? "") !== ""}
      start={start}
    >
      <Pick label="Format" value={from} options={FORMATS} onValue={set("from")} />
      <Pick
        label="Model that answered"
        value={model ?? ""}
        options={[["", "as the file says"], ...models.map((name) => [name, name] as const)]}
        onValue={set("model")}
      />
      <label
        class={`drop${over ? " over" : ""}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          setFile(event.dataTransfer?.files[0]);
        }}
      >
        {file === undefined
          ? "Drop a file here, or choose one"
          : `${file.name}, ${file.size.toLocaleString("en")} bytes`}
        <input
          type="file"
          aria-label="File to import"
          onChange={({ currentTarget }) => setFile(currentTarget.files?.[0])}
        />
      </label>
      {file === undefined
        ? <Write label="Or a path on the server" value={path ?? ""} onValue={set("path")} />
        : <button type="button" class="link small" onClick={() => setFile(undefined)}>Another file</button>}
      <Write label="Benchmark items, where the log lacks them" value={items ?? ""} onValue={set("items")} />
      {from === "ANNOTATIONS" || from === "LABELS"
        ? <Write label="Annotator" value={annotator ?? ""} onValue={set("annotator")} />
        : null}
    </Starter>
  );
}

interface ChoicesProps {
  readonly models: readonly string[];
  readonly benchmarks: readonly BenchmarkSummary[];
}

function Collect({ models, benchmarks }: ChoicesProps) {
  const [{ model = models[0] ?? "", benchmark = benchmarks[0]?.name ?? "", limit = "" }, set] = useValues({});
  const start = async () => {
    const some = /^\d+$/.test(limit) ? { limit: Number(limit) } : {};
    return follow((await request(COLLECT, { input: { model, benchmark, ...some } })).collectFailures);
  };
  return (
    <Starter
      title="Collect failures"
      help="Runs a model over a benchmark, greedy with thinking off, checks every answer and keeps the failures. Answers that are stored are not made again."
      verb="Collect"
      ready={model !== "" && benchmark !== ""}
      start={start}
    >
      <Pick label="Model" value={model} options={models.map((name) => [name, name])} onValue={set("model")} />
      <Pick
        label="Benchmark"
        value={benchmark}
        options={benchmarks.map(({ name, items }) => [name, `${name}, ${items} items`])}
        onValue={set("benchmark")}
      />
      <Write label="Items at most" value={limit} placeholder="all" onValue={set("limit")} />
    </Starter>
  );
}

function FindPairs({ models, benchmarks }: ChoicesProps) {
  const [{ model = models[0] ?? "", benchmark = "", sibling }, set] = useValues({});
  const start = async () => {
    const some = benchmark === "" ? {} : { benchmarks: [benchmark] };
    return follow((await request(FIND_PAIRS, { input: { model, ...some, ...given({ sibling }) } })).findTokenPairs);
  };
  return (
    <Starter
      title="Find token pairs"
      help="For each open case: forces the best alternatives at each position, lets the model go on and checks; the first that recovers gives the wrong and the right token."
      verb="Search"
      ready={model !== ""}
      start={start}
    >
      <Pick label="Model" value={model} options={models.map((name) => [name, name])} onValue={set("model")} />
      <Pick
        label="Benchmark"
        value={benchmark}
        options={[["", "all"], ...benchmarks.map(({ name }) => [name, name] as const)]}
        onValue={set("benchmark")}
      />
      <Pick
        label="Larger model of the family"
        value={sibling ?? ""}
        options={[["", "none"], ...models.filter((name) => name !== model).map((name) => [name, name] as const)]}
        onValue={set("sibling")}
      />
    </Starter>
  );
}

const ANALYSES: readonly (readonly [value: string, name: string])[] = [
  ["attribute", "attributions"],
  ["graph", "attribution graphs"],
  ["mask", "masking experiments"],
];

function Analyse() {
  const [{ what = "attribute", rule = "ATTNLRP", which = "CLEAN" }, set] = useValues({});
  const selection = which === "CLEAN" ? "CLEAN" : "MISSING";
  const start = async () => {
    const chosen = RULES.find((one) => one === rule) ?? "ATTNLRP" as Rule;
    const run: Readonly<Record<string, () => Promise<JobResult>>> = {
      attribute: async () => (await request(ATTRIBUTE_ALL, { input: { selection, rule: chosen } })).attribute,
      graph: async () => (await request(BUILD_ALL_GRAPHS, { input: { selection, rule: chosen } })).buildGraph,
      mask: async () =>
        (await request(MASK_ALL, {
          input: { selection: which === "CLEAN" ? "CLEAN" : "ALL", replacements: ["ATTENTION"] },
        })).runMaskingExperiment,
    };
    return follow(await run[what]!());
  };
  return (
    <Starter
      title="Analyse"
      help="What is stored already is kept: only what is missing is computed."
      verb="Start"
      ready
      start={start}
    >
      <Pick label="What" value={what} options={ANALYSES} onValue={set("what")} />
      {what === "mask" ? null : (
        <Pick
          label="Rule"
          value={rule}
          options={RULES.map((one) => [one, RULE_NAMES[one]])}
          onValue={set("rule")}
        />
      )}
      <Pick
        label="Of"
        value={which}
        options={[["CLEAN", "clean pairs, delta above 1"], ["MISSING", "all pairs"]]}
        onValue={set("which")}
      />
    </Starter>
  );
}

export function RunPage() {
  const ended = useEndedJobs();
  const reading = useLoad("choices", (signal) => request(READ_CHOICES, {}, signal));
  useEffect(() => {
    document.title = "Run · Culprit";
  }, []);
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const models = reading.data?.models.nodes.map(({ name }) => name) ?? [];
  const benchmarks = reading.data?.benchmarks.nodes ?? [];
  return (
    <div class="sheet">
      <h1>Run</h1>
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      {reading.data === undefined ? reading.error === undefined ? <Waiting what="models" /> : null : (
        <>
          <AddModel onAdded={reading.reload} />
          <Import models={models} />
          <Collect models={models} benchmarks={benchmarks} />
          <FindPairs models={models} benchmarks={benchmarks} />
          <Analyse />
        </>
      )}
    </div>
  );
}
