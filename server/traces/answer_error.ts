/** The error at a response's final answer: its first token that parts from the right answer. */
import type { Tokenizer } from "../../gpu/mod.ts";
import type { CheckItem } from "../../schema/tables/values.ts";
import { firstPast, spell } from "../cases/segments.ts";
import { answerPlace } from "../checkers/gsm8k.ts";
import { boxedAnswer } from "../checkers/math.ts";

export interface AnswerError {
  /** Where the wrong token stands, counted from the completion's first. */
  readonly at: number;
  readonly target: number;
  readonly contrast: number;
}

const THOUGHT_END = "</think>";

/**
 * The final answer's first token that is another one where the right answer stands in its place, and that other one.
 * Undefined where the response has no final answer, or where it is the right one.
 *
 * @param completionIds the whole response, with the token that ended it if there is one, [tokens]
 */
export function answerError(
  tokenizer: Pick<Tokenizer, "decode" | "encode" | "isSpecial">,
  item: CheckItem,
  completionIds: readonly number[],
): AnswerError | undefined {
  if (item.kind !== "gsm8k" && item.kind !== "math") return undefined;
  const end = completionIds.findLastIndex((id) => !tokenizer.isSpecial(id)) + 1;
  const { text, ends } = spell(tokenizer, completionIds.slice(0, end));
  const thought = text.lastIndexOf(THOUGHT_END) < 0 ? 0 : text.lastIndexOf(THOUGHT_END) + THOUGHT_END.length;
  const answer = text.slice(thought);
  const place = item.kind === "gsm8k" ? answerPlace(answer) : boxedPlace(answer);
  if (place === undefined) return undefined;
  const written = text.slice(thought + place.start, thought + place.end);
  // Tokens up to the one that the answer begins in stay as they are; a currency's sign stays before the number.
  const start = thought + place.start + Number(written.startsWith("$"));
  const first = firstPast(ends, start);
  const from = first === 0 ? 0 : ends[first - 1]!;
  const right = text.slice(from, start) + inTheStyleOf(written, item.answer) + text.slice(thought + place.end);
  const others = [...completionIds.slice(0, first), ...tokenizer.encode(right, { continues: true })];
  const at = completionIds.findIndex((id, position) => position >= first && id !== others[position]);
  const contrast = others[at];
  return at < 0 || contrast === undefined ? undefined : { at, target: completionIds[at]!, contrast };
}

function boxedPlace(answer: string): { readonly start: number; readonly end: number } | undefined {
  const boxed = boxedAnswer(answer);
  return boxed && { start: boxed.start, end: boxed.start + boxed.text.length };
}

/** The right number with commas where the written one has them. */
function inTheStyleOf(written: string, right: string): string {
  if (!/^\d+(?:,\d{3})+/.test(written.replace(/^-?\$?/, "")) || !/^-?\d+/.test(right)) return right;
  const [whole, ...rest] = right.split(".");
  return [whole!.replaceAll(/\B(?=(?:\d{3})+$)/g, ","), ...rest].join(".");
}
