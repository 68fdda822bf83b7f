/**
 * Which responses fail whatever follows: told from their beginning, so that nobody has to wait for their end. A function
 * says true only where the check of the same type complains of every text that begins so, and false where it cannot know.
 * Types that a later text may still follow have none (at least so many, a title, an ending), nor have those whose check
 * weighs the whole text (its language, its sentences).
 */
import { type Arguments, count, relation, text, texts } from "./arguments.ts";
import type { Decided } from "../checker.ts";
import { DASH_BULLETS, STAR_BULLETS } from "./format_instructions.ts";
import { firstWord, STARS } from "./length_instructions.ts";
import { countMatches, pythonRegex } from "./python_regex.ts";
import { countWords, isLower, isUpper, strip } from "./python_text.ts";

/** Undefined where no beginning decides, with these arguments. Throws as the type's own reader does. */
type Decider = (from: Arguments) => Decided | undefined;

export const DECIDED: Readonly<Record<string, Decider>> = {
  "punctuation:no_comma": () => (begun) => begun.includes(","),
  "keywords:forbidden_words": (from) => {
    const words = texts(from, "forbidden_words").filter(isLiteral)
      .map((word) => pythonRegex(`\\b${word}\\b`, { ignoreCase: true }));
    // Whether a word ends where the text does, the next character says.
    return (begun) =>
      words.some((word) => begun.matchAll(word).some((match) => match.index + match[0].length < begun.length));
  },
  "keywords:frequency": (from) => {
    const word = strip(text(from, "keyword"));
    const asked = count(from, "frequency");
    if (relation(from, "relation") !== "less than" || !isLiteral(word)) return undefined;
    const regex = pythonRegex(word, { ignoreCase: true });
    return (begun) => countMatches(regex, begun) >= asked;
  },
  "keywords:letter_frequency": (from) => {
    const letter = text(from, "letter").toLowerCase();
    const asked = count(from, "let_frequency");
    // Which of the two a capital sigma becomes, what follows it says.
    if (relation(from, "let_relation") !== "less than" || /[σς]/.test(letter)) return undefined;
    return (begun) => begun.toLowerCase().split(letter).length - 1 >= asked;
  },
  // With a letter that is right, only one that is wrong can be the trouble.
  "change_case:english_capital": () => (begun) => !isUpper(`${begun}A`),
  "change_case:english_lowercase": () => (begun) => !isLower(`${begun}a`),
  "length_constraints:number_words": (from) => {
    const asked = count(from, "num_words");
    if (relation(from, "relation") !== "less than") return undefined;
    return (begun) => countWords(begun) >= asked;
  },
  "length_constraints:number_paragraphs": (from) => {
    const asked = count(from, "num_paragraphs");
    return (begun) => hasBadParts(begun, STARS, asked);
  },
  "length_constraints:nth_paragraph_first_word": (from) => {
    const asked = count(from, "num_paragraphs");
    const nth = count(from, "nth_paragraph");
    const word = text(from, "first_word").toLowerCase();
    return (begun) => {
      const parts = begun.split("\n\n");
      if (parts.filter((part) => strip(part) !== "").length > asked) return true;
      const paragraph = parts[nth - 1];
      if (paragraph === undefined) return false;
      if (strip(paragraph) === "") return parts.length > nth;
      const first = firstWord(strip(paragraph));
      const ends = parts.length > nth || firstWord(strip(`${paragraph}x`)) === first;
      return ends ? first !== word : !word.startsWith(first);
    };
  },
  "detectable_format:number_bullet_lists": (from) => {
    const asked = count(from, "num_bullets");
    return (begun) => countMatches(STAR_BULLETS, begun) + countMatches(DASH_BULLETS, begun) > asked;
  },
  "detectable_format:json_format": () => (begun) => {
    const [first] = strip(begun);
    // A fence may stand before a value, and NaN and Infinity are values.
    return first !== undefined && !/[`{["\-0-9tfnNI]/.test(first);
  },
  "combination:two_responses": () => (begun) => hasBadParts(begun, "******", 2),
  "combination:repeat_prompt": (from) => {
    const prompt = strip(text(from, "prompt_to_repeat")).toLowerCase();
    return (begun) => {
      const start = strip(begun).toLowerCase();
      return !start.startsWith(prompt) && !prompt.startsWith(start) && !begun.includes("Σ");
    };
  },
  "startend:quotation": () => (begun) => {
    const [first] = strip(begun);
    return first !== undefined && first !== '"';
  },
};

/** Whether a pattern stands for itself, so that what is found in a text is found in every longer one. */
function isLiteral(pattern: string): boolean {
  return !/[\\^$.|?*+()[\]{}]/.test(pattern);
}

/** Whether a part between two separators is blank, or more than `most` are not. */
function hasBadParts(begun: string, separator: string | RegExp, most: number): boolean {
  // Stars at the end may be a separator's.
  const blank = begun.replace(/\*+$/, "").split(separator).map((part) => strip(part) === "");
  return blank.slice(1, -1).includes(true) || blank.filter((one) => !one).length > most;
}
