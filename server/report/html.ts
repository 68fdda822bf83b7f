/** Pieces of HTML and SVG as text. All text from data goes through `escape`. */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for content and attributes; control characters are shown as pictures of themselves. */
export function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (found) => ENTITIES[found]!)
    .replaceAll(/[^\P{Cc}\t\n]/gu, (found) => {
      const code = found.charCodeAt(0);
      return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
    });
}

/** A token as it is shown alone: blanks and line ends are visible. */
export function visible(token: string): string {
  return escape(token.replaceAll("\n", "⏎").replaceAll(" ", "␣"));
}

export const fixed = (value: number | null | undefined, digits = 2): string =>
  value === null || value === undefined ? "–" : value.toFixed(digits).replace(/^-(?=0?\.?0*$)/, "").replace("-", "−");

export const percent = (part: number, whole: number): string =>
  whole === 0 ? "–" : `${(100 * part / whole).toFixed(1)} %`;

/** A mean with its interval. */
export const interval = (of: { readonly value: number; readonly low: number; readonly high: number } | null): string =>
  of === null ? "–" : `${fixed(of.value)} [${fixed(of.low)}, ${fixed(of.high)}]`;

/** A table: the first column is text, the others are numbers. Cells are HTML already. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell, index) => `<${tag}${index === 0 ? "" : ' class="n"'}>${cell}</${tag}>`).join("")}</tr>`;
  return `<div class="wide"><table><thead>${row(head, "th")}</thead><tbody>${
    rows.map((cells) => row(cells, "td")).join("")
  }</tbody></table></div>`;
}

/** A figure with what it says below. */
export function figure(content: string, caption: string): string {
  return `<figure>${content}<figcaption>${caption}</figcaption></figure>`;
}

/** What stands where there is nothing to show. */
export function missing(what: string, mend: string): string {
  return `<p class="missing">${what} <code>${escape(mend)}</code></p>`;
}
