/** Numbers as people read them: a true minus sign, no minus zero, a dash for what is not known. */

export const fixed = (value: number | null | undefined, digits = 2): string =>
  value === null || value === undefined ? "–" : value.toFixed(digits).replace(/^-(?=0?\.?0*$)/, "").replace("-", "−");

export const percent = (part: number, whole: number): string =>
  whole === 0 ? "–" : `${(100 * part / whole).toFixed(1)} %`;

/** A mean with the ends of its interval. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export const interval = (of: Interval | null): string =>
  of === null ? "–" : `${fixed(of.value)} [${fixed(of.low)}, ${fixed(of.high)}]`;
