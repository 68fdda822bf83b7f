/**
 * A long case at its error: what stands before it, islands around the strongest tokens, and all others folded away with
 * their number and the sum of their relevance.
 */
import type { Token } from "./documents.ts";
import type { View } from "./heat_value.ts";
import type { Heat } from "./read_case.ts";
import { strongest } from "./relevance.ts";
import type { Chunk, Folded } from "./token_chunks.ts";

/** Tokens before the error that are shown. */
const END = 64;
/** Islands of each sign, and tokens before and after the one that each is about. */
const ISLANDS = 8;
const BEFORE = 12;
const AFTER = 8;
/** Fewer tokens than these are not worth a fold. */
const LEAST = 16;

/** What takes part in the colours. */
const counts = (token: Token | undefined, view: View): boolean => view.special || token?.special === false;

/** Sum of relevance over tokens `from` up to `to`, of those that take part in the colours. */
export function sumOf(tokens: readonly Token[], heat: Heat, view: View, { from, to }: Chunk): number {
  let sum = 0;
  for (let position = from; position < to; position++) {
    if (counts(tokens[position], view)) sum += heat.relevance[position] ?? 0;
  }
  return sum;
}

/**
 * What is folded of a text whose prompt has `promptTokens` tokens. A fold that holds one of the positions in `open` stays
 * open, and none reaches over the end of the prompt.
 */
export function foldsOf(
  tokens: readonly Token[],
  promptTokens: number,
  heat: Heat | undefined,
  view: View,
  open: readonly number[],
): readonly Folded[] {
  const shown = new Uint8Array(tokens.length);
  shown.fill(1, Math.max(0, tokens.length - END));
  if (heat !== undefined) {
    const { positive, negative } = strongest(heat.relevance, ISLANDS, (position) => counts(tokens[position], view));
    for (const { position } of [...positive, ...negative]) {
      shown.fill(1, Math.max(0, position - BEFORE), position + AFTER + 1);
    }
  }
  const folds: Folded[] = [];
  for (let from = 0; from < tokens.length;) {
    if (shown[from] === 1) {
      from++;
      continue;
    }
    const end = from < promptTokens ? promptTokens : tokens.length;
    let to = from + 1;
    while (to < end && shown[to] === 0) to++;
    if (to - from >= LEAST && !open.some((position) => from <= position && position < to)) {
      folds.push({ from, to, sum: heat === undefined ? undefined : sumOf(tokens, heat, view, { from, to }) });
    }
    from = to;
  }
  return folds;
}
