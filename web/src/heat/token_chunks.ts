/** A long text cut into chunks: only those near the reader are made of chips, the rest is plain text of the same size. */
import type { Folded } from "../../../figures/folds.ts";
import type { Span } from "../../../figures/units.ts";
import type { Token } from "./documents.ts";

/** A part of a text: tokens, or a fold in their place. */
export interface TextChunk extends Span {
  readonly folded?: Folded;
}

/** Where the chunk that begins at `from` ends: after a line end near `size` tokens, else before a word. */
function endOf(tokens: readonly Token[], from: number, end: number, size: number): number {
  const [low, middle, high] = [from + Math.ceil(size / 2), from + size, from + Math.floor(size * 1.5)];
  if (end <= high) return end;
  let line: number | undefined;
  let word: number | undefined;
  for (let to = low; to <= high; to++) {
    const closer = (best: number | undefined) =>
      best === undefined || Math.abs(to - middle) < Math.abs(best - middle) ? to : best;
    if (tokens[to - 1]?.text.endsWith("\n") === true) line = closer(line);
    else if (tokens[to]?.text.startsWith(" ") === true) word = closer(word);
  }
  return line ?? word ?? middle;
}

/** Cuts tokens `from` up to `to` into chunks of about `size`. Lines stay whole where they are not longer than a chunk. */
export function chunkTokens(tokens: readonly Token[], from: number, to: number, size: number): readonly Span[] {
  const chunks: Span[] = [];
  for (let at = from; at < to;) {
    const end = endOf(tokens, at, to, size);
    chunks.push({ from: at, to: end });
    at = end;
  }
  return chunks;
}

/** The same with a chunk for each fold that lies between `from` and `to`; folds are in order. */
export function chunkText(
  tokens: readonly Token[],
  { from, to }: Span,
  size: number,
  folds: readonly Folded[],
): readonly TextChunk[] {
  const chunks: TextChunk[] = [];
  let at = from;
  for (const fold of folds) {
    if (fold.from < from || fold.to > to) continue;
    chunks.push(...chunkTokens(tokens, at, fold.from, size), { from: fold.from, to: fold.to, folded: fold });
    at = fold.to;
  }
  return [...chunks, ...chunkTokens(tokens, at, to, size)];
}

/** Where a position can be looked at: itself, or the fold that it lies in. */
export function seenAt(chunks: readonly TextChunk[], position: number): number {
  const chunk = chunks[chunkAt(chunks, position)];
  return chunk?.folded === undefined ? position : chunk.from;
}

/** The next place to the right or to the left: a token, or a fold as one; the same at the ends. */
export function stepFrom(chunks: readonly TextChunk[], position: number, step: 1 | -1): number {
  const chunk = chunks[chunkAt(chunks, position)];
  const next = step === 1 && chunk?.folded !== undefined ? chunk.to : position + step;
  return next < 0 || next >= (chunks.at(-1)?.to ?? 0) ? position : seenAt(chunks, next);
}

/** Index of the chunk that holds a position, -1 when none does. */
export function chunkAt(chunks: readonly Span[], position: number): number {
  let [low, high] = [0, chunks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chunks[middle] as Span).to <= position) low = middle + 1;
    else high = middle;
  }
  const chunk = chunks[low];
  return chunk !== undefined && chunk.from <= position ? low : -1;
}
