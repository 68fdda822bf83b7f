/** What the choices of the list's filters are called. */
import { RULE_NAMES, statusName } from "../shell/names.ts";
import type { CasesRoute, Disagreement, Order, Status, VerdictChoice } from "../shell/route.ts";

export const STATUS_NAMES: Readonly<Record<Status, string>> = {
  "": "any",
  OPEN: statusName("OPEN", null),
  CLEAN: statusName("CLEAN", null),
  EXCLUDED: statusName("EXCLUDED", null),
};

export const VERDICT_NAMES: Readonly<Record<VerdictChoice, string>> = {
  "": "any",
  passed: "passed",
  failed: "failed",
  undecided: "nobody could decide",
};

export const DISAGREEMENT_NAMES: Readonly<Record<Disagreement, string>> = {
  "": "any",
  yes: "log and checker disagree",
  no: "log and checker do not disagree",
};

export const LIST_NAMES: Readonly<Record<CasesRoute["list"], string>> = {
  cases: "failure cases",
  unattributed: "cases without attribution",
  attributions: "attributions, any rule",
  ATTNLRP: `attributions by ${RULE_NAMES.ATTNLRP}`,
  CPLRP: `attributions by ${RULE_NAMES.CPLRP}`,
  GRADIENT: `attributions by ${RULE_NAMES.GRADIENT}`,
  answers: "all answers, passed too",
};

export const ORDER_NAMES: Readonly<Record<Order, string>> = {
  "newest": "newest first",
  "oldest": "oldest first",
  "delta-down": "largest delta first",
  "delta-up": "smallest delta first",
  "tokens-down": "longest first",
  "tokens-up": "shortest first",
  "key": "by key",
};
