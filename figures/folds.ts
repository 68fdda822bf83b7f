/**
 * A long text at its end: what stands before that, islands around the strongest tokens, and all others folded away with
 * their number and the sum of their relevance.
 */
import { strongest } from "./strongest.ts";
import type { Span } from "./units.ts";

/** Tokens that are folded away. */
export interface Folded extends Span {
  /** Sum of their relevance in logits, of those that take part in the colours; undefined before it is there. */
  readonly sum: number | undefined;
}

/** With more tokens a text is long. */
export const TALL = 800;

/** Tokens before the end that are shown. */
const END = 64;
/** Islands of each sign, and tokens before and after the one that each is about. */
const ISLANDS = 8;
const BEFORE = 12;
const AFTER = 8;
/** Fewer tokens than these are not worth a fold. */
const LEAST = 16;

export interface FoldedText {
  readonly length: number;
  /** Tokens of the prompt: no fold reaches over its end. */
  readonly promptTokens: number;
  /** Whether a token takes part in the colours. */
  readonly counts: (position: number) => boolean;
  /** A fold that holds one of these positions stays open. */
  readonly open: readonly number[];
}

/** Sum of relevance over a span, of tokens that take part in the colours. */
export function sumOf(relevance: ArrayLike<number>, { from, to }: Span, counts: FoldedText["counts"]): number {
  let sum = 0;
  for (let position = from; position < to; position++) if (counts(position)) sum += relevance[position] ?? 0;
  return sum;
}

/** What is folded of a text whose strongest tokens by each of the relevances are shown. */
export function foldedSpans(
  relevances: readonly ArrayLike<number>[],
  { length, promptTokens, counts, open }: FoldedText,
): readonly Span[] {
  const shown = new Uint8Array(length);
  shown.fill(1, Math.max(0, length - END));
  for (const relevance of relevances) {
    const { positive, negative } = strongest(relevance, ISLANDS, counts);
    for (const { position } of [...positive, ...negative]) {
      shown.fill(1, Math.max(0, position - BEFORE), position + AFTER + 1);
    }
  }
  const folds: Span[] = [];
  for (let from = 0; from < length;) {
    if (shown[from] === 1) {
      from++;
      continue;
    }
    const end = from < promptTokens ? promptTokens : length;
    let to = from + 1;
    while (to < end && shown[to] === 0) to++;
    if (to - from >= LEAST && !open.some((position) => from <= position && position < to)) folds.push({ from, to });
    from = to;
  }
  return folds;
}
