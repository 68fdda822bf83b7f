/** What an instruction is: arguments in, a check of responses out. */
import type { Arguments } from "./arguments.ts";

/** Says what is wrong with a response that is not blank, in plain words; undefined when it follows the instruction. */
export type Check = (response: string) => string | undefined;

/** Reads an instruction's arguments. Throws ArgumentError or PatternError when there is no verdict to be had. */
export type Instruction = (from: Arguments) => Check;
