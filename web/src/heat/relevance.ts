/** Arithmetic of the numbers that the page shows. Raw relevance is in logit units, signed. */

export function normalise(raw: number, scale: number): number {
  return raw / scale;
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
