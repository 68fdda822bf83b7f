/** @jsxImportSource preact */
/** The filters of the list beside it, each with its numbers; a change goes to the address. Closed at first on a phone. */
import { useEffect, useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import { exclusionName, type Outcome, OUTCOMES, type Pattern, PATTERNS, STATUS_TERMS } from "../shell/names.ts";
import { CASES, type CasesRoute, LISTINGS, type VerdictChoice, VERDICTS } from "../shell/route.ts";
import { Term, type TermName, termOf } from "../shell/term.tsx";
import { useLoad } from "../shell/use_load.ts";
import { go } from "../shell/use_route.ts";
import { type CaseCount, COUNT_CASES, COUNT_DIAGNOSES, type DiagnosisCount } from "./documents.ts";
import { Facet, type FacetOption } from "./facet.tsx";
import { LIST_NAMES, STATUS_NAMES, VERDICT_NAMES } from "./filter_names.ts";
import { listsAttributions } from "./list_filter.ts";
import { Typed } from "./typed.tsx";

/** Where the rail stands beside the list, and not above it. */
const WIDE = "(min-width: 56rem)";

function useWide(): boolean {
  const [media] = useState(() => matchMedia(WIDE));
  const [wide, setWide] = useState(media.matches);
  useEffect(() => {
    const read = () => setWide(media.matches);
    media.addEventListener("change", read);
    return () => media.removeEventListener("change", read);
  }, [media]);
  return wide;
}

const sum = (counts: readonly { readonly count: number }[]) => counts.reduce((all, { count }) => all + count, 0);

function statusOptions(route: CasesRoute, counts: readonly CaseCount[]): readonly FacetOption[] {
  const own = counts.filter(({ benchmark }) => route.benchmark === "" || benchmark === route.benchmark);
  const reasons = [...new Set(own.flatMap(({ exclusion }) => exclusion === null ? [] : [exclusion]))].sort();
  const plain = (["CLEAN", "OPEN"] as const).map((status): FacetOption => {
    const here = route.status === status;
    return {
      name: STATUS_NAMES[status],
      term: STATUS_TERMS[status],
      count: sum(own.filter((one) => one.status === status)),
      here,
      to: { ...route, exclusion: "", status: here ? "" : status },
    };
  });
  const excluded = reasons.map((exclusion): FacetOption => {
    const here = route.exclusion === exclusion;
    return {
      name: exclusionName(exclusion),
      term: STATUS_TERMS.EXCLUDED,
      count: sum(own.filter((one) => one.exclusion === exclusion)),
      here,
      to: { ...route, status: here ? "" : "EXCLUDED", exclusion: here ? "" : exclusion },
    };
  });
  return [...plain, ...excluded];
}

function outcomeOptions(route: CasesRoute, counts: readonly DiagnosisCount[]): readonly FacetOption[] {
  return (Object.keys(OUTCOMES) as Outcome[]).map((outcome): FacetOption => {
    const here = route.outcome === outcome;
    return {
      name: OUTCOMES[outcome].meaning,
      term: OUTCOMES[outcome].term,
      count: sum(
        counts.filter((one) => one.outcome === outcome && (route.pattern === "" || one.pattern === route.pattern)),
      ),
      here,
      to: { ...route, outcome: here ? "" : outcome },
    };
  });
}

function patternOptions(route: CasesRoute, counts: readonly DiagnosisCount[]): readonly FacetOption[] {
  return (Object.keys(PATTERNS) as Pattern[]).map((pattern): FacetOption => {
    const here = route.pattern === pattern;
    return {
      name: PATTERNS[pattern].meaning,
      term: PATTERNS[pattern].term,
      count: sum(
        counts.filter((one) => one.pattern === pattern && (route.outcome === "" || one.outcome === route.outcome)),
      ),
      here,
      to: { ...route, pattern: here ? "" : pattern },
    };
  });
}

/** A choice from what is there; the chosen one stays though nothing of it is there. */
function Select(props: {
  readonly label: string;
  readonly term?: TermName;
  readonly value: string;
  readonly options: readonly (readonly [value: string, name: string])[];
  readonly onValue: (value: string) => void;
}) {
  const { value, options } = props;
  const known = options.some(([one]) => one === value) || value === "";
  return (
    <label class="field" data-term={props.term}>
      {props.label}
      <select
        aria-description={termOf(props.term)["aria-description"]}
        value={value}
        onChange={({ currentTarget }) => props.onValue(currentTarget.value)}
      >
        <option value="">any</option>
        {[...options, ...(known ? [] : [[value, value] as const])].map(([one, name]) => (
          <option key={one} value={one}>{name}</option>
        ))}
      </select>
    </label>
  );
}

/** Numbers of the rail, for the chosen model; read again when a job ends. */
function useCounts({ model, benchmark }: CasesRoute, ended: number) {
  const ofModel = model === "" ? {} : { model };
  const cases = useLoad(`counts ${model}`, (signal) => request(COUNT_CASES, { filter: ofModel }, signal));
  const filter = benchmark === "" ? ofModel : { ...ofModel, benchmark };
  const diagnoses = useLoad(
    `diagnoses ${JSON.stringify(filter)}`,
    (signal) => request(COUNT_DIAGNOSES, { filter }, signal),
  );
  useEffect(() => {
    if (ended === 0) return;
    cases.reload();
    diagnoses.reload();
  }, [ended]);
  return { cases: cases.data?.caseCounts ?? [], diagnoses: diagnoses.data?.diagnosisCounts ?? [] };
}

const numberIn = (text: string): number | null => {
  const number = Number(text);
  return text.trim() === "" || !Number.isFinite(number) ? null : number;
};

function Delta({ route, change }: {
  readonly route: CasesRoute;
  readonly change: (part: Partial<CasesRoute>) => void;
}) {
  const { deltaFrom, deltaTo } = route;
  return (
    <div class="field">
      <Term of="delta" />
      <div class="span">
        <Typed
          number
          label="Smallest delta"
          value={deltaFrom === null ? "" : String(deltaFrom)}
          onValue={(text) => change({ deltaFrom: numberIn(text) })}
        />
        to
        <Typed
          number
          label="Largest delta"
          value={deltaTo === null ? "" : String(deltaTo)}
          onValue={(text) => change({ deltaTo: numberIn(text) })}
        />
      </div>
    </div>
  );
}

export function CaseRail(props: {
  readonly route: CasesRoute;
  readonly models: readonly string[];
  /** How many conditions hold. */
  readonly active: number;
  readonly ended: number;
}) {
  const { route, models, active } = props;
  const wide = useWide();
  const [opened, setOpened] = useState(false);
  const counts = useCounts(route, props.ended);
  const change = (part: Partial<CasesRoute>) => go({ ...route, ...part }, "replace");
  const answers = route.list === "answers";
  const benchmarks = [...Map.groupBy(counts.cases, ({ benchmark }) => benchmark)].sort(([a], [b]) => a < b ? -1 : 1);
  const disagreement = (["yes", "no"] as const).map((disagrees): FacetOption => ({
    name: disagrees === "yes" ? "disagree" : "do not disagree",
    here: route.disagrees === disagrees,
    to: { ...route, disagrees: route.disagrees === disagrees ? "" : disagrees },
  }));
  return (
    <details
      class="rail"
      open={wide || opened}
      onToggle={({ currentTarget }) => wide || setOpened(currentTarget.open)}
    >
      <summary>Filters{active === 0 ? "" : ` (${active})`}</summary>
      <form class="rail-form" role="search" aria-label="Filter" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          Show
          <select
            value={route.list}
            onChange={({ currentTarget }) =>
              change({ list: LISTINGS.find((list) => list === currentTarget.value) ?? CASES.list, order: CASES.order })}
          >
            {LISTINGS.map((list) => <option key={list} value={list}>{LIST_NAMES[list]}</option>)}
          </select>
        </label>
        {answers ? <Facet title="Answers" options={verdictOptions(route)} /> : (
          <>
            <Facet title="Outcome" term="outcome" options={outcomeOptions(route, counts.diagnoses)} />
            <Facet title="Pattern" term="pattern" options={patternOptions(route, counts.diagnoses)} />
            <Facet title="What became of it" options={statusOptions(route, counts.cases)} />
          </>
        )}
        <Select
          label="Benchmark"
          term="benchmark"
          value={route.benchmark}
          options={benchmarks.map(([name, own]) => [name, `${name} (${sum(own).toLocaleString("en")})`])}
          onValue={(benchmark) => change({ benchmark })}
        />
        <Select
          label="Model"
          value={route.model}
          options={models.map((name) => [name, name])}
          onValue={(model) => change({ model })}
        />
        <Facet title="Log and checker" term="checker" options={disagreement} />
        {answers ? null : <Delta route={route} change={change} />}
        {listsAttributions(route) ? <p class="quiet small">An attribution a line: a case may come twice.</p> : null}
      </form>
    </details>
  );
}

function verdictOptions(route: CasesRoute): readonly FacetOption[] {
  return VERDICTS.filter((verdict): verdict is Exclude<VerdictChoice, ""> => verdict !== "").map((verdict) => {
    const here = route.verdict === verdict;
    return { name: VERDICT_NAMES[verdict], here, to: { ...route, verdict: here ? "" : verdict } };
  });
}
