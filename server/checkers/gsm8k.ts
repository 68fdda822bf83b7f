/**
 * GSM8K: whether the number that a response ends in is the gold one. It stands after `####`, as the benchmark's own
 * solutions have it, else in `\\boxed{}`, else after "the answer is", else it is the last number of the response.
 */
import type { CheckItem, Verdict } from "./checker.ts";
import { finalAnswer } from "./math.ts";
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
  const places: readonly (readonly [found: string, text: string | undefined])[] = [
    ["####", /####([^\n]*)/.exec(response)?.[1]],
    ["boxed", finalAnswer(response)],
    ["answer is", [...response.matchAll(/answer is:?([^\n]*)/gi)].at(-1)?.[1]],
  ];
  for (const [found, text] of places) {
    const [number] = text?.match(NUMBER) ?? [];
    if (number !== undefined) return { prediction: plain(number), found };
    // A fraction, or the name of a number: compared as it is.
    if (text !== undefined && text.trim() !== "" && found !== "answer is") return { prediction: text.trim(), found };
  }
  const last = response.match(NUMBER)?.at(-1);
  return last === undefined ? undefined : { prediction: plain(last), found: "last number" };
}

function plain(number: string): string {
  return number.replace(/[$,]/g, "");
}
