/** Instructions on upper and lower case, and on the language. A text whose language cannot be told passes. */
import { ArgumentError, count, relation, text } from "./arguments.ts";
import type { Check, Instruction } from "./instruction.ts";
import { compared } from "./keyword_instructions.ts";
import { detectLanguage, isLanguage } from "./language.ts";
import { isLower, isUpper } from "./python_text.ts";
import { wordTokens } from "./word_tokens.ts";

export const CASES: Readonly<Record<string, Instruction>> = {
  "change_case:capital_word_frequency": (from) => {
    const asked = count(from, "capital_frequency");
    const comparison = relation(from, "capital_relation");
    return (response) =>
      compared(wordTokens(response).filter(isUpper).length, comparison, asked, "words in capital letters");
  },
  "change_case:english_capital": () => (response) =>
    isUpper(response) ? inLanguage("en")(response) : "it is not all in capital letters",
  "change_case:english_lowercase": () => (response) =>
    isLower(response) ? inLanguage("en")(response) : "it is not all in lower case",
  "language:response_language": (from) => {
    const language = text(from, "language");
    if (isLanguage(language)) return inLanguage(language);
    throw new ArgumentError(`"language" is ${JSON.stringify(language)}, which is none that can be detected`);
  },
};

function inLanguage(asked: string): Check {
  return (response) => {
    const detected = detectLanguage(response);
    return detected === undefined || detected === asked
      ? undefined
      : `its language looks like ${detected}, not ${asked}`;
  };
}
