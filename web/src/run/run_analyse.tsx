/** @jsxImportSource preact */
/** What is computed of all token pairs at once. */
import { follow, useEndedJobs } from "../jobs/job_store.ts";
import { RULE_NAMES } from "../shell/names.ts";
import { RULES } from "../shell/route.ts";
import { ANALYSES, type Analysis, type AnalysisName, type Asked } from "./analyses.ts";
import { PastLine } from "./past_line.tsx";
import { Pick, Starter, useValues } from "./starter.tsx";

export function Analyse() {
  const ended = useEndedJobs();
  const [values, set] = useValues({ what: "attribute", rule: "ATTNLRP", selection: "CLEAN" });
  const what = (values["what"] ?? "attribute") as AnalysisName;
  const analysis: Analysis = ANALYSES[what];
  const asked: Asked = {
    rule: RULES.find((one) => one === values["rule"]) ?? "ATTNLRP",
    pairs: { selection: values["selection"] === "CLEAN" ? "CLEAN" : "MISSING" },
    series: "",
  };
  return (
    <Starter
      title="Analyse"
      help="What is stored already is kept: only what is missing is computed. On some cases only: filter the list of cases, and run it there."
      verb="Start"
      ready
      plan={analysis.plan?.(asked)}
      start={async () => follow(await analysis.start(asked))}
      cost={analysis.plan === undefined ? <PastLine kind={analysis.kind} count={undefined} turn={ended} /> : null}
    >
      <Pick
        label="What"
        value={what}
        options={Object.entries(ANALYSES).map(([value, { name }]) => [value, name])}
        onValue={set("what")}
      />
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
      <Pick
        label="Of"
        value={values["selection"] ?? "CLEAN"}
        options={[["CLEAN", "clean pairs, delta above 1"], ["MISSING", "all pairs"]]}
        onValue={set("selection")}
      />
    </Starter>
  );
}
