/** @jsxImportSource preact */
/** What the counts were clicked for: conditions that have no field in the filter, each with a way out of it. */
import { OUTCOME_NAMES, PATTERN_NAMES } from "./diagnosis_counts.tsx";
import { exclusionName } from "../shell/names.ts";
import { CASES, type CasesRoute, formatRoute } from "../shell/route.ts";

const STATUS_NAMES = { "": "", OPEN: "open", CLEAN: "clean", EXCLUDED: "excluded" } as const;

interface Condition {
  readonly name: string;
  /** The list without it. */
  readonly without: CasesRoute;
}

function conditionsOf(route: CasesRoute): readonly Condition[] {
  const { status, exclusion, outcome, pattern } = route;
  const conditions: (Condition | null)[] = [
    status === "" || exclusion !== ""
      ? null
      : { name: STATUS_NAMES[status], without: { ...route, status: CASES.status } },
    exclusion === "" ? null : {
      name: exclusionName(exclusion),
      without: { ...route, status: CASES.status, exclusion: CASES.exclusion },
    },
    outcome === "" ? null : { name: OUTCOME_NAMES[outcome], without: { ...route, outcome: CASES.outcome } },
    pattern === "" ? null : { name: PATTERN_NAMES[pattern], without: { ...route, pattern: CASES.pattern } },
  ];
  return conditions.filter((condition) => condition !== null);
}

export function ActiveFilters({ route }: { readonly route: CasesRoute }) {
  const conditions = conditionsOf(route);
  if (conditions.length === 0) return null;
  return (
    <ul class="conditions small" aria-label="Other conditions">
      {conditions.map(({ name, without }) => (
        <li key={name}>
          {name}
          <a href={formatRoute(without)} aria-label={`Without the condition ${name}`}>×</a>
        </li>
      ))}
    </ul>
  );
}
