/**
 * Whether two final answers have the same value: numbers, fractions, decimals, percentages, thousands separators, units,
 * tuples, intervals, sets, lists, matrices, equations that name a value, and expressions. Stronger than the string rules
 * of the benchmark's own grader; docs/checkers.md has the limits.
 */
import { type Expression, parseExpression, valueOf, variablesOf } from "./expression.ts";

/** Relative difference of values that are the same: rounding in double precision. */
const TOLERANCE = 1e-9;
/** Values for the variables of expressions, by turns: irrational, of different sizes and signs. */
const SAMPLES: readonly (readonly number[])[] = [
  [1.3719, 2.2361, 0.5772, 3.3166],
  [0.6931, 1.6449, 2.8284, 0.9159],
  [2.5851, 0.3183, 1.2020, 1.7724],
  [-0.8346, 1.1283, -1.4142, 0.6180],
  [3.1623, -2.6651, 0.2614, -1.3063],
];
/** Longest answers that are compared, in characters. */
const MAX_CHARACTERS = 1000;

type Value =
  /** Tuples and intervals keep their order and their brackets; sets and plain lists do not. */
  | { readonly kind: "sequence"; readonly open: string; readonly close: string; readonly parts: readonly Value[] }
  | { readonly kind: "set"; readonly parts: readonly Value[] }
  | { readonly kind: "union"; readonly parts: readonly Value[] }
  | { readonly kind: "matrix"; readonly rows: readonly (readonly Value[])[] }
  | { readonly kind: "amount"; readonly expression: Expression; readonly percent: boolean; readonly unit: string }
  /** A whole number in another base is not the number that its digits show. */
  | { readonly kind: "based"; readonly digits: string; readonly base: string }
  | { readonly kind: "text"; readonly text: string };

/** Whether a prediction has the value of the gold answer. What cannot be read as a value is compared as text. */
export function sameValue(gold: string, prediction: string): boolean {
  if (gold.length > MAX_CHARACTERS || prediction.length > MAX_CHARACTERS) return false;
  const a = readValue(cleaned(gold));
  const b = readValue(cleaned(prediction));
  return a !== undefined && b !== undefined && same(a, b);
}

/** An answer without what only sets it: spaces, sizes of brackets, dollars, degrees, the full stop. */
function cleaned(answer: string): string {
  return answer
    .replace(/\\(?:displaystyle|textstyle|limits|nolimits|boxed(?=\{))/g, "")
    .replace(/\\(?:left|right|[Bb]igg?[lr]?)(?![A-Za-z])\s*\.?/g, "")
    .replace(/(?<!\\)\\!/g, "")
    .replace(/(?<!\\)\\(?:,|;|:|quad|qquad|\s)|~|\u00A0/g, " ")
    .replace(/\\?\$|\\[()[\]]/g, "")
    .replace(/\\(?:d|t|c)frac/g, "\\frac")
    .replace(/\^\s*(?:\{\s*\\circ\s*\}|\\circ)|°|\\degree/g, " ")
    .replace(/\\(?:leq|leqslant)(?![A-Za-z])|≤/g, "\\le ").replace(/\\(?:geq|geqslant)(?![A-Za-z])|≥/g, "\\ge ")
    .replace(/−|–/g, "-").replace(/∞/g, "\\infty ").replace(/π/g, "\\pi ").replace(/×|·/g, "*").replace(/∪/g, "\\cup ")
    .replace(/√/g, "\\sqrt ")
    .trim().replace(/[.,;:]$/, "").trim();
}

function readValue(text: string): Value | undefined {
  if (text === "") return undefined;
  const matrix = /^\\begin\{([pbvBV]?matrix)\}([^]*)\\end\{\1\}$/.exec(text);
  if (matrix) return readMatrix(matrix[2]!);
  const unions = splitOutside(text, (rest) => /^(?:\\cup(?![A-Za-z])|U(?=\s*[([]))/.exec(rest)?.[0]);
  if (unions.length > 1) return partsOf("union", unions);
  const enclosed = readEnclosed(text);
  if (enclosed) return enclosed;
  const named = valueNamed(text);
  if (named !== undefined) return readValue(named);
  const listed = splitOutside(
    text,
    (rest) => /^(?:,(?!\d{3}(?!\d))|,\s|\s*\\text\s*\{\s*(?:and|or)\s*\}|\s(?:and|or)\s)/.exec(rest)?.[0],
  );
  if (listed.length > 1) return partsOf("set", listed);
  const based = /^([0-9A-Za-z]+)_\{?(\d+)\}?$/.exec(text.replaceAll(" ", ""));
  if (based) return { kind: "based", digits: based[1]!.toLowerCase().replace(/^0+(?=.)/, ""), base: based[2]! };
  const words =
    /^(?:\\(?:text|mathrm|textrm|mathbf|textbf|mbox|mathit)\s*\{[^{}]*\}|[A-Za-z]|[A-Za-z]{3,}[A-Za-z .-]*)$/.test(
      text,
    );
  return (words ? undefined : readAmount(text)) ?? { kind: "text", text: plainText(text) };
}

function partsOf(kind: "union" | "set", texts: readonly string[]): Value | undefined {
  const parts = texts.filter((text) => text.trim() !== "").map((text) => readValue(text.trim()));
  return parts.every((part) => part !== undefined) ? { kind, parts } : undefined;
}

function readMatrix(inside: string): Value | undefined {
  const rows = inside.split("\\\\").filter((row) => row.trim() !== "")
    .map((row) => row.split("&").map((cell) => readValue(cell.trim())));
  return rows.every((row) => row.every((cell) => cell !== undefined))
    ? { kind: "matrix", rows: rows as Value[][] }
    : undefined;
}

/** A tuple, an interval or a set: brackets round the whole with a comma inside; braces round one value are a set too. */
function readEnclosed(text: string): Value | undefined {
  const braces = /^\\\{([^]*)\\\}$/.exec(text);
  if (braces && closesAtEnd(text)) return partsOf("set", splitOutside(braces[1]!, comma));
  const [open, close] = [text[0]!, text.at(-1)!];
  if (!"([".includes(open) || !")]".includes(close) || !closesAtEnd(text)) return undefined;
  const parts = splitOutside(text.slice(1, -1), comma).map((part) => readValue(part.trim()));
  if (parts.length < 2 || !parts.every((part) => part !== undefined)) return undefined;
  return { kind: "sequence", open, close, parts };
}

const comma = (rest: string): string | undefined => rest.startsWith(",") ? "," : undefined;

/** Whether the bracket that a text begins with is closed by its last one. */
function closesAtEnd(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    if ("([{".includes(text[at]!)) depth++;
    else if (")]}".includes(text[at]!) && --depth === 0) return at === text.length - 1;
  }
  return false;
}

/** Splits a text where `separator` finds one, outside of all brackets. */
function splitOutside(text: string, separator: (rest: string) => string | undefined): string[] {
  const parts: string[] = [];
  let start = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const found = depth === 0 ? separator(text.slice(at)) : undefined;
    if (found !== undefined && found !== "") {
      parts.push(text.slice(start, at));
      at += found.length - 1;
      start = at + 1;
    } else if ("([{".includes(text[at]!)) depth++;
    else if (")]}".includes(text[at]!)) depth--;
  }
  parts.push(text.slice(start));
  return parts;
}

/** What stands behind a name: `x = 5`, `f(x) = 2x`, `x \in [1, 2]`. An equation of two expressions is no name. */
function valueNamed(text: string): string | undefined {
  const found = /^\s*(?:[A-Za-z]|\\[A-Za-z]+)(?:_\{?\w+\}?)?'?(?:\([A-Za-z, ]*\))?\s*(?:=|\\in(?![A-Za-z]))\s*([^=]+)$/
    .exec(text);
  return found?.[1]?.trim();
}

/** An expression with its unit or percent sign. */
function readAmount(text: string): Value | undefined {
  const percent = /\\?%\s*$|\\text\s*\{\s*percent\s*\}\s*$|\spercent\s*$/i.test(text);
  const bare = percent ? text.replace(/\\?%\s*$|\\text\s*\{\s*percent\s*\}\s*$|\spercent\s*$/i, "") : text;
  const unit = unitOf(bare);
  const number = withoutThousands(unit === undefined ? bare : bare.slice(0, bare.length - unit.length)).trim();
  const expression = parseExpression(number);
  if (expression === undefined) return undefined;
  return { kind: "amount", expression, percent, unit: unit === undefined ? "" : plainUnit(unit) };
}

/** What follows a number as its unit: `\text{ cm}^2`, `\mathrm{km/h}`, or words of at least two letters. */
function unitOf(text: string): string | undefined {
  const boxed = /\s*\\(?:text|mathrm|textrm|mbox)\s*\{[^{}]*\}(?:\s*\^\s*\{?\d\}?)?\s*$/.exec(text);
  if (boxed && boxed.index > 0) return boxed[0];
  const words = /(?<=[\d})])\s*[A-Za-z]{2,}(?:[ /]+[A-Za-z]+)*\.?(?:\^\s*\{?\d\}?)?\s*$/.exec(text);
  if (words === null || words.index === 0) return undefined;
  // `2pi` and `3sqrt` are no units.
  return /^\s*(?:pi|sqrt|sin|cos|tan|ln|log|exp)\b/.test(words[0]) ? undefined : words[0];
}

function plainUnit(unit: string): string {
  const text = unit.replace(/\\(?:text|mathrm|textrm|mbox)/g, "").replace(/[{}\s.]/g, "").toLowerCase();
  return text.replace(/(?<=[a-z]{2})s$/, "");
}

/** `1,000`, `1{,}000`, `1 000` without what separates thousands. */
function withoutThousands(text: string): string {
  return text.replaceAll("{,}", ",").replace(
    /(?<![\d.])\d{1,3}(?:[, ]\d{3})+(?!\d)/g,
    (number) => number.replace(/[, ]/g, ""),
  );
}

/** Words as they are compared: without commands of type and brackets, in lower case. */
function plainText(text: string): string {
  const bare = text.replace(/\\(?:text|mathrm|textrm|mathbf|textbf|mbox|mathit)\s*/g, "").replace(/[{}]/g, "").trim();
  return bare.replace(/^\(([A-Za-z])\)$/, "$1").replace(/\s+/g, " ").toLowerCase();
}

function same(a: Value, b: Value): boolean {
  // A set of one value, and the value by itself.
  if (a.kind === "set" && b.kind !== "set") return a.parts.length === 1 && same(a.parts[0]!, b);
  if (b.kind === "set" && a.kind !== "set") return same(b, a);
  if (a.kind === "sequence" && b.kind === "sequence") {
    return a.open === b.open && a.close === b.close && sameParts(a.parts, b.parts);
  }
  if ((a.kind === "set" && b.kind === "set") || (a.kind === "union" && b.kind === "union")) {
    return sameBags(a.parts, b.parts);
  }
  if (a.kind === "matrix" && b.kind === "matrix") {
    return a.rows.length === b.rows.length && a.rows.every((row, at) => sameParts(row, b.rows[at]!));
  }
  if (a.kind === "amount" && b.kind === "amount") return sameAmount(a, b);
  // The question says the base: an answer may leave it out.
  if (a.kind === "based" && b.kind === "amount") return b.unit === "" && !b.percent && digitsOf(b) === a.digits;
  if (b.kind === "based" && a.kind === "amount") return same(b, a);
  if (a.kind === "based" && b.kind === "based") return a.digits === b.digits && a.base === b.base;
  return a.kind === "text" && b.kind === "text" && a.text !== "" && a.text === b.text;
}

function sameParts(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((part, at) => same(part, b[at]!));
}

function sameBags(a: readonly Value[], b: readonly Value[]): boolean {
  if (a.length !== b.length) return false;
  const left = [...b];
  return a.every((part) => {
    const at = left.findIndex((other) => same(part, other));
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
}

function digitsOf({ expression }: Amount): string | undefined {
  return expression.kind === "number" ? expression.text.replace(/^0+(?=.)/, "") : undefined;
}

type Amount = Extract<Value, { readonly kind: "amount" }>;

/** Units differ only where both are given. Of a percentage the number counts, or what it stands for. */
function sameAmount(a: Amount, b: Amount): boolean {
  if (a.unit !== "" && b.unit !== "" && a.unit !== b.unit) return false;
  if (sameExpression(a.expression, b.expression, 1)) return true;
  return a.percent !== b.percent && sameExpression(a.expression, b.expression, a.percent ? 100 : 0.01);
}

/** Whether `a` is `factor` times `b`, for several values of their variables. */
function sameExpression(a: Expression, b: Expression, factor: number): boolean {
  if (a.kind === "number" && b.kind === "number" && factor === 1 && /^\d+$/.test(a.text) && /^\d+$/.test(b.text)) {
    return BigInt(a.text) === BigInt(b.text);
  }
  const names = [...new Set([...variablesOf(a), ...variablesOf(b)])].sort();
  let compared = 0;
  for (const sample of SAMPLES) {
    const variables = new Map(
      names.map((name, at) => [name, sample[at % sample.length]! + Math.floor(at / sample.length)]),
    );
    const [x, y] = [valueOf(a, variables), factor * valueOf(b, variables)];
    // Where neither has a value, another sample may tell.
    if (Number.isNaN(x) && Number.isNaN(y)) continue;
    if (x !== y && !(Math.abs(x - y) <= TOLERANCE * Math.max(Math.abs(x), Math.abs(y)))) return false;
    compared++;
  }
  return compared > 0;
}
