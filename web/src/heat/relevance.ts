/** Arithmetic of the numbers that the page shows. Raw relevance is in logit units, signed. */

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

export function normalise(raw: number, scale: number): number {
  return raw / scale;
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

/** Beyond this share of the largest |R| a difference is no rounding. */
const ROUNDING = 1e-3;

/**
 * What biases, learned positions and caps absorb of delta under CP-LRP, which sums to delta without them; null where
 * nothing but rounding is left.
 */
export function absorbedOf(relevance: ArrayLike<number>, delta: number): number | null {
  const values = Array.from(relevance);
  const left = delta - values.reduce((total, raw) => total + raw, 0);
  const largest = values.reduce((most, raw) => Math.max(most, Math.abs(raw)), 0);
  return Math.abs(left) > ROUNDING * largest ? left : null;
}

/** A signed number for reading: four significant digits at least in print, a true minus sign, plus where positive. */
export function signed(value: number, digits = 3): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size < 10 ** -digits ? size.toExponential(1) : size.toFixed(digits);
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** A plain number for reading, with a true minus sign. */
export function plain(value: number, digits = 3): string {
  return value.toFixed(digits).replace("-", "−");
}
