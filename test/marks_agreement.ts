/** How far two markings of one text agree. */

/** Places of a text that phrases cover, every occurrence of each; as segments count them. */
export function covered(text: string, phrases: readonly string[]): ReadonlySet<number> {
  const places = new Set<number>();
  for (const phrase of phrases) {
    if (phrase === "") continue;
    for (let at = text.indexOf(phrase); at >= 0; at = text.indexOf(phrase, at + phrase.length)) {
      for (let offset = 0; offset < phrase.length; offset++) places.add(at + offset);
    }
  }
  return places;
}

/** F1 of two sets: 1 where both are empty, 0 where one is or nothing is common. */
export function f1(one: ReadonlySet<number>, other: ReadonlySet<number>): number {
  if (one.size + other.size === 0) return 1;
  let common = 0;
  for (const place of one) if (other.has(place)) common++;
  return 2 * common / (one.size + other.size);
}

export interface Marking {
  readonly text: string;
  readonly phrases: readonly string[];
}

/** Mean character F1 of pairs of markings, and the share of them with anything in common. */
export function agreementOf(pairs: readonly (readonly [Marking, Marking])[]): { f1: number; overlap: number } {
  const each = pairs.map(([one, other]) => f1(covered(one.text, one.phrases), covered(other.text, other.phrases)));
  return {
    f1: each.reduce((sum, value) => sum + value, 0) / each.length,
    overlap: each.filter((value) => value > 0).length / each.length,
  };
}
