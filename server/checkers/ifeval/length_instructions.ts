/** Instructions on how many sentences, words and paragraphs a response has. */
import { ArgumentError, count, relation, text } from "./arguments.ts";
import type { Instruction } from "./instruction.ts";
import { compared } from "./keyword_instructions.ts";
import { sentences } from "./punkt.ts";
import { countWords, SPACE, split, strip, stripCharacters } from "./python_text.ts";

/** What stands between paragraphs that are counted by stars. */
export const STARS = new RegExp(String.raw`[${SPACE}]?\*\*\*[${SPACE}]?`, "u");

export const LENGTHS: Readonly<Record<string, Instruction>> = {
  "length_constraints:number_sentences": (from) => {
    const asked = count(from, "num_sentences");
    const comparison = relation(from, "relation");
    return (response) => compared(sentences(response).length, comparison, asked, "sentences");
  },
  "length_constraints:number_words": (from) => {
    const asked = count(from, "num_words");
    const comparison = relation(from, "relation");
    return (response) => compared(countWords(response), comparison, asked, "words");
  },
  "length_constraints:number_paragraphs": (from) => {
    const asked = count(from, "num_paragraphs");
    return (response) => {
      const parts = response.split(STARS).map((part) => strip(part) === "");
      // Nothing before the first or after the last separator is no paragraph; nothing between two is an error.
      if (parts.slice(1, -1).includes(true)) return "a paragraph between two *** is blank";
      const actual = parts.filter((blank) => !blank).length;
      return actual === asked ? undefined : `${actual} paragraphs between ***, not ${asked}`;
    };
  },
  "length_constraints:nth_paragraph_first_word": (from) => {
    const asked = count(from, "num_paragraphs");
    const nth = count(from, "nth_paragraph");
    if (nth === 0 || nth > asked) throw new ArgumentError(`"nth_paragraph" is ${nth}, not 1 to ${asked}`);
    const word = text(from, "first_word").toLowerCase();
    return (response) => {
      const parts = response.split("\n\n").map(strip);
      const actual = parts.filter((part) => part !== "").length;
      // Blank pieces are not counted, but the nth piece is sought among them too.
      const paragraph = nth <= actual ? parts[nth - 1]! : "";
      if (paragraph === "") return `there is no paragraph ${nth}`;
      const first = firstWord(paragraph);
      if (first !== word) return `paragraph ${nth} begins with ${JSON.stringify(first)}, not ${JSON.stringify(word)}`;
      return actual === asked ? undefined : `${actual} paragraphs, not ${asked}`;
    };
  },
};

/** The first word in lower case, without quotes before it and what follows a punctuation mark. */
export function firstWord(paragraph: string): string {
  const word = stripCharacters(stripCharacters(split(paragraph)[0]!, "'", "start"), '"', "start");
  // One by one: the lower case of a last sigma depends on its neighbours.
  return [...word.split(/[.,?!'"]/)[0]!].map((letter) => letter.toLowerCase()).join("");
}
