/** The words before an error in one line, for lists. */

/** Characters that are shown; twice as many are asked for, since control tokens are left out. */
const SHOWN = 120;

/** Control tokens of chat templates, with the role that follows the first of a message. */
const CONTROL = /<\|[^|<>]{1,40}\|>(?:(?:system|user|assistant|tool)\n)?|<\/?think>/g;

/** The end of a rendered chat text without its control tokens, on one line. */
export function lastWords(text: string): string {
  const words = text.replace(CONTROL, " ").replace(/\s+/g, " ").trim();
  const letters = [...words];
  return letters.length > SHOWN ? `…${letters.slice(-SHOWN).join("").trimStart()}` : words;
}
