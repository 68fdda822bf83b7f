/** Words of a document in Markdown: numbers, intervals, tables, tokens. */

/** With a minus sign; a dash where there is none. */
export const fixed = (value: number | null, digits = 2): string =>
  value === null ? "–" : value.toFixed(digits).replace("-", "−");

/** A part of a whole in percent; a dash of nothing. */
export const share = (part: number, whole: number): string =>
  whole === 0 ? "–" : `${(100 * part / whole).toFixed(1)} %`;

/** A value with its interval in brackets. */
export const span = (of: { readonly value: number; readonly low: number; readonly high: number } | null): string =>
  of === null ? "–" : `${fixed(of.value)} [${fixed(of.low)}, ${fixed(of.high)}]`;

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`
  ).join("\n");

/** A token between backticks: its white space is seen. */
export const shownToken = (token: string): string =>
  token.replaceAll("\n", "⏎").replaceAll(" ", "␣").replaceAll("`", "ˋ");
