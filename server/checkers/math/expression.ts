/**
 * Expressions of final answers in LaTeX or plain text: parsed, and computed in floating point with chosen values for
 * their variables. Two expressions that agree for several values are taken as the same (Schwartz-Zippel): no algebra is
 * done. What the grammar does not know makes no expression.
 */

export type Expression =
  | { readonly kind: "number"; readonly value: number; readonly text: string }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "call"; readonly name: string; readonly of: readonly Expression[] };

type Token =
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "name"; readonly text: string }
  | { readonly kind: "command"; readonly text: string }
  | { readonly kind: "sign"; readonly text: string };

/** Longest text that is parsed, in characters: final answers are short. */
const MAX_CHARACTERS = 1000;
/** Deepest nesting: each level is a call of the parser. */
const MAX_DEPTH = 60;

const CONSTANTS: Readonly<Record<string, number>> = { pi: Math.PI, e: Math.E, infty: Infinity };
const FUNCTIONS: Readonly<Record<string, (x: number) => number>> = {
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  sec: (x) => 1 / Math.cos(x),
  csc: (x) => 1 / Math.sin(x),
  cot: (x) => 1 / Math.tan(x),
  arcsin: Math.asin,
  arccos: Math.acos,
  arctan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  ln: Math.log,
  log: Math.log10,
  exp: Math.exp,
};
const GREEK: ReadonlySet<string> = new Set(
  ("alpha beta gamma delta epsilon varepsilon zeta eta theta lambda mu nu xi rho sigma tau phi varphi chi psi omega " +
    "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega").split(" "),
);

function tokens(text: string): Token[] | undefined {
  const found: Token[] = [];
  const rule = /\s+|(\d+(?:\.\d+)?|\.\d+)|\\([A-Za-z]+)|([A-Za-z])|(\*\*|[-+*/^_!|(){}[\],])|(.)/gsu;
  for (const [, number, command, letter, sign, other] of text.matchAll(rule)) {
    if (number !== undefined) found.push({ kind: "number", text: number });
    else if (command !== undefined) found.push({ kind: "command", text: command });
    else if (letter !== undefined) found.push({ kind: "name", text: letter });
    else if (sign !== undefined) found.push({ kind: "sign", text: sign === "**" ? "^" : sign });
    else if (other !== undefined) return undefined;
  }
  return withWords(found);
}

/** Names of functions and roots as plain text writes them: `sqrt(2)`, `pi`. */
function withWords(found: readonly Token[]): Token[] {
  const joined: Token[] = [];
  for (let at = 0; at < found.length; at++) {
    const word = WORDS.find((one) =>
      [...one].every((letter, offset) => {
        const token = found[at + offset];
        return token?.kind === "name" && token.text === letter;
      })
    );
    if (word === undefined) joined.push(found[at]!);
    else {
      joined.push({ kind: "command", text: word });
      at += word.length - 1;
    }
  }
  return joined;
}
const WORDS = ["sqrt", "pi", ...Object.keys(FUNCTIONS)].sort((a, b) => b.length - a.length);

/** An expression; undefined for text that the grammar does not know. */
export function parseExpression(text: string): Expression | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const list = tokens(text);
  if (list === undefined || list.length === 0) return undefined;
  const reader: Reader = { list, at: 0, depth: 0 };
  try {
    const parsed = sum(reader);
    return reader.at === reader.list.length ? parsed : undefined;
  } catch (error) {
    if (error instanceof NoExpression) return undefined;
    throw error;
  }
}

class NoExpression extends Error {}

/** The tokens of a text and how far they have been read. */
interface Reader {
  readonly list: Token[];
  at: number;
  /** Rules that are being read inside of each other. */
  depth: number;
}

const peek = ({ list, at }: Reader): Token | undefined => list[at];

function isSign(reader: Reader, ...signs: readonly string[]): boolean {
  const token = peek(reader);
  return token?.kind === "sign" && signs.includes(token.text);
}

function isCommand(reader: Reader, ...names: readonly string[]): boolean {
  const token = peek(reader);
  return token?.kind === "command" && names.includes(token.text);
}

/** Goes past the next token where it is one of these signs. */
function took(reader: Reader, ...signs: readonly string[]): boolean {
  if (!isSign(reader, ...signs)) return false;
  reader.at++;
  return true;
}

function need(reader: Reader, sign: string): void {
  if (!took(reader, sign)) throw new NoExpression();
}

function nested(reader: Reader, read: (reader: Reader) => Expression): Expression {
  if (++reader.depth > MAX_DEPTH) throw new NoExpression();
  const value = read(reader);
  reader.depth--;
  return value;
}

const call = (name: string, ...of: readonly Expression[]): Expression => ({ kind: "call", name, of });

function sum(reader: Reader): Expression {
  return nested(reader, () => {
    let left = product(reader);
    for (;;) {
      if (took(reader, "+")) left = call("+", left, product(reader));
      else if (took(reader, "-")) left = call("+", left, call("-", product(reader)));
      else return left;
    }
  });
}

function product(reader: Reader): Expression {
  let left = signed(reader);
  for (;;) {
    if (isSign(reader, "*") || isCommand(reader, "cdot", "times")) {
      reader.at++;
      left = call("*", left, signed(reader));
    } else if (isSign(reader, "/") || isCommand(reader, "div")) {
      reader.at++;
      left = call("/", left, signed(reader));
    } else if (beginsFactor(reader)) left = beside(left, power(reader));
    else return left;
  }
}

/** Two factors side by side multiply; a whole number before a fraction of whole numbers is a mixed number. */
function beside(left: Expression, right: Expression): Expression {
  if (isDigits(left) && isDigits(right)) throw new NoExpression();
  const mixed = isWhole(left) && right.kind === "call" && right.name === "frac" && right.of.every(isWhole);
  return call(mixed ? "+" : "*", left, right);
}

function beginsFactor(reader: Reader): boolean {
  const token = peek(reader);
  if (token === undefined) return false;
  if (token.kind === "sign") return ["(", "{", "["].includes(token.text);
  return token.kind !== "command" || !["cdot", "times", "div", "le", "ge"].includes(token.text);
}

function signed(reader: Reader): Expression {
  if (took(reader, "-")) return nested(reader, () => call("-", signed(reader)));
  if (took(reader, "+")) return nested(reader, signed);
  return power(reader);
}

/** An exponent without braces is one digit to LaTeX; plain text means the whole number. */
function power(reader: Reader): Expression {
  let base = factor(reader);
  while (took(reader, "!")) base = call("!", base);
  if (!took(reader, "^")) return base;
  return nested(reader, () => call("^", base, isSign(reader, "-") ? signed(reader) : power(reader)));
}

function group(reader: Reader, open: string, close: string): Expression {
  need(reader, open);
  const inside = sum(reader);
  need(reader, close);
  return inside;
}

/** An argument of a command: a group, or one character. */
function argument(reader: Reader): Expression {
  if (isSign(reader, "{")) return group(reader, "{", "}");
  if (isSign(reader, "(")) return group(reader, "(", ")");
  const token = peek(reader);
  if (token?.kind !== "number") return factor(reader);
  reader.at++;
  if (token.text.includes(".")) return numberOf(token.text);
  const [digit, rest] = [token.text[0]!, token.text.slice(1)];
  // `\frac12` has two arguments: what is left of the digits is the next one's.
  if (rest !== "") reader.list.splice(reader.at, 0, { kind: "number", text: rest });
  return numberOf(digit);
}

function factor(reader: Reader): Expression {
  const token = peek(reader);
  if (token === undefined) throw new NoExpression();
  if (token.kind === "number") {
    reader.at++;
    return numberOf(token.text);
  }
  if (token.kind === "name") {
    reader.at++;
    return withIndex(reader, token.text);
  }
  if (token.kind === "command") return command(reader, token.text);
  if (token.text === "(") return group(reader, "(", ")");
  if (token.text === "[") return group(reader, "[", "]");
  if (token.text === "{") return group(reader, "{", "}");
  if (token.text === "|") return call("abs", group(reader, "|", "|"));
  throw new NoExpression();
}

function withIndex(reader: Reader, name: string): Expression {
  if (!took(reader, "_")) return name === "e" ? numberOf("e") : { kind: "variable", name };
  const isBraced = took(reader, "{");
  const token = peek(reader);
  if (token === undefined || token.kind === "sign") throw new NoExpression();
  reader.at++;
  if (isBraced) need(reader, "}");
  return { kind: "variable", name: `${name}_${token.text}` };
}

function command(reader: Reader, name: string): Expression {
  reader.at++;
  if (name === "frac" || name === "binom") return call(name, argument(reader), argument(reader));
  if (name === "sqrt") {
    const degree = isSign(reader, "[") ? group(reader, "[", "]") : numberOf("2");
    return call("root", argument(reader), degree);
  }
  if (name === "lvert" || name === "vert") {
    const inside = sum(reader);
    if (!isCommand(reader, "rvert", "vert")) throw new NoExpression();
    reader.at++;
    return call("abs", inside);
  }
  if (name in CONSTANTS) return numberOf(name);
  if (GREEK.has(name)) return withIndex(reader, `\\${name}`);
  if (FUNCTIONS[name] === undefined) throw new NoExpression();
  return applied(reader, name);
}

/** `\sin^2 x`, `\log_2 8`, `\ln(x)`, `\sin 2x`. */
function applied(reader: Reader, name: string): Expression {
  const base = name === "log" && took(reader, "_") ? argument(reader) : undefined;
  const exponent = took(reader, "^") ? argument(reader) : undefined;
  const of = isSign(reader, "(", "{") ? factor(reader) : nested(reader, juxtaposed);
  const value = base === undefined ? call(name, of) : call("/", call("ln", of), call("ln", base));
  return exponent === undefined ? value : call("^", value, exponent);
}

function juxtaposed(reader: Reader): Expression {
  let left = power(reader);
  while (beginsFactor(reader) && peek(reader)?.kind !== "command") left = beside(left, power(reader));
  return left;
}

function numberOf(text: string): Expression {
  return { kind: "number", text, value: CONSTANTS[text] ?? Number(text) };
}

function isDigits(expression: Expression): boolean {
  return expression.kind === "number" && /^[\d.]/.test(expression.text);
}

function isWhole(expression: Expression): boolean {
  return expression.kind === "number" && /^\d+$/.test(expression.text);
}

/** The names of an expression's variables. */
export function variablesOf(expression: Expression): readonly string[] {
  if (expression.kind === "variable") return [expression.name];
  return expression.kind === "call" ? [...new Set(expression.of.flatMap(variablesOf))] : [];
}

/** The value of an expression; not finite where it has none. */
export function valueOf(expression: Expression, variables: ReadonlyMap<string, number>): number {
  if (expression.kind === "number") return expression.value;
  if (expression.kind === "variable") return variables.get(expression.name) ?? NaN;
  const [a = NaN, b = NaN] = expression.of.map((one) => valueOf(one, variables));
  switch (expression.name) {
    case "+":
      return a + b;
    case "-":
      return -a;
    case "*":
      return a * b;
    case "/":
    case "frac":
      return a / b;
    case "^":
      return a ** b;
    case "root":
      return a < 0 && b % 2 === 1 ? -((-a) ** (1 / b)) : b === 2 ? Math.sqrt(a) : a ** (1 / b);
    case "abs":
      return Math.abs(a);
    case "!":
      return productBetween(1, a);
    case "binom":
      return Number.isInteger(b) && b >= 0 ? productBetween(a - b + 1, a) / productBetween(1, b) : NaN;
    default:
      return FUNCTIONS[expression.name]?.(a) ?? NaN;
  }
}

/** The product of the whole numbers from one to another. */
function productBetween(from: number, to: number): number {
  if (!Number.isInteger(from) || !Number.isInteger(to) || to - from > 200 || to < 0) return NaN;
  let value = 1;
  for (let factor = from; factor <= to; factor++) value *= factor;
  return value;
}
