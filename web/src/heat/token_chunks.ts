/** A long text cut into chunks: only those near the reader are made of chips, the rest is plain text of the same size. */
import type { Token } from "./documents.ts";

/** Tokens `from` up to, not including, `to`. */
export interface Chunk {
  readonly from: number;
  readonly to: number;
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
export function chunkTokens(tokens: readonly Token[], from: number, to: number, size: number): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = from; at < to;) {
    const end = endOf(tokens, at, to, size);
    chunks.push({ from: at, to: end });
    at = end;
  }
  return chunks;
}

/** Index of the chunk that holds a position, -1 when none does. */
export function chunkAt(chunks: readonly Chunk[], position: number): number {
  let [low, high] = [0, chunks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chunks[middle] as Chunk).to <= position) low = middle + 1;
    else high = middle;
  }
  const chunk = chunks[low];
  return chunk !== undefined && chunk.from <= position ? low : -1;
}
