/** The standard normal distribution. */

/**
 * Probability of a value at most z, by the series of Marsaglia, "Evaluating the Normal Distribution", Journal of
 * Statistical Software 11(4), 2004; about 15 digits while |z| < 7, 0 or 1 beyond 8.
 */
export function normalCdf(z: number): number {
  if (z < -8) return 0;
  if (z > 8) return 1;
  let sum = z;
  let term = z;
  let before = 0;
  for (let odd = 3; sum !== before; odd += 2) {
    before = sum;
    term *= z * z / odd;
    sum += term;
  }
  return 0.5 + sum * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
}

/** The z whose probability this is, by bisection; -8 and 8 where it is 0 and 1. */
export function normalQuantile(probability: number): number {
  let [low, high] = [-8, 8];
  for (let step = 0; step < 80; step++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
