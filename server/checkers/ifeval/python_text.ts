/**
 * Python's view of text, which the reference checkers of IFEval rely on: its whitespace, word characters and cases differ
 * from those of JavaScript. All classes are for regular expressions with the flag `u` or `v`.
 */

/** What stands inside a character class for `str.isspace` and `\s`: with the separators 1C to 1F and 85, without FEFF. */
export const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;
/** Inside a character class: `\w`. Marks are not word characters, numbers of every kind are. */
export const WORD = String.raw`\p{L}\p{N}_`;
/** Inside a character class: `[^\W\d]`, word characters without decimal digits. */
export const LETTER = String.raw`\p{L}\p{Nl}\p{No}_`;
/** `\b`. */
export const BOUNDARY = `(?:(?<=[${WORD}])(?![${WORD}])|(?<![${WORD}])(?=[${WORD}]))`;
/** `$` without MULTILINE: the end, or before a last newline. */
export const END = String.raw`(?=\n?(?![^]))`;

const LEADING = new RegExp(`^[${SPACE}]+`, "u");
const SPACES = new RegExp(`[${SPACE}]+`, "u");
const IS_SPACE = new RegExp(`^[${SPACE}]$`, "u");
/**
 * NLTK counts words by Python's `re`, or from 3.10 on by the package `regex` where that is installed: the one has numbers
 * of every kind and no marks, the other marks and letters in circles, but decimal digits only. What both have counts here.
 */
const WORDS = /[\p{L}\p{Nl}\p{Nd}_]+/gu;

/** `str.strip()`. */
export function strip(text: string): string {
  return stripEnd(text).replace(LEADING, "");
}

/** `str.rstrip()`: from behind by hand, since a regular expression would try every run of spaces. */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && IS_SPACE.test(text[end - 1]!)) end -= 1;
  return text.slice(0, end);
}

/** `str.strip(characters)`, for characters of one code unit. */
export function stripCharacters(text: string, characters: string, side: "both" | "start" | "end" = "both"): string {
  let start = 0;
  let end = text.length;
  while (side !== "end" && start < end && characters.includes(text[start]!)) start += 1;
  while (side !== "start" && end > start && characters.includes(text[end - 1]!)) end -= 1;
  return text.slice(start, end);
}

/** `str.split()`. */
export function split(text: string): readonly string[] {
  return text.split(SPACES).filter((part) => part !== "");
}

/** `str.isupper()`: an upper case character, and none in lower or title case. Characters without case don't matter. */
export function isUpper(text: string): boolean {
  return /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);
}

/** `str.islower()`. */
export function isLower(text: string): boolean {
  return /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);
}

/** How many words NLTK's tokenizer finds, runs of `\w`: "don't" has two. */
export function countWords(text: string): number {
  return text.match(WORDS)?.length ?? 0;
}
