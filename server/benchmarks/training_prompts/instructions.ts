/** Demands of the 25 types of IFEval's instructions, in wordings of our own, with the arguments that the checkers take. */
import type { Random } from "../../base/statistics/random.ts";
import { COMMON_LETTERS, END_PHRASES, LANGUAGES, RARE_LETTERS, WORDS } from "./words.ts";

export interface Demand {
  readonly type: string;
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** As the prompt states it, one line. */
  readonly text: string;
}

/** What a prompt's demands are drawn with. */
export interface Draw {
  readonly pick: <One>(list: readonly One[]) => One;
  /** A whole number from `low` to `high`, both included. */
  readonly between: (low: number, high: number) => number;
  /** A word that neither the task nor an earlier demand has. */
  readonly word: () => string;
  readonly task: string;
}

/** `task` takes words out of what may be drawn. */
export function openDraw(random: Random, task: string): Draw {
  const pick = <One>(list: readonly One[]): One => list[random.below(list.length)]!;
  const open = new Set<string>(WORDS.filter((word) => !task.toLowerCase().includes(word)));
  const word = () => {
    const found = pick([...open]);
    open.delete(found);
    return found;
  };
  return { pick, word, task, between: (low, high) => low + random.below(high - low + 1) };
}

type Drawn = readonly [Demand["kwargs"], string];
type Maker = (draw: Draw) => Drawn;

const plain = (...wordings: readonly string[]): Maker => ({ pick }) => [{}, pick(wordings)];

/** A count with its bound: the words of the checker, and those of the prompt. */
function bound({ pick, between }: Draw, least: readonly [number, number], less: readonly [number, number]) {
  return pick([true, false])
    ? { relation: "at least", count: between(...least) } as const
    : { relation: "less than", count: between(...less) } as const;
}

/** By the names that items use. */
export const DEMANDS: Readonly<Record<string, Maker>> = {
  "keywords:existence": ({ pick, word }) => {
    const keywords = [word(), word()];
    return [
      { keywords },
      pick([
        `Work the words "${keywords[0]}" and "${keywords[1]}" into the text.`,
        `Both "${keywords[0]}" and "${keywords[1]}" have to occur as words.`,
      ]),
    ];
  },
  "keywords:frequency": (draw) => {
    const keyword = draw.word();
    const { relation, count } = bound(draw, [2, 4], [2, 4]);
    return [{ keyword, relation, frequency: count }, `The word "${keyword}" is to come ${relation} ${count} times.`];
  },
  "keywords:forbidden_words": ({ pick, word }) => {
    const words = [word(), word()];
    return [
      { forbidden_words: words },
      pick([
        `Do it without the words "${words[0]}" and "${words[1]}".`,
        `Avoid two words altogether: "${words[0]}" and "${words[1]}".`,
      ]),
    ];
  },
  "keywords:letter_frequency": (draw) => {
    const rare = draw.pick([true, false]);
    const letter = draw.pick<string>(rare ? RARE_LETTERS : COMMON_LETTERS);
    const [relation, count] = rare ? ["less than", draw.between(1, 4)] : ["at least", draw.between(3, 12)];
    return [
      { letter, let_relation: relation, let_frequency: count },
      `Let the letter ${letter} occur ${relation} ${count} times.`,
    ];
  },
  "language:response_language": ({ pick }) => {
    const [language, name] = pick(Object.entries(LANGUAGES));
    return [
      { language },
      pick([
        `Answer in ${name} only and in no other language.`,
        `The whole text is to be in the ${name} language.`,
      ]),
    ];
  },
  "length_constraints:number_sentences": (draw) => {
    const { relation, count } = bound(draw, [3, 10], [3, 8]);
    return [{ relation, num_sentences: count }, `Take ${relation} ${count} sentences for it.`];
  },
  "length_constraints:number_words": (draw) => {
    const { relation, count } = bound(draw, [4, 20], [4, 16]);
    return [{ relation, num_words: 10 * count }, `Use ${relation} ${10 * count} words.`];
  },
  "length_constraints:number_paragraphs": ({ between }) => {
    const count = between(2, 4);
    return [
      { num_paragraphs: count },
      `Write exactly ${count} paragraphs and put a line of three asterisks (***) between one and the next.`,
    ];
  },
  "length_constraints:nth_paragraph_first_word": ({ between, word }) => {
    const count = between(2, 4);
    const nth = between(1, count);
    const first = word();
    return [
      { num_paragraphs: count, nth_paragraph: nth, first_word: first },
      `Write ${count} paragraphs with an empty line between them; paragraph ${nth} begins with the word ${first}.`,
    ];
  },
  "detectable_content:number_placeholders": ({ between }) => {
    const count = between(2, 5);
    return [
      { num_placeholders: count },
      `Leave at least ${count} placeholders in square brackets for what is not known, as in [day].`,
    ];
  },
  "detectable_content:postscript": ({ pick }) => {
    const marker = pick(["P.S.", "P.P.S"]);
    return [{ postscript_marker: marker }, `Put ${marker} in front of a postscript that closes the text.`];
  },
  "detectable_format:number_bullet_lists": ({ pick, between }) => {
    const count = between(2, 6);
    return [
      { num_bullets: count },
      pick([
        `Set it out in exactly ${count} bullet points, each on a line that starts with an asterisk, as in * a point.`,
        `There are to be exactly ${count} markdown bullets, each on a line that starts with "* ".`,
      ]),
    ];
  },
  "detectable_format:constrained_response": plain(
    'Say nothing but one of the following: "My answer is yes." "My answer is no." "My answer is maybe."',
  ),
  "detectable_format:number_highlighted_sections": ({ between }) => {
    const count = between(2, 4);
    return [
      { num_highlights: count },
      `Highlight at least ${count} places by asterisks around them, as in *this place*.`,
    ];
  },
  "detectable_format:multiple_sections": ({ pick, between }) => {
    const splitter = pick(["SECTION", "Section", "PART"]);
    const count = between(2, 4);
    return [
      { section_spliter: splitter, num_sections: count },
      `Divide it into ${count} sections and head each with ${splitter} and its number, as in ${splitter} 1.`,
    ];
  },
  "detectable_format:json_format": plain(
    "Give all of it as valid JSON and nothing besides.",
    "The whole output has to be in JSON format.",
  ),
  "detectable_format:title": plain(
    "Give it a title in double angular brackets, as in <<a title>>.",
    "It needs a title that stands in double angular brackets, like <<this one>>.",
  ),
  "combination:two_responses": plain(
    "Give two different responses and put six asterisks (******) between the two, and nowhere else.",
  ),
  "combination:repeat_prompt": ({ task, pick }) => [
    { prompt_to_repeat: task },
    pick([
      "Begin by repeating the request above word for word, with nothing in front of it, then do what it says.",
      "First repeat what stands above unchanged, with no words before it, and answer only then.",
    ]),
  ],
  "startend:end_checker": ({ pick }) => {
    const phrase = pick(END_PHRASES);
    return [{ end_phrase: phrase }, `End with exactly this phrase and with no words after it: ${phrase}`];
  },
  "startend:quotation": plain(
    "Put double quotation marks around everything that you write.",
    "The text as a whole stands between double quotation marks.",
  ),
  "change_case:capital_word_frequency": (draw) => {
    const { relation, count } = bound(draw, [2, 5], [3, 8]);
    return [
      { capital_relation: relation, capital_frequency: count },
      `Words in all capital letters are to occur ${relation} ${count} times.`,
    ];
  },
  "change_case:english_capital": plain(
    "All of it has to be in English and in capital letters only.",
    "Write in English, with every letter a capital letter.",
  ),
  "change_case:english_lowercase": plain(
    "All of it has to be in English and in lowercase letters only.",
    "Write in English and without a single capital letter.",
  ),
  "punctuation:no_comma": plain(
    "Get along without commas.",
    "There is to be no comma anywhere in it.",
  ),
};

export const TYPES: readonly string[] = Object.keys(DEMANDS);

/** Throws for a type that is not among `TYPES`. */
export function demandOf(type: string, draw: Draw): Demand {
  const maker = DEMANDS[type];
  if (maker === undefined) throw new Error(`There is no maker of ${type}`);
  const [kwargs, text] = maker(draw);
  return { type, kwargs, text };
}

/** Types that go with these only. */
const PARTNERS: Readonly<Record<string, readonly string[]>> = {
  "detectable_format:constrained_response": [],
  "detectable_format:json_format": ["keywords:existence", "keywords:forbidden_words"],
  "combination:two_responses": [
    "keywords:existence",
    "keywords:forbidden_words",
    "detectable_format:title",
    "punctuation:no_comma",
  ],
  "combination:repeat_prompt": ["keywords:existence", "detectable_format:title"],
  "language:response_language": [
    "detectable_format:number_bullet_lists",
    "detectable_content:number_placeholders",
    "punctuation:no_comma",
  ],
};

const LENGTHS = TYPES.filter((type) => type.startsWith("length_constraints:"));
const CASES = TYPES.filter((type) => type.startsWith("change_case:"));

/** Types of which a prompt may have one at most: the others would contradict it, or make it very hard. */
const RIVALS: readonly (readonly string[])[] = [
  LENGTHS,
  CASES,
  ...["detectable_format:number_bullet_lists", "detectable_format:multiple_sections", "detectable_content:postscript"]
    .map((type) => ["length_constraints:number_sentences", type]),
  ...[...CASES, "detectable_format:number_highlighted_sections", "length_constraints:nth_paragraph_first_word"]
    .map((type) => ["detectable_format:multiple_sections", type]),
  ["length_constraints:number_paragraphs", "detectable_format:multiple_sections"],
  ["length_constraints:nth_paragraph_first_word", "detectable_format:number_bullet_lists"],
  ["change_case:capital_word_frequency", "detectable_content:postscript"],
  ["startend:quotation", "detectable_format:title"],
];

/** Whether one response can follow both. */
export function agree(one: string, other: string): boolean {
  const allows = (type: string, partner: string) => PARTNERS[type]?.includes(partner) ?? true;
  return one !== other && allows(one, other) && allows(other, one) &&
    !RIVALS.some((rivals) => rivals.includes(one) && rivals.includes(other));
}
