/** Sentences of a prompt, as places in its text. */

/** From `start` to before `end`, counted in UTF-16 units as strings are. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** An abbreviation before white space does not end a sentence. */
const ABBREVIATION = /(?:\b(?:i\.e|e\.g|etc|vs|mr|mrs|ms|dr|st|no|approx|fig)\.|\b[A-Z]\.|\.\.\.)$/i;
/** A postscript's mark ends a sentence only before a capital: "starting with P.S. The word ...". */
const POSTSCRIPT = /\bP\.\s?(?:P\.\s?)?S\.?$/i;
/** Marks that end a sentence, with the quotes and brackets that close behind them. */
const ENDINGS = /(?:[.?!]+["'”’)\]]*|\bP\.P\.S\.?)(?=\s+\S)/gi;
/** A line that is an example or part of a form: a bullet, a placeholder, a rule of marks, code. */
const FORM_LINE =
  /^\s*(?:[*\-•+]|\d+[.)]\s+(?:[*[<"']|\.\.\.)|\[|["'`{}<]|\.\.\.|advice \d|(?:poem|story|cover letter|paragraph|section) \S{1,9}\s|my answer is)/i;

/** The sentences of a text. A line end divides too. `whole` are texts that nothing divides, such as a phrase to end with. */
export function sentencesOf(text: string, whole: readonly string[] = []): readonly Span[] {
  const kept = whole.flatMap((part) => occurrences(text, part));
  const spans: Span[] = [];
  for (const line of linesOf(text)) {
    let start = line.start;
    for (const match of text.slice(line.start, line.end).matchAll(ENDINGS)) {
      const end = line.start + match.index + match[0].length;
      if (kept.some((part) => part.start < end && end < part.end) || !ends(text.slice(start, end), text.slice(end))) {
        continue;
      }
      spans.push(trimmed(text, { start, end }));
      start = end;
    }
    spans.push(trimmed(text, { start, end: line.end }));
  }
  return spans.filter(({ start, end }) => end > start);
}

/** Whether the line at a span shows a form instead of saying something. */
export const isFormLine = (text: string, { start, end }: Span): boolean =>
  end - start < 200 && FORM_LINE.test(text.slice(start, end));

/** All places where a part stands in a text. */
export function occurrences(text: string, part: string): readonly Span[] {
  const found: Span[] = [];
  if (part === "") return found;
  for (let start = text.indexOf(part); start >= 0; start = text.indexOf(part, start + part.length)) {
    found.push({ start, end: start + part.length });
  }
  return found;
}

function ends(sentence: string, rest: string): boolean {
  const next = rest.trimStart()[0] ?? "";
  if (POSTSCRIPT.test(sentence)) return /\p{Lu}/u.test(next);
  if (/^\s*\d+\.$/.test(sentence)) return false;
  return !ABBREVIATION.test(sentence) && /[\p{L}\p{N}"'“‘([*<]/u.test(next);
}

/** Lines; one that goes on in lower case without a mark before is no line of its own. */
function linesOf(text: string): readonly Span[] {
  const lines: Span[] = [];
  let start = 0;
  for (const line of text.split("\n")) {
    const last = lines.at(-1);
    const end = start + line.length;
    if (last !== undefined && /^\p{Ll}/u.test(line) && /[\p{L},]$/u.test(text.slice(last.start, last.end))) {
      lines[lines.length - 1] = { start: last.start, end };
    } else lines.push({ start, end });
    start = end + 1;
  }
  return lines;
}

/** Without white space at both ends. */
export function trimmed(text: string, { start, end }: Span): Span {
  while (start < end && /\s/.test(text[start]!)) start++;
  while (end > start && /\s/.test(text[end - 1]!)) end--;
  return { start, end };
}
