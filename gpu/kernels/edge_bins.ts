/** Edges, and histograms of their absolute weights. */

/** Edges as three parallel arrays, ordered by target, then source. */
export interface Edges {
  readonly sources: Uint32Array;
  readonly targets: Uint32Array;
  readonly weights: Float32Array;
}

/** Bins of a histogram of absolute values: the upper half of a float32's bits, without its sign. */
export const BINS = 2 ** 15;

/** The bin of a float32's bits. Bits without the sign order as absolute values do, so bins do too. */
export const binOf = (bits: number): number => (bits & 0x7fffffff) >>> 16;

/**
 * A histogram that knows the sum of each bin exactly: values of a bin share sign-free upper bits, so their sum is a
 * count times the bin's lowest value plus an integer, the sum of the lower halves, in units of the last place.
 */
export interface MassHistogram {
  /** [BINS] values in each bin; zeros may be left out. */
  readonly counts: ArrayLike<number>;
  /** [BINS] sums of the lower 16 bits. */
  readonly lows: ArrayLike<number>;
}
