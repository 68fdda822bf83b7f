/** @jsxImportSource preact */
/** What is computed of all token pairs at once. */
import { request } from "../shell/client.ts";
import { follow } from "../jobs/job_store.ts";
import { RULE_NAMES } from "../shell/names.ts";
import type { JobResult } from "../jobs/documents.ts";
import type { PlanInput } from "../jobs/plan_documents.ts";
import { ATTRIBUTE_ALL, BUILD_ALL_GRAPHS, DIAGNOSE_ALL, MASK_ALL } from "./documents.ts";
import { type Rule, RULES } from "../shell/route.ts";
import { Pick, Starter, useValues } from "./starter.tsx";

const ANALYSES = [
  ["attribute", "attributions"],
  ["graph", "attribution graphs"],
  ["diagnose", "diagnoses"],
  ["mask", "masking experiments"],
] as const;
type What = (typeof ANALYSES)[number][0];
type Selection = "CLEAN" | "MISSING";

interface Chosen {
  readonly selection: Selection;
  readonly rule: Rule;
}

const START: Readonly<Record<What, (chosen: Chosen) => Promise<JobResult>>> = {
  attribute: async (input) => (await request(ATTRIBUTE_ALL, { input })).attribute,
  graph: async (input) => (await request(BUILD_ALL_GRAPHS, { input })).buildGraph,
  diagnose: async ({ selection }) => (await request(DIAGNOSE_ALL, { input: { selection } })).diagnose,
  mask: async ({ selection }) =>
    (await request(MASK_ALL, {
      input: { selection: selection === "CLEAN" ? "CLEAN" : "ALL", replacements: ["ATTENTION"] },
    })).runMaskingExperiment,
};

/** Diagnoses go through stages that hang on what they find: they have no plan. */
function planOf(what: What, { selection, rule }: Chosen): PlanInput | undefined {
  switch (what) {
    case "attribute":
      return { work: "ATTRIBUTE", selection, rule };
    case "graph":
      return { work: "BUILD_GRAPH", selection, rule };
    case "mask":
      return { work: "MASK", selection };
    default:
      return undefined;
  }
}

export function Analyse() {
  const [values, set] = useValues({ what: "attribute", rule: "ATTNLRP", selection: "CLEAN" });
  const what = ANALYSES.find(([name]) => name === values["what"])?.[0] ?? "attribute";
  const chosen: Chosen = {
    rule: RULES.find((one) => one === values["rule"]) ?? "ATTNLRP",
    selection: values["selection"] === "CLEAN" ? "CLEAN" : "MISSING",
  };
  return (
    <Starter
      title="Analyse"
      help="What is stored already is kept: only what is missing is computed."
      verb="Start"
      ready
      plan={planOf(what, chosen)}
      start={async () => follow(await START[what](chosen))}
    >
      <Pick label="What" value={what} options={ANALYSES} onValue={set("what")} />
      {what === "mask" || what === "diagnose" ? null : (
        <Pick
          label="Rule"
          value={chosen.rule}
          options={RULES.map((one) => [one, RULE_NAMES[one]])}
          onValue={set("rule")}
        />
      )}
      <Pick
        label="Of"
        value={chosen.selection}
        options={[["CLEAN", "clean pairs, delta above 1"], ["MISSING", "all pairs"]]}
        onValue={set("selection")}
      />
    </Starter>
  );
}
