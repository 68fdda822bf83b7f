/** Intervals of shares. */
import type { Interval } from "./bootstrap.ts";
import { normalQuantile } from "./normal.ts";

/**
 * Wilson's score interval of a share (Wilson, "Probable Inference", Journal of the American Statistical Association
 * 22(158), 1927): it keeps its confidence for few cases and for shares near 0 and 1. Null of no cases.
 */
export function proportionInterval(part: number, whole: number, confidence = 0.95): Interval | null {
  if (whole === 0) return null;
  const z = normalQuantile((1 + confidence) / 2);
  const value = part / whole;
  const scale = 1 + z ** 2 / whole;
  const centre = (value + z ** 2 / (2 * whole)) / scale;
  const half = z / scale * Math.sqrt(value * (1 - value) / whole + z ** 2 / (4 * whole ** 2));
  return { value, low: Math.max(0, centre - half), high: Math.min(1, centre + half), count: whole };
}
