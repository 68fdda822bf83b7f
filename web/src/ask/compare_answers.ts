/** Two answers token by token. */

/** How many tokens two answers begin with alike. */
export function commonStart(
  one: readonly { readonly id: number }[],
  other: readonly { readonly id: number }[],
): number {
  const least = Math.min(one.length, other.length);
  for (let at = 0; at < least; at++) if (one[at]!.id !== other[at]!.id) return at;
  return least;
}
