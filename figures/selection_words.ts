/** How the pairs of a plot were selected, in words. */

export interface Source {
  readonly model: string;
  readonly pairs: number;
  /** Those with delta above 1 on it. */
  readonly clear: number;
}

const list = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

/**
 * Of a study. Pairs that were chosen because one member fails lie lower on every other by that choice alone, so a plot
 * of them says which member that was.
 */
export function studySelection(pairs: number, sources: readonly Source[]): string {
  if (sources.length === 0) return "The study has no pairs.";
  const failures = list(sources.map(({ model, pairs }) => `${pairs} failures of ${model}`));
  const clear = sources.reduce((sum, one) => sum + one.clear, 0);
  return `Selected: ${failures}, ${clear === pairs ? "all" : `${clear} of them`} with delta above 1 there; ` +
    "on other members they lie lower by that choice alone.";
}
