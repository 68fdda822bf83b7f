/** @jsxImportSource preact */
/** Every analysis on all that the list of cases shows, with its cost said before. */
import { type Found, foundText } from "../cases/found.ts";
import { attributionFilter, caseFilter, listsAttributions } from "../cases/list_filter.ts";
import { follow, useEndedJobs } from "../jobs/job_store.ts";
import { request } from "../shell/client.ts";
import { Fold } from "../shell/fold.tsx";
import { RULE_NAMES } from "../shell/names.ts";
import { type CasesRoute, formatRoute, RULES } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";
import { ANALYSES, type Analysis, type Asked, SEARCH, STUDY } from "./analyses.ts";
import { READ_CHOICES } from "./documents.ts";
import { PastLine } from "./past_line.tsx";
import { Pick, Starter, useValues } from "./starter.tsx";

function Form({ route, total, title }: {
  readonly route: CasesRoute;
  readonly total: Found;
  readonly title: string;
}) {
  const ended = useEndedJobs();
  const choices = useLoad("choices", (signal) => request(READ_CHOICES, {}, signal));
  const series = choices.data?.modelSeries.nodes ?? [];
  const [values, set] = useValues({ what: "attribute", rule: "ATTNLRP" });
  const analyses: Readonly<Record<string, Analysis>> = {
    ...ANALYSES,
    ...(listsAttributions(route) ? {} : { search: SEARCH }),
    ...(series.length === 0 ? {} : { study: STUDY }),
  };
  const what = values["what"] ?? "attribute";
  const analysis = analyses[what] ?? ANALYSES.attribute;
  const asked: Asked = {
    pairs: listsAttributions(route) ? { filter: attributionFilter(route) } : { cases: caseFilter(route) },
    rule: RULES.find((one) => one === values["rule"]) ?? "ATTNLRP",
    series: values["series"] ?? series[0]?.name ?? "",
  };
  return (
    <Starter
      title={title}
      titled
      help="What is stored already is kept: only what is missing is computed. Cases without a token pair are left out of all but the search."
      verb="Run"
      ready
      plan={analysis.plan?.(asked)}
      start={async () => follow(await analysis.start(asked))}
      cost={analysis.plan === undefined ? <PastLine kind={analysis.kind} count={total.count} turn={ended} /> : null}
    >
      <Pick
        label="What"
        value={what}
        options={Object.entries(analyses).map(([value, { name }]) => [value, name])}
        onValue={set("what")}
      />
      {what === "study"
        ? (
          <Pick
            label="Series"
            term="series"
            value={asked.series}
            options={series.map(({ name, members }) => [name, `${name}, ${members.length} members`])}
            onValue={set("series")}
          />
        )
        : null}
      {analysis.hasRule
        ? (
          <Pick
            label="Rule"
            term="rule"
            value={asked.rule}
            options={RULES.map((one) => [one, RULE_NAMES[one]])}
            onValue={set("rule")}
          />
        )
        : null}
    </Starter>
  );
}

export function RunListed({ route, total }: { readonly route: CasesRoute; readonly total: Found }) {
  const noun = listsAttributions(route) ? "attribution" : "case";
  const title = total.count === 1 ? `Run on this ${noun}` : `Run on these ${foundText(total)} ${noun}s`;
  return (
    <Fold title={title}>
      {() => <Form key={formatRoute(route)} route={route} total={total} title={title} />}
    </Fold>
  );
}
