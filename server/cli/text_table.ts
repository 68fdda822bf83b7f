/** Texts for a terminal of 80 columns: wrapped lines, and tables whose cells are wrapped where they do not fit. */

/** Columns of a terminal that texts are made for. */
export const COLUMNS = 80;

const lengthOf = (text: string): number => [...text].length;

/** The text in lines of at most `width`, broken between words; a longer word is cut. */
export function wrap(text: string, width = COLUMNS, words: readonly string[] = text.split(" ")): string[] {
  const lines = [""];
  for (const whole of words) {
    let word = whole;
    const last = lines.at(-1)!;
    const joined = last === "" ? word : `${last} ${word}`;
    if (lengthOf(joined) <= width) {
      lines[lines.length - 1] = joined;
      continue;
    }
    if (last !== "") lines.push("");
    for (; lengthOf(word) > width; word = [...word].slice(width).join("")) {
      lines[lines.length - 1] = [...word].slice(0, width).join("");
      lines.push("");
    }
    lines[lines.length - 1] = word;
  }
  return lines;
}

/** The text wrapped, its later lines indented by so many columns. */
export function hang(text: string, indent: number, words?: readonly string[]): string {
  const pad = " ".repeat(indent);
  const [first = "", ...rest] = wrap(text, COLUMNS - indent, words);
  return [first, ...rest.map((line) => pad + line)].join("\n");
}

/**
 * How a usage or a command is wrapped: what stands in brackets or quotes stays together where a line holds it, and a value
 * with its option.
 */
export function usageParts(usage: string): string[] {
  return partsOf(usage).flatMap((part) =>
    lengthOf(part) > USAGE_COLUMNS && /^[[(].*[\])]$/s.test(part)
      ? usageParts(part.slice(1, -1)).map((inner, index, all) =>
        `${index === 0 ? part[0] : ""}${inner}${index === all.length - 1 ? part.at(-1) : ""}`
      )
      : [part]
  );
}

/** Columns behind the word "usage:". */
const USAGE_COLUMNS = COLUMNS - "usage: ".length;

function partsOf(usage: string): string[] {
  const parts = [""];
  let depth = 0;
  let quote = "";
  for (const letter of usage) {
    if (quote === "" && "[(".includes(letter)) depth++;
    if (quote === "" && "])".includes(letter)) depth--;
    if (quote === "" ? "'\"".includes(letter) : letter === quote) quote = quote === "" ? letter : "";
    if (letter === " " && depth === 0 && quote === "") parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts.reduce<string[]>((joined, part) => {
    const last = joined.at(-1);
    if (last?.startsWith("--") && !last.includes(" ") && !/^[-[(]/.test(part)) joined[joined.length - 1] += ` ${part}`;
    else joined.push(part);
    return joined;
  }, []);
}

export interface TableShape {
  /** Columns whose cells stand at the right; those of all but the first when left out. */
  readonly right?: (column: number) => boolean;
  /** Blanks before every row. */
  readonly indent?: number;
}

/** Rows in aligned columns, two blanks between them, each line with its end; cells are wrapped so that a row fits. */
export function textTable(
  rows: readonly (readonly string[])[],
  { right = (column) => column > 0, indent = 0 }: TableShape = {},
): string {
  const widths = fitWidths(rows, COLUMNS - indent);
  const pad = " ".repeat(indent);
  return rows.map((cells) => {
    const wrapped = cells.map((cell, column) => wrap(cell, widths[column]));
    const height = Math.max(1, ...wrapped.map((lines) => lines.length));
    return Array.from({ length: height }, (_, at) => {
      const line = wrapped.map((lines, column) => {
        const [text, width] = [lines[at] ?? "", widths[column]!];
        const blanks = " ".repeat(width - lengthOf(text));
        return right(column) ? blanks + text : text + blanks;
      }).join("  ");
      return `${pad}${line}`.trimEnd() + "\n";
    }).join("");
  }).join("");
}

/** Widths of the columns: as their cells need, or less of the widest where a row would be longer than `most`. */
function fitWidths(rows: readonly (readonly string[])[], most: number): number[] {
  const columns = Math.max(0, ...rows.map((cells) => cells.length));
  const widest = (measure: (cell: string) => number) =>
    Array.from({ length: columns }, (_, column) => Math.max(1, ...rows.map((cells) => measure(cells[column] ?? ""))));
  const widths = widest(lengthOf);
  // Words are cut only where columns of whole words do not fit.
  const words = widest((cell) => Math.max(...cell.split(" ").map(lengthOf)));
  const gaps = 2 * Math.max(0, columns - 1);
  const sum = () => widths.reduce((all, width) => all + width, gaps);
  for (const least of [words, words.map(() => 1)]) {
    while (sum() > most) {
      let shrunk = -1;
      for (const [column, width] of widths.entries()) {
        if (width > least[column]! && (shrunk < 0 || width > widths[shrunk]!)) shrunk = column;
      }
      if (shrunk < 0) break;
      widths[shrunk]!--;
    }
  }
  return widths;
}
