/** @jsxImportSource preact */
/** From a benchmark to failure cases, and from those to token pairs. */
import { request } from "../shell/client.ts";
import { follow } from "../jobs/job_store.ts";
import { type BenchmarkSummary, COLLECT, FIND_PAIRS } from "./documents.ts";
import { given, Pick, Starter, useValues, Write } from "./starter.tsx";

export interface ChoicesProps {
  readonly models: readonly string[];
  readonly benchmarks: readonly BenchmarkSummary[];
}

export function Collect({ models, benchmarks }: ChoicesProps) {
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
        term="benchmark"
        value={benchmark}
        options={benchmarks.map(({ name, items }) => [name, `${name}, ${items} items`])}
        onValue={set("benchmark")}
      />
      <Write label="Items at most" value={limit} placeholder="all" onValue={set("limit")} />
    </Starter>
  );
}

export function SearchPairs({ models, benchmarks }: ChoicesProps) {
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
        term="benchmark"
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
