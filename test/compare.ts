/** The largest absolute difference of two tensors, relative to the largest absolute expected value. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) throw new Error(`${found.length} values where ${expected.length} are expected`);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs((found[i] as number) - (expected[i] as number));
    // NaN compares false with everything: it must not pass, nor be forgotten at the next value.
    if (Number.isNaN(error)) return NaN;
    difference = Math.max(difference, error);
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  return largest === 0 ? difference : difference / largest;
}
