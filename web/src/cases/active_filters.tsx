/** @jsxImportSource preact */
/** The conditions of the list, each with a way out of it: they are seen where the rail is closed, too. */
import { exclusionName, OUTCOMES, PATTERNS } from "../shell/names.ts";
import { CASES, type CasesRoute, formatRoute } from "../shell/route.ts";
import { quoteToken } from "../../../figures/token_text.ts";
import { DISAGREEMENT_NAMES, STATUS_NAMES, VERDICT_NAMES } from "./filter_names.ts";

interface Condition {
  readonly name: string;
  /** What the address is without it. */
  readonly without: Partial<CasesRoute>;
}

function deltaName({ deltaFrom, deltaTo }: CasesRoute): string {
  if (deltaFrom === null) return `delta at most ${deltaTo}`;
  return deltaTo === null ? `delta at least ${deltaFrom}` : `delta ${deltaFrom} to ${deltaTo}`;
}

export function conditionsOf(route: CasesRoute): readonly Condition[] {
  const { status, exclusion, outcome, pattern, benchmark, model, verdict, disagrees, search, token } = route;
  const conditions: (Condition | null)[] = [
    route.job === "" ? null : { name: "of one job", without: { job: "" } },
    search.trim() === "" ? null : { name: `“${search.trim()}”`, without: { search: "" } },
    token.trim() === "" ? null : { name: `token ${quoteToken(token)}`, without: { token: "" } },
    status === "" || exclusion !== "" ? null : { name: STATUS_NAMES[status], without: { status: "" } },
    exclusion === "" ? null : { name: exclusionName(exclusion), without: { status: "", exclusion: "" } },
    outcome === "" ? null : { name: OUTCOMES[outcome].meaning, without: { outcome: "" } },
    pattern === "" ? null : { name: PATTERNS[pattern].meaning, without: { pattern: "" } },
    benchmark === "" ? null : { name: benchmark, without: { benchmark: "" } },
    model === "" ? null : { name: model, without: { model: "" } },
    verdict === "" ? null : { name: VERDICT_NAMES[verdict], without: { verdict: "" } },
    disagrees === "" ? null : { name: DISAGREEMENT_NAMES[disagrees], without: { disagrees: "" } },
    route.deltaFrom === null && route.deltaTo === null
      ? null
      : { name: deltaName(route), without: { deltaFrom: CASES.deltaFrom, deltaTo: CASES.deltaTo } },
  ];
  return conditions.filter((condition) => condition !== null);
}

export function ActiveFilters({ route }: { readonly route: CasesRoute }) {
  const conditions = conditionsOf(route);
  if (conditions.length === 0) return null;
  return (
    <ul class="conditions small" aria-label="Conditions">
      {conditions.map(({ name, without }) => (
        <li key={name}>
          {name}
          <a href={formatRoute({ ...route, ...without })} aria-label={`Without the condition ${name}`}>×</a>
        </li>
      ))}
    </ul>
  );
}
