/** Instructions on words and letters. Keywords are regular expressions, as in the reference, and found inside of words. */
import { ArgumentError, count, type Relation, relation, text, texts } from "./arguments.ts";
import type { Instruction } from "./instruction.ts";
import { countMatches, found, pythonRegex } from "./python_regex.ts";
import { strip } from "./python_text.ts";

export const KEYWORDS: Readonly<Record<string, Instruction>> = {
  "keywords:existence": (from) => {
    const keywords = texts(from, "keywords").map((word) => ({ word, regex: pythonRegex(word, { ignoreCase: true }) }));
    return (response) => {
      const missing = keywords.find(({ regex }) => !found(regex, response));
      return missing && `${JSON.stringify(missing.word)} is missing`;
    };
  },
  "keywords:frequency": (from) => {
    const word = strip(text(from, "keyword"));
    const regex = pythonRegex(word, { ignoreCase: true });
    const asked = count(from, "frequency");
    const comparison = relation(from, "relation");
    return (response) => compared(countMatches(regex, response), comparison, asked, `times ${JSON.stringify(word)}`);
  },
  "keywords:forbidden_words": (from) => {
    const words = texts(from, "forbidden_words")
      .map((word) => ({ word, regex: pythonRegex(`\\b${word}\\b`, { ignoreCase: true }) }));
    return (response) => {
      const used = words.find(({ regex }) => found(regex, response));
      return used && `${JSON.stringify(used.word)} is used`;
    };
  },
  "keywords:letter_frequency": (from) => {
    const given = text(from, "letter");
    const letter = given.toLowerCase();
    if ([...given].length !== 1) throw new ArgumentError(`"letter" is ${JSON.stringify(given)}, not one character`);
    const asked = count(from, "let_frequency");
    const comparison = relation(from, "let_relation");
    return (response) =>
      compared(response.toLowerCase().split(letter).length - 1, comparison, asked, `times ${JSON.stringify(letter)}`);
  },
};

/** What is wrong with a number, or undefined. `what` follows the number: "5 words, ...". */
export function compared(actual: number, comparison: Relation, asked: number, what: string): string | undefined {
  const holds = comparison === "less than" ? actual < asked : actual >= asked;
  return holds ? undefined : `${actual} ${what}, not ${comparison} ${asked}`;
}
