/** Which numbers of a list of relevances stand out. */

/** Below this largest |R| a scale is taken as 1, so that noise is not blown up. */
const FLAT = 1e-9;

/** Largest |R| over the tokens that `counts` admits, or 1 where all are below 1e-9. */
export function scaleOf(relevance: ArrayLike<number>, counts: (position: number) => boolean = () => true): number {
  let largest = 0;
  for (let position = 0; position < relevance.length; position++) {
    if (counts(position)) largest = Math.max(largest, Math.abs(relevance[position] ?? 0));
  }
  return largest < FLAT ? 1 : largest;
}

export interface RankedToken {
  readonly position: number;
  readonly raw: number;
}

/** The strongest positive and negative positions among those that `counts` admits, strongest first, ties by position. */
export function strongest(
  relevance: ArrayLike<number>,
  count: number,
  counts: (position: number) => boolean = () => true,
): { readonly positive: readonly RankedToken[]; readonly negative: readonly RankedToken[] } {
  const ranked = Array.from(relevance, (raw, position): RankedToken => ({ position, raw }))
    .filter(({ position, raw }) => raw !== 0 && counts(position))
    .sort((a, b) => Math.abs(b.raw) - Math.abs(a.raw) || a.position - b.position);
  return {
    positive: ranked.filter(({ raw }) => raw > 0).slice(0, count),
    negative: ranked.filter(({ raw }) => raw < 0).slice(0, count),
  };
}
