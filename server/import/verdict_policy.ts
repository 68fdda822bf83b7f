/**
 * Whose verdict counts where both the log and our checker have one. Ours does where it is the reference: IFEval, whose
 * checkers are rebuilt and equal the benchmark's own. Elsewhere the log was judged under a convention that we may not
 * know, or by a stronger grader: then the log's counts, and ours is shown beside it.
 */
import type { CheckItem, Detail, Verdict, VerdictBasis } from "../../schema/tables/values.ts";
import type { LoggedResponse } from "./format.ts";

/** A verdict to store, and whether the two disagree. */
export interface Decided {
  readonly verdict: Verdict | null;
  readonly disagrees: boolean;
}

/** Benchmarks whose own checkers ours equal: docs/checkers.md says how that is known. */
const REFERENCE: ReadonlySet<CheckItem["kind"]> = new Set(["ifeval"]);

/**
 * The verdict that counts, with both in its detail: `log` (the log's words), `checker` (ours, where it does not count) and
 * `counts`, "log" or "checker".
 */
export function decide(logged: LoggedResponse["logged"], ours: Verdict | null, item: CheckItem | null): Decided {
  const basis = item !== null && REFERENCE.has(item.kind) ? "reference" : "checker";
  if (logged === null) return { verdict: withBasis(ours, basis), disagrees: false };
  const log: Detail = { passed: logged.passed, ...logged.detail };
  const checked = ours !== null && decides(ours) ? ours : null;
  const oursCounts = checked !== null && (logged.passed === null || basis === "reference");
  const disagrees = checked !== null && logged.passed !== null && checked.passed !== logged.passed;
  if (oursCounts) {
    const { passed, reason, detail } = checked;
    return {
      verdict: withBasis(
        { passed, ...(reason === undefined ? {} : { reason }), detail: { ...detail, log, counts: "checker" } },
        basis,
      ),
      disagrees,
    };
  }
  const shown = checked === null ? {} : { checker: { passed: checked.passed, reason: checked.reason ?? null } };
  const { passed, reason = ours?.reason } = logged;
  return {
    verdict: withBasis({
      passed,
      ...(reason === undefined || passed === true ? {} : { reason }),
      detail: { ...ours?.detail, log, ...shown, ...(passed === null ? {} : { counts: "log" }) },
    }, logged.basis ?? "log"),
    disagrees,
  };
}

/** A response in which no final answer was found was judged by nobody: the log may know where it stands. */
function decides({ passed, detail }: Verdict): boolean {
  return passed !== null && detail?.["prediction"] !== null;
}

function withBasis(verdict: Verdict | null, basis: VerdictBasis): Verdict | null {
  return verdict === null || verdict.passed === null ? verdict : { ...verdict, basis };
}
