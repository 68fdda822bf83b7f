/** Failure cases as the database holds them, ready to be searched. */
import type { Checkers } from "../checkers/check.ts";
import type { FailureCaseRow } from "../cases/place_case.ts";
import type { SearchCase } from "./criterion.ts";

/** A failure case in search. */
export interface StoredCase extends SearchCase {
  readonly row: FailureCaseRow;
}

/** Tokens that rollouts of imported answers may have, unless the answer itself is longer. */
const IMPORTED_MAX_TOKENS = 1280;

export function storedCase(row: FailureCaseRow, checkers: Pick<Checkers, "check">): StoredCase {
  const { item, metadata: { maxTokens }, completionIds } = row;
  return {
    row,
    key: row.key,
    promptIds: row.inputIds.slice(0, row.promptTokens),
    completionIds,
    maxTokens: typeof maxTokens === "number" ? maxTokens : Math.max(IMPORTED_MAX_TOKENS, completionIds.length),
    check: item === null ? undefined : (answer) => checkers.check(item, answer),
  };
}
