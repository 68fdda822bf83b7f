/**
 * MATH: the final answer of a response, and whether it equals the gold one: by the string rules of the benchmark's own
 * grader (Hendrycks et al., `modeling/math_equivalence.py`), which do no arithmetic, else by value (math/value.ts).
 */
import type { CheckItem, Verdict } from "./checker.ts";
import { sameValue } from "./math/value.ts";
import { withoutThinking } from "./thinking.ts";

type MathItem = Extract<CheckItem, { readonly kind: "math" }>;

/**
 * Compares the response's final answer with the item's. Detail: `{gold, prediction}`, prediction null when none was found
 * where the item's convention has it, and `equivalence`, how they are the same: "strings" or "value".
 */
export function checkMath(item: MathItem, response: string): Verdict {
  const { convention = "boxed" } = item;
  const prediction = CONVENTIONS[convention].find(withoutThinking(response));
  if (prediction !== undefined) return checkFinalAnswer(item, prediction);
  const detail = { gold: item.answer, prediction: null };
  const reason = `the response has no final answer ${CONVENTIONS[convention].where}`;
  // Where nobody asked for a form of the answer, one that was not found may be there all the same.
  return { passed: convention === "any" ? null : false, reason, detail };
}

/** Compares a final answer that was found already. */
export function checkFinalAnswer({ answer: gold }: MathItem, prediction: string): Verdict {
  const equivalence = equivalent(gold, prediction) ? "strings" : sameValue(gold, prediction) ? "value" : undefined;
  if (equivalence !== undefined) return { passed: true, detail: { gold, prediction, equivalence } };
  return { passed: false, reason: `the final answer is ${prediction}, not ${gold}`, detail: { gold, prediction } };
}

/** Where a benchmark's harness looks for the final answer. */
const CONVENTIONS: Readonly<
  Record<NonNullable<MathItem["convention"]>, {
    readonly where: string;
    readonly find: (response: string) => string | undefined;
  }>
> = {
  boxed: { where: "in \\boxed{...}", find: finalAnswer },
  sentence: { where: 'after "The final answer is"', find: (response) => inSentence(response) ?? finalAnswer(response) },
  dollars: { where: "between dollar signs", find: betweenDollars },
  any: {
    where: "that is marked as one",
    find: (response) => finalAnswer(response) ?? inSentence(response) ?? afterMark(response),
  },
};

/** "The final answer is $X$. I hope it is correct.", as the four examples of Minerva's prompt end. */
function inSentence(response: string): string | undefined {
  const found = [...response.matchAll(/The final answer is:?\s*([^]*?)(?:\.\s*I hope it is correct|\.?\s*(?:\n|$))/gi)]
    .at(-1)?.[1];
  const bare = found?.trim().replace(/^\$+([^]*?)\$+$/, "$1").trim();
  if (bare === undefined || bare === "") return undefined;
  return finalAnswer(bare) ?? bare;
}

/** What stands between the first dollar sign and the last; the whole response where there are no two. */
function betweenDollars(response: string): string | undefined {
  const [first, last] = [response.indexOf("$"), response.lastIndexOf("$")];
  const inside = (first < last ? response.slice(first + 1, last) : response).trim();
  const answer = finalAnswer(inside) ?? inside;
  return answer === "" ? undefined : answer;
}

/** After "####", or after "answer is" to the end of its sentence. */
function afterMark(response: string): string | undefined {
  const marked = [...response.matchAll(/####[ \t]*([^\n]+)|\banswer(?: is|:)[ \t]*([^\n]+?)(?:\.?[ \t]*(?:\n|$))/gi)]
    .at(-1);
  const text = (marked?.[1] ?? marked?.[2])?.trim().replace(/^\**\$*([^]*?)\$*\**$/, "$1").trim();
  return text === undefined || text === "" ? undefined : text;
}

/**
 * What stands in the last `\boxed{...}`, or in the last `\fbox{...}` where nothing is boxed; braces are matched. The
 * form `\boxed 5` ends at the next dollar sign. Undefined when there is none, or its brace is never closed.
 */
export function finalAnswer(response: string): string | undefined {
  return boxedAnswer(response)?.text;
}

/** The same with its place: the text is what the response has from `start` on. */
export function boxedAnswer(response: string): { readonly text: string; readonly start: number } | undefined {
  const boxed = response.lastIndexOf("\\boxed");
  const name = boxed >= 0 ? "\\boxed" : "\\fbox";
  const at = boxed >= 0 ? boxed : response.lastIndexOf(name);
  if (at < 0) return undefined;
  const start = at + name.length + 1;
  const opening = response[start - 1];
  if (boxed >= 0 && opening === " ") return { text: response.slice(start).split("$")[0]!, start };
  if (opening !== "{") return undefined;
  let depth = 1;
  for (let end = start; end < response.length; end++) {
    if (response[end] === "{") depth++;
    else if (response[end] === "}" && --depth === 0) return { text: response.slice(start, end), start };
  }
  return undefined;
}

/**
 * Whether two final answers are the same by the string rules. Where the rules do not apply (text that they cannot take
 * apart) the answers are compared as they are, as the benchmark's grader does.
 */
export function equivalent(gold: string, prediction: string): boolean {
  const a = normalised(gold);
  const b = normalised(prediction);
  return a === undefined || b === undefined ? gold === prediction : a === b;
}

/** An answer in the form in which answers are compared; undefined where a rule cannot be applied. */
function normalised(answer: string): string | undefined {
  let text = answer.replaceAll("\n", "").replaceAll("\\!", "").replaceAll("\\\\", "\\");
  text = text.replaceAll("tfrac", "frac").replaceAll("dfrac", "frac");
  text = text.replaceAll("\\left", "").replaceAll("\\right", "");
  text = text.replaceAll("^{\\circ}", "").replaceAll("^\\circ", "").replaceAll("\\$", "");
  const beforeUnits = text.split("\\text{ ");
  if (beforeUnits.length > 2) return undefined;
  text = beforeUnits[0]!.replaceAll("\\%", "").replaceAll(" .", " 0.").replaceAll("{.", "{0.");
  if (text === "") return text;
  if (text.startsWith(".")) text = `0${text}`;
  const sides = text.split("=");
  if (sides.length === 2 && [...sides[0]!].length <= 2) text = sides[1]!;
  const rooted = withRootBraces(text);
  if (rooted === undefined) return undefined;
  const fractions = withFractionBraces(rooted.replaceAll(" ", ""));
  if (fractions === undefined) return undefined;
  return plainFraction(fractions === "0.5" ? "\\frac{1}{2}" : fractions);
}

/** `\sqrt3` becomes `\sqrt{3}`. Undefined where nothing follows a root. */
function withRootBraces(text: string): string | undefined {
  const [first, ...roots] = text.split("\\sqrt");
  let whole = first!;
  for (const root of roots) {
    if (root === "") return undefined;
    const [radicand] = root;
    whole += radicand === "{" ? `\\sqrt${root}` : `\\sqrt{${radicand}}${root.slice(radicand!.length)}`;
  }
  return whole;
}

/**
 * `\frac12` becomes `\frac{1}{2}`, `\frac1{72}` becomes `\frac{1}{72}`. Undefined where nothing follows; a text in which
 * less than two characters follow stays as it is, whole.
 */
function withFractionBraces(text: string): string | undefined {
  const [first, ...fractions] = text.split("\\frac");
  let whole = first!;
  for (const fraction of fractions) {
    if (fraction === "") return undefined;
    if (fraction.startsWith("{")) {
      whole += `\\frac${fraction}`;
      continue;
    }
    const [a, b, ...rest] = fraction;
    if (b === undefined) return text;
    whole += `\\frac{${a}}${b === "{" ? b : `{${b}}`}${rest.join("")}`;
  }
  return whole;
}

/** A whole text like `3/4`, of two integers as Python writes them, becomes `\frac{3}{4}`. */
function plainFraction(text: string): string {
  const parts = text.split("/");
  if (parts.length !== 2 || !parts.every((part) => /^(?:0|-?[1-9]\d*)$/.test(part))) return text;
  return `\\frac{${parts[0]}}{${parts[1]}}`;
}
