/** Shares for reading. */

/** A share as percent, with a sign where it is below 0. */
export function asPercent(share: number): string {
  const percent = 100 * share;
  const size = Math.abs(percent);
  if (size !== 0 && size < 0.05) return `${percent < 0 ? "-" : ""}<0.1 %`;
  return `${percent.toFixed(1).replace("-0.0", "0.0")} %`;
}
