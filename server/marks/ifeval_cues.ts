/**
 * How IFEval's prompts state each of the 25 types of instructions: expressions that find the words at the heart of a
 * demand. They were written on the prompts of the benchmark of which no reader has marked a constraint (docs/marks.md).
 */

export type Arguments = Readonly<Record<string, unknown>>;

export interface Cues {
  /** The heart of the demand: the first that stands anywhere in the prompt counts, and all its places. */
  readonly heart: readonly RegExp[];
  /** What more a demand may say, in a sentence of its own after it. */
  readonly more?: RegExp;
  /** Texts that no sentence ends inside of. */
  readonly whole?: readonly string[];
  /** A text that only quotes what the prompt asks: nothing in it is a demand. */
  readonly quoted?: string;
  /** What belongs to the demand where it stands before a joining word in its sentence. */
  readonly also?: RegExp;
  /** What asks for it stands in one sentence with the form that follows: lines of examples belong to it. */
  readonly form?: boolean;
}

// deno-fmt-ignore
const WORDS = [
  "zero",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
  "eleven",
  "twelve",
  "thirteen",
  "fourteen",
  "fifteen",
  "sixteen",
  "seventeen",
  "eighteen",
  "nineteen",
  "twenty",
];

/** The cues of an instruction, or undefined for a type that is none of IFEval's. */
export function ifevalCues(type: string, from: Arguments): Cues | undefined {
  const cues = Object.hasOwn(CUES, type) ? CUES[type] : undefined;
  return cues?.(from);
}

const TIMES = String.raw`(?:times?|once|twice)`;
/** A bound on a number, before or behind it. */
const BOUND = String
  .raw`(?:at least|at most|less than|fewer than|more than|exactly|no more than|no less than|under|over|around|about|in the range of|between|longer than|limit\w* to|up to)`;

const CUES: Readonly<Record<string, (from: Arguments) => Cues>> = {
  "punctuation:no_comma": () => ({ heart: [/\bcommas?\b/gi] }),
  "detectable_content:number_placeholders": () => ({
    heart: [
      /\bplaceholders?\b/gi,
    ],
    more: /\bplaceholders?\b|square brackets?/i,
  }),
  "detectable_content:postscript": (from) => ({
    heart: [
      /\bpostscript\b/gi,
      literal(textOf(from["postscript_marker"]).replace(/\.$/, "")),
      /\bP\.\s?(?:P\.\s?)?S\b/gi,
    ],
  }),
  "detectable_format:number_bullet_lists": (from) => ({
    heart: [near(String.raw`${exactly(from["num_bullets"])}(?: \w+){0,3} bullets?\b`), /\bbullet(?:ed|s)?\b/gi],
    more: /\bbullets?\b|format of the example|\bexample\b.*:$/i,
    form: true,
  }),
  "detectable_format:constrained_response": () => ({
    heart: [/choose (?:from|one)|one of the (?:following|phrases)|answer ["“”'(]?my answer is/gi, /my answer is/gi],
    more: /my answer is|\bchoose\b|\bexact (?:phrase|words?)\b/i,
    form: true,
  }),
  "detectable_format:number_highlighted_sections": () => ({
    heart: [/\bhighlight(?:s|ed|ing)?\b/gi, /\bitalic(?:s|i[sz]e\w*)?\b/gi],
    more: /\*[^*\n]+\*|\bitalic|asterisks?/i,
    form: true,
  }),
  "detectable_format:multiple_sections": (from) => ({
    heart: [
      near(
        String.raw`\b${escaped(textOf(from["section_spliter"]))}\s+(?:X|\d)|${
          exactly(from["num_sections"])
        }[ -]sections?\b`,
      ),
      /\bsections?\b/gi,
    ],
    more: new RegExp(String.raw`\b${escaped(textOf(from["section_spliter"]))}\b.{0,30}\b(?:X|\d)\b|\bsections?\b`, "i"),
  }),
  "detectable_format:json_format": () => ({ heart: [/\bjson\b/gi], form: true }),
  "detectable_format:title": () => ({
    heart: [
      /(?:\btitle\b[^.?!\n]{0,40})?\bangular brackets?\b/gi,
      /(?:\btitle\b[^.?!\n]{0,40})?<<[^>\n]*>>/gi,
      /\btitle\b/gi,
    ],
  }),
  "combination:two_responses": () => ({
    heart: [
      /\*{6}|\b(?:six|6)\s+a\w*terisks?(?: symbols?)?|\bexactly two\b|\b(?:two|2) (?:different |alternative )?(?:responses|versions)\b/gi,
    ],
    more: /asterisks?|should (?:have the|look)|\bseparat/i,
    form: true,
  }),
  "combination:repeat_prompt": (from) => ({
    heart: [/\brep(?:l?)eat(?:ed|ing|s)?\b/gi],
    more:
      /\brepeat|before (?:that|you|saying|any)|do not (?:say|output|add|change)|\b(?:request|sentence|response) (?:above|below)\b|should start with|after (?:that|you)/i,
    quoted: textOf(from["prompt_to_repeat"]),
  }),
  "startend:end_checker": (from) => {
    const phrase = textOf(from["end_phrase"]).trim();
    return {
      heart: [
        near(String.raw`\b(?:end|finish|conclude|last|final|close)\w*\b[^\n]{0,120}?["'“]?${escaped(phrase)}["'”]?`),
        near(String.raw`["'“]?${escaped(phrase)}["'”]?`),
        /\b(?:end|finish)\w*\b[^.?!\n]{0,40}\b(?:with|phrase|sentence)\b/gi,
      ],
      more: /\b(?:other|additional|further|more) words?\b|anything (?:else )?after|should follow|very end\b/i,
      whole: [`"${phrase}"`, phrase],
      form: true,
    };
  },
  "startend:quotation": () => ({ heart: [/\bdouble[- ]quot\w*|\bquotations? marks?\b/gi] }),
  "keywords:existence": (from) => keywordCues(listOf(from["keywords"]), false),
  "keywords:forbidden_words": (from) => keywordCues(listOf(from["forbidden_words"]), true),
  "keywords:frequency": (from) => {
    const word = escaped(textOf(from["keyword"]).trim());
    const often = String.raw`(?:${BOUND}\s+)?(?:${amount(from["frequency"])}[^.?!\n]{0,12}${TIMES}|\bonce\b|\btwice\b)`;
    return {
      heart: [
        near(String.raw`\b${word}\b["'”’]?(?:(?!\bword )[^.?!\n]){0,60}?${often}(?: or (?:less|more))?`),
        near(String.raw`${often}`),
        near(String.raw`(?:word|mention\w*|keyword)s? ["'“‘]?${word}\b`),
        literal(textOf(from["keyword"])),
      ],
    };
  },
  "keywords:letter_frequency": (from) => {
    const letter = escaped(textOf(from["letter"]));
    const named: Readonly<Record<string, string>> = { "#": "hashtags?", "!": "exclamation (?:marks?|points?)" };
    return {
      heart: [
        near(String.raw`\b(?:letters?|character)s? ["'“‘]?${letter}["'”’]?(?![\p{L}\p{N}])`),
        near(named[textOf(from["letter"])] ?? String.raw`\bletters?\b`),
      ],
    };
  },
  "length_constraints:number_sentences": (from) => ({
    heart: [
      near(
        String.raw`${
          amount(from["num_sentences"])
        }(?:\+|\s+or more)? (?:\w+ )?(?:sentences|(?<=(?:one|1|single) )sentence)\b`,
      ),
      near(String.raw`\bsentences?\b[^.?!\n]{0,60}?${amount(from["num_sentences"])}`),
      /\b(?:\d+|one|two|three|four|five)[- ]sentences?\b/gi,
    ],
  }),
  "length_constraints:number_words": (from) => ({
    heart: [
      near(String.raw`${amount(from["num_words"])}(?:\+|\s+or (?:more|less|fewer))?[- ]?\s*words?\b`),
      near(String.raw`\bwords?\b[^.?!\n]{0,60}?${amount(from["num_words"])}`),
      near(String.raw`\b\d+\+?[- ](?:word|words)\b`),
    ],
    more: /\bwords\b[^.\n]{0,40}\d|\bshort\b.{0,40}\bwords\b/i,
  }),
  "length_constraints:number_paragraphs": (from) => ({
    heart: [
      near(
        String.raw`(?<!\*)\*{3}(?!\*)|${exactly(from["num_paragraphs"])} (?:paragraphs?|sections?|parts?|stanzas?)\b`,
      ),
      /\bparagraphs?\b|\bmarkdown divider\b/gi,
    ],
    more: /\bseparat|asterisks?|markdown divider/i,
    also: /\bformat\b/,
    form: true,
  }),
  "length_constraints:nth_paragraph_first_word": (from) => ({
    heart: [
      near(
        String.raw`\b(?:start|begin)\w*\b[^.?!\n]{0,50}${escaped(textOf(from["first_word"]))}["'”]?|${
          exactly(from["num_paragraphs"])
        } paragraphs?\b`,
      ),
      /\bparagraphs?\b/gi,
    ],
    more: /\bparagraphs?\b|two (?:new ?lines|line ?breaks)/i,
  }),
  "change_case:capital_word_frequency": () => ({
    heart: [
      /\bwords?\b[^.?!\n]{0,30}\b(?:all capital|capital letters|all caps|capitali[sz]ed|upper ?case)/gi,
      /\ball caps\b|\bcapital(?: letters?|i[sz]\w*|s)?\b|\bupper[- ]?case\b/gi,
    ],
    more: /\bcapital|\bstress words\b|\bcaps\b|\bcapitali[sz]ed words\b/i,
  }),
  "change_case:english_capital": () => ({
    heart: [/\ball caps\b|\bcapital(?: letters?|i[sz]\w*|s)?\b|\bupper[- ]?case\w*(?: letters?)?/gi],
    also: /\benglish\b/i,
  }),
  "change_case:english_lowercase": () => ({
    heart: [/\blower[- ]?case\w*(?: letters?)?|\bcapital letters?\b/gi, /\bcapital(?: letters?|i[sz]\w*|s)?\b/gi],
    also: /\benglish\b/i,
    more: /\bcapital(?:s| letters?|i[sz]\w*)\b|\blower[- ]?cas/i,
  }),
  "language:response_language": (from) => {
    const name = languageName(textOf(from["language"]));
    return {
      heart: [
        near(
          String
            .raw`(?:\b(?:in|only|using|use|to|entirely)(?: \w+){0,2} (?:the )?)${name}\b(?: language)?|\b${name} (?:language|only)\b`,
        ),
        near(String.raw`\b${name}\b`),
      ],
      more: new RegExp(String.raw`no other languages?|\b(?:in|only) (?:the )?${name}\b`, "iu"),
    };
  },
};

function keywordCues(words: readonly string[], forbidden: boolean): Cues {
  const one = words.map(escaped).sort((a, b) => b.length - a.length).join("|");
  const quoted = String.raw`["'“‘]?(?:${one})["'”’]?(?![\p{L}\p{N}])`;
  const list = String.raw`${quoted}(?:[\],]?(?:\s|,|and\b|or\b|&|the word\b)*${quoted})*\]?`;
  const verbs = String.raw`\b(?:includ\w*|contain\w*|mention\w*|us(?:e|es|ing)\b|ha(?:s|ve|ving) the (?:key)?words?\b)`;
  const asked = forbidden
    ? String.raw`(?:\bnot\b|n['’]t\b|\bwithout\b|\bavoid\w*|\bexclud\w*|\brefrain\w*|\bcannot\b)`
    : String.raw`(?:${verbs}|\b(?:key)?words?\b|\bphrase\b|\bline\b)`;
  const around = String.raw`(?:(?!${forbidden ? "(?!)" : verbs})(?![.?!]\s)[^\n]){0,60}?`;
  return {
    heart: [
      near(String.raw`${asked}${around}\b(?:key)?words?\b.{0,4}${list}|${asked}${around}\b(?:key)?words?:? ${list}`),
      near(String.raw`${asked}${around}${list}`),
      ...forbidden ? [near(String.raw`\bwords?\b[^.?!\n]{0,30}?${list}${around}${asked}`)] : [],
      near(list),
    ],
  };
}

/** A number as digits or as a word. */
function exactly(number: unknown): string {
  const n = typeof number === "number" ? number : NaN;
  return Number.isSafeInteger(n) ? String.raw`\b(?:${[n, WORDS[n] ?? []].flat().join("|")})` : String.raw`\b\d+`;
}

/** A number as digits or as a word, and its neighbours: "more than 5" and "at least 6" are the same. */
function amount(number: unknown): string {
  const n = typeof number === "number" ? number : NaN;
  const numbers = [n, n - 1, n + 1].filter((one) => Number.isSafeInteger(one) && one >= 0);
  if (numbers.length === 0) return String.raw`\b\d+`;
  const names = numbers.flatMap((one) => [String(one), WORDS[one] ?? []].flat());
  return String.raw`\b(?:${names.join("|")}${numbers.includes(1) ? "|once|a single|an?" : ""})\b`;
}

const near = (pattern: string): RegExp => new RegExp(pattern, "giu");
const literal = (text: string): RegExp => text === "" ? /(?!)/g : new RegExp(escaped(text), "giu");
const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
const textOf = (value: unknown): string => typeof value === "string" ? value : "";
const listOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === "string" && one !== "") : [];

/** The English name of a language code; the code itself where it is none. */
function languageName(code: string): string {
  try {
    return escaped(new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code);
  } catch {
    return escaped(code);
  }
}
