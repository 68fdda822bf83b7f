/**
 * Sentences of English text by Punkt (Kiss and Strunk, "Unsupervised Multilingual Sentence Boundary Detection",
 * Computational Linguistics 32(4), 2006), with NLTK's parameters and NLTK's way of cutting tokens: IFEval counts
 * sentences by it. What is trained there is read here; nothing is trained.
 */
import { readData } from "./data.ts";
import { isLower, isUpper, LETTER, SPACE, stripEnd } from "./python_text.ts";

interface Parameters {
  readonly abbreviations: ReadonlySet<string>;
  readonly collocations: ReadonlySet<string>;
  readonly starters: ReadonlySet<string>;
  /** In which contexts a type of token was seen, as flags. */
  readonly orthography: ReadonlyMap<string, number>;
}

/** Flags of contexts: where in a sentence, and with which case of the first letter. */
const MIDDLE_UPPER = 1 << 2;
const UPPER = (1 << 1) | MIDDLE_UPPER | (1 << 3);
const BEGIN_LOWER = 1 << 4;
const LOWER = BEGIN_LOWER | (1 << 5) | (1 << 6);

const END_CHARACTERS = ".?!";
/** Characters that end a word. Curly quotes and guillemets are among them since NLTK 3.10. */
const NON_WORD = String.raw`[\)";\}\]*:@'\(\{\[\u2018\u2019\u201c\u201d\xab\xbb?!]`;
const MULTIPLE = String.raw`(?:-{2,}|\.{2,}|(?:\.[${SPACE}]){2,}\.)`;
const NON_SPACE = `[^${SPACE}]`;
const WORD_END = `(?=[${SPACE}]|(?![^])|${NON_WORD}|${MULTIPLE}|,(?=(?![^])|[${SPACE}]|${NON_WORD}|${MULTIPLE}))`;
const TOKENS = new RegExp(
  String.raw`${MULTIPLE}|(?=[^\("\x60\{\[:;&#*@\)\}\]\-,])${NON_SPACE}+?${WORD_END}|${NON_SPACE}`,
  "gu",
);
const CANDIDATES = new RegExp(`[.?!](?=(${NON_WORD}|[${SPACE}]+(${NON_SPACE}+)))`, "gu");
/** Closing quotes and brackets at the start of a sentence belong to the one before. */
const CLOSING = new RegExp(
  String.raw`^["'\)\]\}\u2018\u2019\u201c\u201d\xab\xbb]+?(?:[${SPACE}]+|(?=--)|(?![^\n]))`,
  "u",
);
const NUMBER = /^-?[.,]?\p{Nd}[\p{Nd},.-]*\.?$/u;
const ELLIPSIS = /^\.\.+$/u;
const INITIAL = new RegExp(`^[${LETTER}]\\.$`, "u");

interface Token {
  readonly text: string;
  /** Lower case; numbers are all alike. */
  readonly type: string;
  sentenceBreak: boolean;
  abbreviation: boolean;
  readonly ellipsis: boolean;
}

/** A part of the text: [start, end). */
interface Span {
  readonly start: number;
  readonly end: number;
}

let loaded: Parameters | undefined;

/** The sentences of a text, without the spaces between them. */
export function sentences(text: string): readonly string[] {
  loaded ??= loadParameters();
  return realigned(text, spans(text, loaded)).map(({ start, end }) => text.slice(start, end));
}

function loadParameters(): Parameters {
  const data = readData<{
    readonly abbreviations: readonly string[];
    readonly collocations: readonly (readonly [string, string])[];
    readonly starters: readonly string[];
    readonly orthography: Readonly<Record<string, number>>;
  }>("punkt_english");
  return {
    abbreviations: new Set(data.abbreviations),
    collocations: new Set(data.collocations.map(([first, second]) => `${first}\n${second}`)),
    starters: new Set(data.starters),
    orthography: new Map(Object.entries(data.orthography)),
  };
}

/** Where the text is cut, before closing quotes are moved. */
function spans(text: string, parameters: Parameters): readonly Span[] {
  const result: Span[] = [];
  let start = 0;
  for (const { at, after, next, context } of candidates(text)) {
    if (!breaksInside(context, parameters)) continue;
    result.push({ start, end: at + 1 });
    // The next sentence starts after the spaces, or at the punctuation that follows.
    start = next === undefined ? at + 1 : at + 1 + after.length - next.length;
  }
  result.push({ start, end: stripEnd(text).length });
  return result;
}

interface Candidate {
  /** Where the character stands that may end a sentence. */
  readonly at: number;
  /** What follows it: a punctuation mark, or spaces and a word. */
  readonly after: string;
  readonly next: string | undefined;
  /** The word before with its mark, and what follows. */
  readonly context: string;
}

/** Characters that may end a sentence; of several in one word only the last. */
function* candidates(text: string): Generator<Candidate> {
  let before: Span = { start: 0, end: 0 };
  let waiting: Candidate | undefined;
  for (const match of text.matchAll(CANDIDATES)) {
    const at = match.index;
    const space = lastSpace(text, before.end, at);
    const word = { start: space > 0 ? before.end + space + 1 : before.start, end: at };
    if (waiting !== undefined && before.end <= word.start) yield waiting;
    const [mark, after, next] = match as unknown as [string, string, string | undefined];
    waiting = { at, after, next, context: text.slice(word.start, at) + mark + after };
    before = word;
  }
  if (waiting !== undefined) yield waiting;
}

/** Index of the last ASCII white space in text[from, to), counted from `from`; 0 when there is none. */
function lastSpace(text: string, from: number, to: number): number {
  for (let at = to - 1; at >= from; at--) {
    if (" \t\n\r\v\f".includes(text[at]!)) return at - from;
  }
  return 0;
}

/** True when a sentence ends before the last token of a text. */
function breaksInside(context: string, parameters: Parameters): boolean {
  const tokens = context.split("\n").flatMap((line) => line.match(TOKENS) ?? []).map((text) => token(text, parameters));
  tokens.forEach((first, at) => {
    const second = tokens[at + 1];
    if (second !== undefined && first.text.endsWith(".")) decide(first, second, parameters);
  });
  return tokens.slice(0, -1).some(({ sentenceBreak }) => sentenceBreak);
}

/** A token with what its own text says: an end of a sentence, an ellipsis, or a known abbreviation. */
function token(text: string, { abbreviations }: Parameters): Token {
  const lower = text.toLowerCase();
  const plain = { text, type: lower.replace(NUMBER, "##number##") };
  if (text.length === 1 && END_CHARACTERS.includes(text)) {
    return { ...plain, sentenceBreak: true, abbreviation: false, ellipsis: false };
  }
  if (ELLIPSIS.test(text)) return { ...plain, sentenceBreak: false, abbreviation: false, ellipsis: true };
  const period = text.endsWith(".") && !text.endsWith("..");
  const word = text.slice(0, -1).toLowerCase();
  const abbreviation = period && (abbreviations.has(word) || abbreviations.has(word.split("-").at(-1)!));
  return { ...plain, sentenceBreak: period && !abbreviation, abbreviation, ellipsis: false };
}

/** Corrects what was said of `first`, which ends with a period, by the token that follows it (section 4 of the paper). */
function decide(first: Token, second: Token, { collocations, starters, orthography }: Parameters): void {
  const type = withoutPeriod(first.type);
  const nextType = second.sentenceBreak ? withoutPeriod(second.type) : second.type;
  const initial = INITIAL.test(first.text);
  const noBreak = () => {
    first.sentenceBreak = false;
    first.abbreviation = true;
  };
  if (collocations.has(`${type}\n${nextType}`)) return noBreak();
  const context = orthography.get(nextType) ?? 0;
  const starts = startsSentence(second, context);
  const capital = isUpper(firstCharacter(second));
  if ((first.abbreviation || first.ellipsis) && !initial) {
    if (starts === true || (capital && starters.has(nextType))) {
      first.sentenceBreak = true;
      return;
    }
  }
  if (initial || type === "##number##") {
    if (starts === false) return noBreak();
    if (starts === undefined && initial && capital && (context & LOWER) === 0) noBreak();
  }
}

/** Whether the case of a token, and how it was seen elsewhere, make it the first of a sentence; undefined: unsure. */
function startsSentence(token: Token, context: number): boolean | undefined {
  if (token.text.length === 1 && ";:,.!?".includes(token.text)) return false;
  const first = firstCharacter(token);
  if (isUpper(first) && (context & LOWER) !== 0 && (context & MIDDLE_UPPER) === 0) return true;
  if (isLower(first) && ((context & UPPER) !== 0 || (context & BEGIN_LOWER) === 0)) return false;
  return undefined;
}

function firstCharacter({ text }: Token): string {
  return String.fromCodePoint(text.codePointAt(0)!);
}

function withoutPeriod(type: string): string {
  return type.length > 1 && type.endsWith(".") ? type.slice(0, -1) : type;
}

/** Moves closing quotes and brackets to the sentence that they close. */
function realigned(text: string, all: readonly Span[]): readonly Span[] {
  const result: Span[] = [];
  let moved = 0;
  all.forEach(({ start, end }, at) => {
    const span = { start: start + moved, end };
    const next = all[at + 1];
    const closing = next && CLOSING.exec(text.slice(next.start, next.end))?.[0];
    moved = closing?.length ?? 0;
    if (closing !== undefined) result.push({ start: span.start, end: next!.start + stripEnd(closing).length });
    else if (span.start < span.end) result.push(span);
  });
  return result;
}
