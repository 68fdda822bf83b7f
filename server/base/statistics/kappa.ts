/** Agreement of two readers beyond chance: Cohen, Educational and Psychological Measurement 20, 1960. */

export interface Agreement {
  /** Share of cases on which both say the same. */
  readonly observed: number;
  /** Share that would be expected of readers who label independently, each at their own rates. */
  readonly expected: number;
  /** (observed - expected) / (1 - expected); null where both always use one and the same label. */
  readonly kappa: number | null;
  readonly count: number;
}

/** Agreement of at least one pair of labels. */
export function agreement(pairs: readonly (readonly [string, string])[]): Agreement {
  if (pairs.length === 0) throw new RangeError("agreement needs a case");
  const count = pairs.length;
  const labels = new Set(pairs.flat());
  const share = (keep: (pair: readonly [string, string]) => boolean) => pairs.filter(keep).length / count;
  const observed = share(([one, other]) => one === other);
  let expected = 0;
  for (const label of labels) expected += share(([one]) => one === label) * share(([, other]) => other === label);
  return { observed, expected, kappa: labels.size === 1 ? null : (observed - expected) / (1 - expected), count };
}
