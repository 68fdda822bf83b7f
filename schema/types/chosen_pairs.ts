/** Which token pairs an analysis is asked for: ids, a kind of them, or all of the cases or attributions of a filter. */
import { and, eq } from "drizzle-orm";
import { z } from "zod";
import { criterionPairs } from "../tables/criterion_pairs.ts";
import { attributions, failureCases, tokenPairs } from "../tables/tables.ts";
import { AttributionFilter, matchingAttributions } from "./attribution.ts";
import { FailureCaseFilter, matchingCases } from "./case_filter.ts";
import type { Context } from "../services/services.ts";
import { InputError } from "./input_error.ts";
import { TokenPair } from "./token_pair.ts";

/** Pairs of one job at most, where a filter chooses them. */
const MOST_PAIRS = 200_000;

/** The input field of token pairs by their ids. `description`: which, and what becomes of those that have a result. */
export const pairIds = (description: string) => ({
  for: TokenPair,
  description,
  validate: z.array(z.unknown()).min(1).max(10_000),
} as const);

/** The input fields, for every mutation that has `tokenPairIds` and `selection`. */
export const pairFilter = {
  type: AttributionFilter,
  description: "Instead of ids: the pairs of all attributions that `attributions` lists with this filter.",
} as const;
export const caseFilter = {
  type: FailureCaseFilter,
  description:
    "Instead of ids: the pairs of all cases that `failureCases` lists with this filter, attributed or not; " +
    "without those that somebody asked about beside a pair that was found.",
} as const;

interface PairChoice<Selection> {
  readonly tokenPairIds?: readonly { readonly id: string }[] | null | undefined;
  readonly selection?: Selection | null | undefined;
  readonly filter?: typeof AttributionFilter.$inferInput | null | undefined;
  readonly cases?: typeof FailureCaseFilter.$inferInput | null | undefined;
}

/** The chosen pairs: row ids, or the selection's word. Throws InputError unless exactly one choice is made. */
export async function chosenPairs<Selection>(
  choice: PairChoice<Selection>,
  { db }: Pick<Context, "db">,
): Promise<readonly number[] | Selection> {
  const { tokenPairIds, selection, filter, cases } = choice;
  const given = [tokenPairIds, selection, filter, cases].filter((choice) => choice != null).length;
  if (given !== 1) {
    throw new InputError(
      "it takes exactly one of the four",
      "tokenPairIds, selection, filter, cases",
      "give one of them",
    );
  }
  if (selection != null) return selection;
  if (tokenPairIds != null) return tokenPairIds.map(({ id }) => Number(id));
  const where = cases != null ? "cases" : "filter";
  const rows = cases != null
    ? await db.select({ id: tokenPairs.id }).from(tokenPairs)
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .where(and(criterionPairs, matchingCases(cases, failureCases))).orderBy(tokenPairs.id).limit(MOST_PAIRS + 1)
    : await db.selectDistinct({ id: attributions.tokenPairId }).from(attributions)
      .where(matchingAttributions(filter, attributions)).orderBy(attributions.tokenPairId).limit(MOST_PAIRS + 1);
  if (rows.length > MOST_PAIRS) {
    throw new InputError(`more than ${MOST_PAIRS} token pairs fit it`, where, "narrow it");
  }
  if (rows.length === 0) {
    const what = cases != null ? "no case with a token pair fits it" : "no attribution fits it";
    throw new InputError(what, where, cases != null ? "widen it, or find token pairs first" : "widen it");
  }
  return rows.map(({ id }) => id);
}
