/**
 * GSM8K: whether the number that a response ends in is the gold one. It stands after `####`, as the benchmark's own
 * solutions have it, else in `\\boxed{}`, else after "the answer is", else it is the last number of the response.
 */
import type { CheckItem, Verdict } from "./checker.ts";
import { boxedAnswer } from "./math.ts";
import { sameValue } from "./math/value.ts";
import { withoutThinking } from "./thinking.ts";

/** Compares; detail: `{gold, prediction, found}`, where `found` names the place. */
export function checkGsm8k(
  { answer: gold }: Extract<CheckItem, { readonly kind: "gsm8k" }>,
  response: string,
): Verdict {
  const found = findNumber(withoutThinking(response));
  if (found === undefined) {
    return { passed: false, reason: "the response holds no number", detail: { gold, prediction: null } };
  }
  const detail = { gold, ...found };
  if (sameValue(gold, found.prediction)) return { passed: true, detail };
  return { passed: false, reason: `the answer is ${found.prediction}, not ${gold}`, detail };
}

/** The gold number of one of the benchmark's rows: what follows `####` in its solution. */
export function goldNumber(solution: string): string | undefined {
  return /####\s*([^\n]+)\s*$/.exec(solution)?.[1]?.trim().replaceAll(",", "");
}

const NUMBER = /-?\$?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+/g;

function findNumber(response: string): { readonly prediction: string; readonly found: string } | undefined {
  const place = answerPlace(response);
  return place && { prediction: place.prediction, found: place.found };
}

/** The final answer of a response: what it says, by what it was found, and its characters from `start` to before `end`. */
export interface AnswerPlace {
  readonly prediction: string;
  readonly found: string;
  readonly start: number;
  readonly end: number;
}

/** Where a response has its final answer; undefined where it has none. */
export function answerPlace(response: string): AnswerPlace | undefined {
  const marked = /####([^\n]*)/.exec(response);
  const boxed = boxedAnswer(response);
  const said = [...response.matchAll(/answer is:?([^\n]*)/gi)].at(-1);
  const behind = (match: RegExpMatchArray) => match.index! + match[0].length - match[1]!.length;
  const places: readonly (readonly [found: string, text: string | undefined, start: number])[] = [
    ["####", marked?.[1], marked ? behind(marked) : 0],
    ["boxed", boxed?.text, boxed?.start ?? 0],
    ["answer is", said?.[1], said ? behind(said) : 0],
  ];
  for (const [found, text, from] of places) {
    if (text === undefined) continue;
    const [number] = text.matchAll(NUMBER);
    if (number !== undefined) return placeOf(found, number[0], from + number.index);
    // A fraction, or the name of a number: compared as it is.
    const bare = text.trim();
    if (bare !== "" && found !== "answer is") {
      const start = from + text.indexOf(bare);
      return { prediction: bare, found, start, end: start + bare.length };
    }
  }
  const last = [...response.matchAll(NUMBER)].at(-1);
  return last && placeOf("last number", last[0], last.index);
}

const placeOf = (found: string, number: string, start: number): AnswerPlace => ({
  prediction: plain(number),
  found,
  start,
  end: start + number.length,
});

function plain(number: string): string {
  return number.replace(/[$,]/g, "");
}
