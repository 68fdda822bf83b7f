/**
 * Which tokens a right answer has to use: those of the constraints that the answer breaks, where a checker says which
 * (docs/diagnosis.md), else all tokens of the segment Instruction.
 */
import type { Tokenizer } from "../../gpu/mod.ts";
import type { Detail } from "../../schema/tables/values.ts";
import { segmentsOf } from "../cases/segments.ts";

export interface MarkedCase {
  readonly inputIds: readonly number[];
  readonly promptTokens: number;
  /** Segments as they count: a person's, where somebody changed them. */
  readonly segments: string;
  /** Whether a person changed them; their marks then count as they are. */
  readonly edited: boolean;
  readonly instructionPhrases: readonly string[];
}

/** The phrases of the instructions that an answer breaks; all of them where nobody can say which. */
export function brokenPhrases(phrases: readonly string[], detail: Detail | undefined): readonly string[] {
  const each = (detail?.["strict"] as { readonly each?: readonly (boolean | null)[] } | undefined)?.each;
  // Phrases and instructions stand in one order; where their numbers differ nothing says which belong together.
  if (!each || each.length !== phrases.length || !each.includes(false)) return phrases;
  return phrases.filter((_, index) => each[index] === false);
}

/** Whether each token is relevant, [tokens]; null when none is marked. */
export function relevantTokens(
  tokenizer: Tokenizer,
  { inputIds, promptTokens, segments, edited, instructionPhrases }: MarkedCase,
  detail: Detail | undefined,
): boolean[] | null {
  const marked = Array.from(segments, (letter) => letter === "I");
  if (!marked.includes(true)) return null;
  const broken = brokenPhrases(instructionPhrases, detail);
  if (edited || broken.length === instructionPhrases.length) return marked;
  const own = segmentsOf(tokenizer, inputIds, promptTokens, broken);
  const relevant = marked.map((isMarked, position) => isMarked && own[position] === "I");
  return relevant.includes(true) ? relevant : marked;
}
