/** How much each client may ask for: an allowance that is spent at once and comes back with time (a token bucket). */

export interface Allowance {
  /** Spends `amount`; returns 0 when there was enough, else the seconds until there will be, and spends nothing. */
  spend(key: string, amount: number): number;
}

/** Clients that are remembered; the one that asked longest ago is forgotten first, which gives it its allowance back. */
const MAX_CLIENTS = 10_000;

/** `perSecond` comes back each second, up to `most`. An amount above `most` counts as `most`. */
export function createAllowance(
  { perSecond, most }: { readonly perSecond: number; readonly most: number },
  now: () => number = () => performance.now(),
): Allowance {
  const left = new Map<string, { amount: number; at: number }>();
  return {
    spend: (key, wanted) => {
      const amount = Math.min(wanted, most);
      const at = now();
      const known = left.get(key);
      const has = known ? Math.min(most, known.amount + perSecond * (at - known.at) / 1000) : most;
      const wait = has >= amount ? 0 : (amount - has) / perSecond;
      left.delete(key);
      left.set(key, { amount: wait === 0 ? has - amount : has, at });
      if (left.size > MAX_CLIENTS) left.delete(left.keys().next().value!);
      return wait;
    },
  };
}
