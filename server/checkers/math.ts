/**
 * MATH: the final answer of a response, and whether it equals the gold one by the string rules of the benchmark's own
 * grader (Hendrycks et al., `modeling/math_equivalence.py`). No arithmetic: 0.5 equals \frac{1}{2}, 0.25 equals 0.25 only.
 */
import type { CheckItem, Verdict } from "./checker.ts";

/** Compares the response's final answer with the item's; detail: `{gold, prediction}`, prediction null when none. */
export function checkMath(item: Extract<CheckItem, { readonly kind: "math" }>, response: string): Verdict {
  const gold = item.answer;
  const prediction = finalAnswer(response);
  const detail = { gold, prediction: prediction ?? null };
  if (prediction === undefined) {
    return { passed: false, reason: "the response has no final answer in \\boxed{...}", detail };
  }
  if (equivalent(gold, prediction)) return { passed: true, detail };
  return { passed: false, reason: `the final answer is ${prediction}, not ${gold}`, detail };
}

/**
 * What stands in the last `\boxed{...}`, or in the last `\fbox{...}` where nothing is boxed; braces are matched. The
 * form `\boxed 5` ends at the next dollar sign. Undefined when there is none, or its brace is never closed.
 */
export function finalAnswer(response: string): string | undefined {
  const boxed = response.lastIndexOf("\\boxed");
  const start = boxed >= 0 ? boxed : response.lastIndexOf("\\fbox");
  if (start < 0) return undefined;
  const rest = response.slice(start + (boxed >= 0 ? "\\boxed" : "\\fbox").length);
  if (boxed >= 0 && rest.startsWith(" ")) return rest.slice(1).split("$")[0]!;
  if (!rest.startsWith("{")) return undefined;
  let depth = 0;
  for (let at = 0; at < rest.length; at++) {
    if (rest[at] === "{") depth++;
    else if (rest[at] === "}" && --depth === 0) return rest.slice(1, at);
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
