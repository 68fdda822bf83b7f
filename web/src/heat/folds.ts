/** What of a long case is folded away, for one heat or for several that are seen side by side. */
import { type Folded, foldedSpans, sumOf } from "../../../figures/folds.ts";
import type { Token } from "./documents.ts";
import type { View } from "./heat_value.ts";
import type { Heat } from "./read_case.ts";

/**
 * The folds of each heat, which are the same stretches with its own sums: islands are around the strongest tokens of any.
 * A fold that holds one of the positions in `open` stays open, and none reaches over the end of the prompt.
 */
export function foldsOfAll(
  tokens: readonly Token[],
  promptTokens: number,
  heats: readonly (Heat | undefined)[],
  view: View,
  open: readonly number[],
): readonly (readonly Folded[])[] {
  const counts = (position: number): boolean => view.special || tokens[position]?.special === false;
  const relevances = heats.flatMap((heat) => heat === undefined ? [] : [heat.relevance]);
  const spans = foldedSpans(relevances, { length: tokens.length, promptTokens, counts, open });
  return heats.map((heat) =>
    spans.map((span) => ({ ...span, sum: heat === undefined ? undefined : sumOf(heat.relevance, span, counts) }))
  );
}

/** The same for one. */
export function foldsOf(
  tokens: readonly Token[],
  promptTokens: number,
  heat: Heat | undefined,
  view: View,
  open: readonly number[],
): readonly Folded[] {
  return foldsOfAll(tokens, promptTokens, [heat], view, open)[0]!;
}
