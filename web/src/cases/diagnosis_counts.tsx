/** @jsxImportSource preact */
/** How many diagnosed attributions there are of each outcome and pattern. A count leads to its cases. */
import { useEffect } from "preact/hooks";
import { request } from "../shell/client.ts";
import { COUNT_DIAGNOSES } from "./documents.ts";
import {
  CASES,
  type CasesRoute,
  formatRoute,
  type OutcomeChoice,
  OUTCOMES,
  type PatternChoice,
  PATTERNS,
} from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";

export const OUTCOME_NAMES: Readonly<Record<OutcomeChoice, string>> = {
  "": "any outcome",
  M_IA: "the heatmap explains it",
  NC_IA_M_AG: "only the graph explains it",
  NC_IA_AG: "neither explains it",
};

export const PATTERN_NAMES: Readonly<Record<PatternChoice, string>> = {
  "": "any pattern",
  URT: "relevant tokens underweighted",
  OIT: "irrelevant tokens overweighted",
  URT_OIT: "relevant tokens underweighted, irrelevant overweighted",
};

/** The same where room is scarce. */
const PATTERN_HEADS: Readonly<Record<PatternChoice, string>> = {
  "": "any pattern",
  URT: "relevant too weak",
  OIT: "irrelevant too strong",
  URT_OIT: "both",
};

export function DiagnosisCounts({ route, ended }: { readonly route: CasesRoute; readonly ended: number }) {
  const filter = {
    ...(route.model === "" ? {} : { model: route.model }),
    ...(route.benchmark === "" ? {} : { benchmark: route.benchmark }),
  };
  const reading = useLoad(
    `diagnoses ${JSON.stringify(filter)}`,
    (signal) => request(COUNT_DIAGNOSES, { filter }, signal),
  );
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const groups = (reading.data?.attributionCounts.nodes ?? []).filter(({ keys }) => keys[0] !== null);
  if (groups.length === 0) return null;
  const countOf = (outcome: OutcomeChoice, pattern: PatternChoice) =>
    groups.filter(({ keys }) => (outcome === "" || keys[0] === outcome) && (pattern === "" || keys[1] === pattern))
      .reduce((sum, { count }) => sum + count, 0);
  const { model, benchmark, order } = route;
  return (
    <div class="scroll">
      <table class="table counts">
        <caption class="unseen">Diagnosed attributions by outcome and pattern</caption>
        <thead>
          <tr>
            <th scope="col">Diagnosis</th>
            {PATTERNS.map((pattern) => (
              <th key={pattern} scope="col" class="number" title={PATTERN_NAMES[pattern]}>{PATTERN_HEADS[pattern]}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {OUTCOMES.filter((outcome) => outcome !== "").map((outcome) => (
            <tr key={outcome}>
              <th scope="row">{OUTCOME_NAMES[outcome]}</th>
              {PATTERNS.map((pattern) => {
                const count = countOf(outcome, pattern);
                const here = route.outcome === outcome && route.pattern === pattern;
                return (
                  <td key={pattern} class="number">
                    {count === 0 ? <span class="quiet">0</span> : (
                      <a
                        href={formatRoute({
                          ...CASES,
                          list: "attributions",
                          model,
                          benchmark,
                          order: order === "key" ? CASES.order : order,
                          outcome,
                          pattern,
                        })}
                        {...(here ? { "aria-current": "true" } : {})}
                      >
                        {count.toLocaleString("en")}
                      </a>
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
