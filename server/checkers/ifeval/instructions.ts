/** The 25 types of instructions of IFEval, by the names that items use. */
import type { Instruction } from "./instruction.ts";
import type { Arguments } from "./arguments.ts";
import { CASES } from "./case_instructions.ts";
import { FORMATS } from "./format_instructions.ts";
import { KEYWORDS } from "./keyword_instructions.ts";
import { LENGTHS } from "./length_instructions.ts";

export const INSTRUCTIONS: ReadonlyMap<string, Instruction> = new Map(
  Object.entries({ ...KEYWORDS, ...LENGTHS, ...FORMATS, ...CASES }),
);

/**
 * What makes the reference's own verdict depend on chance, or undefined. It replaces a letter outside of a to z by a
 * random one, anew for each response; here the letter that was asked for is counted.
 */
export function unstable(type: string, from: Arguments | undefined): string | undefined {
  const letter = from?.["letter"];
  if (type !== "keywords:letter_frequency" || typeof letter !== "string" || /^[a-z]$/.test(letter.toLowerCase())) {
    return;
  }
  return `${type}: ${JSON.stringify(letter)} is counted; the reference draws a random letter in its place`;
}
