/** @jsxImportSource preact */
/** How many cases of each benchmark are clean, open or left out, and why. A count leads to its cases. */
import { useEffect } from "preact/hooks";
import { request } from "../shell/client.ts";
import { exclusionName } from "../shell/names.ts";
import { type CaseCount, COUNT_CASES } from "./documents.ts";
import { CASES, type CasesRoute, formatRoute, type Status } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";

/** A column: what the cases in it have in common. */
interface Column {
  readonly status: Status;
  readonly exclusion: string;
  readonly name: string;
}

function columnsOf(counts: readonly CaseCount[]): readonly Column[] {
  const reasons = [...new Set(counts.flatMap(({ exclusion }) => exclusion === null ? [] : [exclusion]))].sort();
  return [
    { status: "", exclusion: "", name: "failures" },
    { status: "CLEAN", exclusion: "", name: "clean" },
    { status: "OPEN", exclusion: "", name: "open" },
    ...reasons.map((exclusion): Column => ({ status: "EXCLUDED", exclusion, name: exclusionName(exclusion) })),
  ];
}

function countOf(counts: readonly CaseCount[], { status, exclusion }: Column): number {
  return counts
    .filter((one) => (status === "" || one.status === status) && (exclusion === "" || one.exclusion === exclusion))
    .reduce((sum, { count }) => sum + count, 0);
}

export function CaseCounts({ route, ended }: { readonly route: CasesRoute; readonly ended: number }) {
  const filter = route.model === "" ? {} : { model: route.model };
  const reading = useLoad(`counts ${route.model}`, (signal) => request(COUNT_CASES, { filter }, signal));
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const counts = reading.data?.caseCounts ?? [];
  if (counts.length === 0) return null;
  const columns = columnsOf(counts);
  const benchmarks = [...new Set(counts.map(({ benchmark }) => benchmark))].sort();
  const cell = (benchmark: string, column: Column) => {
    const own = benchmark === "" ? counts : counts.filter((one) => one.benchmark === benchmark);
    const count = countOf(own, column);
    const { status, exclusion } = column;
    const here = route.benchmark === benchmark && route.status === status && route.exclusion === exclusion;
    return (
      <td class="number" key={column.name}>
        {count === 0 ? <span class="quiet">0</span> : (
          <a
            href={formatRoute({ ...CASES, model: route.model, order: route.order, benchmark, status, exclusion })}
            {...(here ? { "aria-current": "true" } : {})}
          >
            {count.toLocaleString("en")}
          </a>
        )}
      </td>
    );
  };
  return (
    <div class="scroll">
      <table class="table counts">
        <caption class="unseen">Failure cases by benchmark and by what became of them</caption>
        <thead>
          <tr>
            <th scope="col">Benchmark</th>
            {columns.map(({ name }) => <th key={name} scope="col" class="number">{name}</th>)}
          </tr>
        </thead>
        <tbody>
          {benchmarks.map((benchmark) => (
            <tr key={benchmark}>
              <th scope="row">{benchmark}</th>
              {columns.map((column) => cell(benchmark, column))}
            </tr>
          ))}
          {benchmarks.length < 2 ? null : (
            <tr>
              <th scope="row">all</th>
              {columns.map((column) => cell("", column))}
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}
