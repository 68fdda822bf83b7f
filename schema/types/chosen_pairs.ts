/** Which token pairs an analysis is asked for: ids, a kind of them, or all attributions of a filter. */
import { attributions } from "../tables/tables.ts";
import { AttributionFilter, matchingAttributions } from "./attribution.ts";
import type { Context } from "../services/services.ts";
import { InputError } from "./input_error.ts";

/** Pairs of one job at most, where a filter chooses them. */
const MOST_PAIRS = 200_000;

/** The input field, for every mutation that has `tokenPairIds` and `selection`. */
export const pairFilter = {
  type: AttributionFilter,
  description: "Instead of ids: the pairs of all attributions that `attributions` lists with this filter.",
} as const;

interface PairChoice<Selection> {
  readonly tokenPairIds?: readonly { readonly id: string }[] | null | undefined;
  readonly selection?: Selection | null | undefined;
  readonly filter?: typeof AttributionFilter.$inferInput | null | undefined;
}

/** The chosen pairs: row ids, or the selection's word. Throws InputError unless exactly one choice is made. */
export async function chosenPairs<Selection>(
  { tokenPairIds, selection, filter }: PairChoice<Selection>,
  { db }: Pick<Context, "db">,
): Promise<readonly number[] | Selection> {
  const given = [tokenPairIds, selection, filter].filter((choice) => choice != null).length;
  if (given !== 1) {
    throw new InputError("it takes exactly one of the three", "tokenPairIds, selection, filter", "give one of them");
  }
  if (selection != null) return selection;
  if (tokenPairIds != null) return tokenPairIds.map(({ id }) => Number(id));
  const rows = await db.selectDistinct({ id: attributions.tokenPairId }).from(attributions)
    .where(matchingAttributions(filter, attributions)).orderBy(attributions.tokenPairId).limit(MOST_PAIRS + 1);
  if (rows.length > MOST_PAIRS) {
    throw new InputError(`more than ${MOST_PAIRS} token pairs fit it`, "filter", "narrow it");
  }
  if (rows.length === 0) throw new InputError("no attribution fits it", "filter", "widen it");
  return rows.map(({ id }) => id);
}
