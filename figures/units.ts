/**
 * Words and sentences beside tokens: whole tokens that follow each other, with the sum of their relevance. They are found
 * by Unicode's rules (UAX 29, `Intl.Segmenter`) in the text that the tokens make; special tokens stand by themselves.
 */

export const UNITS = ["tokens", "words", "sentences"] as const;
export type Unit = (typeof UNITS)[number];

/** What units are called, one and several. */
export type UnitNames = readonly [one: string, many: string];

export const UNIT_NAMES: Readonly<Record<Unit, UnitNames>> = {
  tokens: ["token", "tokens"],
  words: ["word", "words"],
  sentences: ["sentence", "sentences"],
};

/** What of a token says which unit it belongs to. */
export interface UnitToken {
  readonly text: string;
  readonly special: boolean;
}

/** Tokens `from` up to, not including, `to`. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Index of the segment that each character (UTF-16) of a text lies in. */
function segmentsOf(text: string, granularity: "word" | "sentence"): Uint32Array {
  const places = new Uint32Array(text.length);
  let count = 0;
  for (const { index, segment } of new Intl.Segmenter("en", { granularity }).segment(text)) {
    places.fill(count++, index, index + segment.length);
  }
  return places;
}

/** Characters of a token that say where it belongs: the first and the last that are no space, if there are any. */
function edgesOf(text: string): readonly [first: number, last: number] {
  const first = text.search(/\S/);
  return first < 0 ? [0, text.length - 1] : [first, text.trimEnd().length - 1];
}

/** Where new units begin in tokens `from` up to `to`, none of which is special. */
function beginningsIn(tokens: readonly UnitToken[], { from, to }: Span, granularity: "word" | "sentence"): number[] {
  const texts = tokens.slice(from, to).map(({ text }) => text);
  const segments = segmentsOf(texts.join(""), granularity);
  const beginnings = [from];
  // The space before a word is its own, where it is a token of its own too.
  const isSpace = (text: string) => granularity === "word" && /^[^\S\n]+$/.test(text);
  let offset = 0;
  let before: number | undefined;
  texts.forEach((text, index) => {
    if (text !== "") {
      const [first, last] = edgesOf(text);
      const joins = segments[offset + first] === before || isSpace(texts[index - 1] ?? "");
      if (before !== undefined && !joins) beginnings.push(from + index);
      before = segments[offset + last];
    }
    offset += text.length;
  });
  return beginnings;
}

/** Stretches without special tokens, and each special token, in order; none reaches over the end of the prompt. */
function stretchesOf(
  tokens: readonly UnitToken[],
  promptTokens: number,
): readonly (Span & { readonly plain: boolean })[] {
  const stretches: (Span & { readonly plain: boolean })[] = [];
  tokens.forEach(({ special }, position) => {
    const last = stretches.at(-1);
    if (last?.plain === true && !special && position !== promptTokens) {
      stretches[stretches.length - 1] = { ...last, to: position + 1 };
    } else stretches.push({ from: position, to: position + 1, plain: !special });
  });
  return stretches;
}

/** The tokens of each unit; none reaches over the end of the prompt. */
export function unitSpans(tokens: readonly UnitToken[], promptTokens: number, unit: Unit): readonly Span[] {
  if (unit === "tokens") return tokens.map((_, position) => ({ from: position, to: position + 1 }));
  const granularity = unit === "words" ? "word" : "sentence";
  return stretchesOf(tokens, promptTokens).flatMap((stretch): readonly Span[] => {
    if (!stretch.plain) return [{ from: stretch.from, to: stretch.to }];
    const beginnings = beginningsIn(tokens, stretch, granularity);
    return beginnings.map((from, index) => ({ from, to: beginnings[index + 1] ?? stretch.to }));
  });
}

/** Units of the prompt. */
export function promptUnitsOf(spans: readonly Span[], promptTokens: number): number {
  const first = spans.findIndex(({ from }) => from >= promptTokens);
  return first < 0 ? spans.length : first;
}

/** Relevance of units: the sums over their tokens. */
export function unitSums(relevance: ArrayLike<number>, spans: readonly Span[]): readonly number[] {
  return spans.map(({ from, to }) => {
    let sum = 0;
    for (let position = from; position < to; position++) sum += relevance[position] ?? 0;
    return sum;
  });
}
