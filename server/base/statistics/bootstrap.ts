/** Bootstrap confidence intervals over cases (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 14). */
import { normalCdf, normalQuantile } from "./normal.ts";
import { randomStream } from "./random.ts";

export interface Interval {
  /** The statistic of the sample itself. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Cases in the sample. */
  readonly count: number;
}

export interface BootstrapOptions {
  readonly seed: number;
  /** Part of what names the stream of random numbers: two statistics of one seed are drawn apart. */
  readonly name: string;
  readonly resamples?: number;
  /** Share of intervals that shall hold the true value. */
  readonly confidence?: number;
  /** Bias-corrected and accelerated, or plain percentiles. */
  readonly method?: "bca" | "percentile";
}

export const BOOTSTRAP_DEFAULTS = { resamples: 10_000, confidence: 0.95, method: "bca" } as const;

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The middle value, or the mean of the two middle ones; Infinity where censored values reach the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!];
  return low === high ? low : (low + high) / 2;
}

/**
 * The interval of a statistic of at least one case. Where BCa is not defined (all resamples on one side of the value,
 * or no case changes the statistic), the percentiles stand in: a sample without spread gives [value, value].
 */
export function bootstrapInterval(
  sample: readonly number[],
  { seed, name, ...options }: BootstrapOptions,
  statistic: (values: readonly number[]) => number = mean,
): Interval {
  if (sample.length === 0) throw new RangeError("a bootstrap needs a case");
  const { resamples, confidence, method } = { ...BOOTSTRAP_DEFAULTS, ...options };
  const random = randomStream(seed, `bootstrap/${name}`);
  const value = statistic(sample);
  const drawn = new Array<number>(sample.length);
  const statistics = Float64Array.from({ length: resamples }, () => {
    for (let i = 0; i < drawn.length; i++) drawn[i] = sample[random.below(sample.length)]!;
    return statistic(drawn);
  }).sort();
  const tail = (1 - confidence) / 2;
  const [low, high] = method === "bca"
    ? bcaShares(sample, statistic, value, statistics, tail) ?? [tail, 1 - tail]
    : [tail, 1 - tail];
  return { value, low: quantile(statistics, low), high: quantile(statistics, high), count: sample.length };
}

/**
 * The interval of the difference of two unpaired samples' means, first - second, by percentiles: both are drawn anew,
 * each from itself. `count` is that of both together.
 */
export function bootstrapDifference(
  first: readonly number[],
  second: readonly number[],
  { seed, name, resamples = BOOTSTRAP_DEFAULTS.resamples, confidence = BOOTSTRAP_DEFAULTS.confidence }: Omit<
    BootstrapOptions,
    "method"
  >,
): Interval {
  if (first.length === 0 || second.length === 0) throw new RangeError("a bootstrap needs a case of each sample");
  const random = randomStream(seed, `bootstrap/${name}`);
  const drawnMean = (sample: readonly number[]) => {
    let sum = 0;
    for (let i = 0; i < sample.length; i++) sum += sample[random.below(sample.length)]!;
    return sum / sample.length;
  };
  const statistics = Float64Array.from({ length: resamples }, () => drawnMean(first) - drawnMean(second)).sort();
  const tail = (1 - confidence) / 2;
  return {
    value: mean(first) - mean(second),
    low: quantile(statistics, tail),
    high: quantile(statistics, 1 - tail),
    count: first.length + second.length,
  };
}

/** The shares of the sorted statistics at which the BCa interval ends. */
function bcaShares(
  sample: readonly number[],
  statistic: (values: readonly number[]) => number,
  value: number,
  statistics: Float64Array,
  tail: number,
): readonly [number, number] | undefined {
  let below = 0;
  // Statistics equal to the value count half: flip rates have many ties.
  for (const drawn of statistics) below += drawn < value ? 1 : drawn === value ? 0.5 : 0;
  if (below === 0 || below === statistics.length) return undefined;
  const bias = normalQuantile(below / statistics.length);
  const left = sample.map((_, index) => statistic(sample.toSpliced(index, 1)));
  const centre = mean(left);
  const squares = left.reduce((sum, one) => sum + (centre - one) ** 2, 0);
  const cubes = left.reduce((sum, one) => sum + (centre - one) ** 3, 0);
  if (!(squares > 0)) return undefined;
  const acceleration = cubes / (6 * squares ** 1.5);
  const share = (probability: number) => {
    const shifted = bias + normalQuantile(probability);
    return normalCdf(bias + shifted / (1 - acceleration * shifted));
  };
  return [share(tail), share(1 - tail)];
}

/** The value at a share of sorted values, between neighbours by the line (R's type 7). */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  const high = sorted[Math.ceil(at)]!;
  return low === high ? low : low + (at - Math.floor(at)) * (high - low);
}
