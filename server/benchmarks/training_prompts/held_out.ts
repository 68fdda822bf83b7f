/** How much of a prompt stands in prompts that must not be trained on. */

/** Words in a row that are compared. */
export const GRAM = 5;

/** Share of those of the shorter prompt from which on two prompts count as the same one in other words. */
export const MOST_OVERLAP = 0.5;

export interface HeldOut {
  readonly count: number;
  /**
   * Largest overlap with one of the held-out prompts: 1 for the same words in the same order (case, marks and white space
   * do not count), else the share of rows of five words that both have, of the prompt that has fewer of them.
   */
  readonly overlap: (prompt: string) => number;
}

/** The words of a text in lower case, compatible characters as one, without marks. */
export function wordsOf(text: string): readonly string[] {
  return text.normalize("NFKC").toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
}

export function openHeldOut(prompts: readonly string[]): HeldOut {
  const same = new Set<string>();
  const sizes: number[] = [];
  const places = new Map<string, number[]>();
  prompts.forEach((prompt, index) => {
    const words = wordsOf(prompt);
    same.add(words.join(" "));
    const grams = gramsOf(words);
    sizes.push(grams.size);
    for (const gram of grams) places.set(gram, [...places.get(gram) ?? [], index]);
  });
  return {
    count: prompts.length,
    overlap: (prompt) => {
      const words = wordsOf(prompt);
      if (same.has(words.join(" "))) return 1;
      const grams = gramsOf(words);
      const shared = new Map<number, number>();
      for (const gram of grams) {
        for (const index of places.get(gram) ?? []) shared.set(index, (shared.get(index) ?? 0) + 1);
      }
      return Math.max(0, ...[...shared].map(([index, count]) => count / Math.min(grams.size, sizes[index]!)));
    },
  };
}

function gramsOf(words: readonly string[]): ReadonlySet<string> {
  const last = Math.max(0, words.length - GRAM + 1);
  return new Set(Array.from({ length: last }, (_, at) => words.slice(at, at + GRAM).join(" ")));
}
