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
  /** For each phrase the place of its instruction in the item; null where that is not known. */
  readonly phraseInstructions?: readonly number[] | null;
}

/** The phrases of the instructions that an answer breaks; all of them where nobody can say which. */
export function brokenPhrases(
  phrases: readonly string[],
  detail: Detail | undefined,
  instructions: readonly number[] | null = null,
): readonly string[] {
  const each = (detail?.["strict"] as { readonly each?: readonly (boolean | null)[] } | undefined)?.each;
  if (!each?.includes(false)) return phrases;
  // Otherwise phrases and instructions stand in one order; where their numbers differ nothing says which belong together.
  if (instructions === null && each.length !== phrases.length) return phrases;
  const broken = phrases.filter((_, index) => each[instructions?.[index] ?? index] === false);
  return broken.length > 0 ? broken : phrases;
}

/** Whether each token is relevant, [tokens]; null when none is marked. */
export function relevantTokens(
  tokenizer: Tokenizer,
  { inputIds, promptTokens, segments, edited, instructionPhrases, phraseInstructions = null }: MarkedCase,
  detail: Detail | undefined,
): boolean[] | null {
  const marked = Array.from(segments, (letter) => letter === "I");
  if (!marked.includes(true)) return null;
  const broken = brokenPhrases(instructionPhrases, detail, phraseInstructions);
  if (edited || broken.length === instructionPhrases.length) return marked;
  const own = segmentsOf(tokenizer, inputIds, promptTokens, broken);
  const relevant = marked.map((isMarked, position) => isMarked && own[position] === "I");
  return relevant.includes(true) ? relevant : marked;
}
