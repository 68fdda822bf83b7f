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
  const parser = openParser(list);
  try {
    const parsed = parser.sum();
    return parser.ended() ? parsed : undefined;
  } catch (error) {
    if (error instanceof NoExpression) return undefined;
    throw error;
  }
}

class NoExpression extends Error {}

function openParser(list: readonly Token[]) {
  let at = 0;
  let depth = 0;
  const peek = (): Token | undefined => list[at];
  const isSign = (text: string, token = peek()) => token?.kind === "sign" && token.text === text;
  const isCommand = (...names: readonly string[]) => {
    const token = peek();
    return token?.kind === "command" && names.includes(token.text);
  };
  const need = (text: string): void => {
    if (!isSign(text)) throw new NoExpression();
    at++;
  };
  const call = (name: string, ...of: Expression[]): Expression => ({ kind: "call", name, of });
  const nested = <T>(read: () => T): T => {
    if (++depth > MAX_DEPTH) throw new NoExpression();
    const value = read();
    depth--;
    return value;
  };

  const sum = (): Expression =>
    nested(() => {
      let left = product();
      for (;;) {
        if (isSign("+")) {
          at++;
          left = call("+", left, product());
        } else if (isSign("-")) {
          at++;
          left = call("+", left, call("-", product()));
        } else return left;
      }
    });
  const product = (): Expression => {
    let left = signed();
    for (;;) {
      if (isSign("*") || isCommand("cdot", "times")) {
        at++;
        left = call("*", left, signed());
      } else if (isSign("/") || isCommand("div")) {
        at++;
        left = call("/", left, signed());
      } else if (beginsFactor()) left = beside(left, power());
      else return left;
    }
  };
  /** Two factors side by side multiply; a whole number before a fraction of whole numbers is a mixed number. */
  const beside = (left: Expression, right: Expression): Expression => {
    if (isDigits(left) && isDigits(right)) throw new NoExpression();
    const mixed = isWhole(left) && right.kind === "call" && right.name === "frac" && right.of.every(isWhole);
    return call(mixed ? "+" : "*", left, right);
  };
  const beginsFactor = (): boolean => {
    const token = peek();
    if (token === undefined) return false;
    if (token.kind === "sign") return token.text === "(" || token.text === "{" || token.text === "[";
    return token.kind !== "command" || !["cdot", "times", "div", "le", "ge"].includes(token.text);
  };
  const signed = (): Expression => {
    if (isSign("-")) {
      at++;
      return nested(() => call("-", signed()));
    }
    if (isSign("+")) {
      at++;
      return nested(signed);
    }
    return power();
  };
  const power = (): Expression => {
    let base = factor();
    while (isSign("!")) {
      at++;
      base = call("!", base);
    }
    if (!isSign("^")) return base;
    at++;
    return nested(() => call("^", base, isSign("-") ? signed() : exponent()));
  };
  /** Without braces LaTeX takes one digit; plain text means the whole number. */
  const exponent = (): Expression => power();
  const group = (open: string, close: string): Expression => {
    need(open);
    const inside = sum();
    need(close);
    return inside;
  };
  /** An argument of a command: a group, or one character. */
  const argument = (): Expression => {
    if (isSign("{")) return group("{", "}");
    if (isSign("(")) return group("(", ")");
    const token = peek();
    if (token?.kind !== "number") return factor();
    at++;
    // `\frac12` has two arguments: what is left of the digits is the next one's.
    if (token.text.length > 1 && !token.text.includes(".")) {
      at--;
      (list as Token[]).splice(at, 1, { kind: "number", text: token.text[0]! }, {
        kind: "number",
        text: token.text.slice(1),
      });
      at++;
    }
    return numberOf(token.text.includes(".") ? token.text : token.text[0]!);
  };
  const factor = (): Expression => {
    const token = peek();
    if (token === undefined) throw new NoExpression();
    if (token.kind === "number") {
      at++;
      return numberOf(token.text);
    }
    if (token.kind === "name") {
      at++;
      return withIndex(token.text);
    }
    if (token.kind === "command") return command(token.text);
    if (token.text === "(") return group("(", ")");
    if (token.text === "[") return group("[", "]");
    if (token.text === "{") return group("{", "}");
    if (token.text === "|") {
      at++;
      const inside = sum();
      need("|");
      return call("abs", inside);
    }
    throw new NoExpression();
  };
  const withIndex = (name: string): Expression => {
    if (!isSign("_")) return name === "e" ? numberOf("e") : { kind: "variable", name };
    at++;
    const token = isSign("{") ? list[at + 1] : peek();
    if (token === undefined || token.kind === "sign") throw new NoExpression();
    at += isSign("{") ? 2 : 1;
    if (list[at - 2]?.text === "{") need("}");
    return { kind: "variable", name: `${name}_${token.text}` };
  };
  const command = (name: string): Expression => {
    at++;
    if (name === "frac") return call("frac", argument(), argument());
    if (name === "binom") return call("binom", argument(), argument());
    if (name === "sqrt") {
      if (!isSign("[")) return call("root", argument(), numberOf("2"));
      const degree = group("[", "]");
      return call("root", argument(), degree);
    }
    if (name === "lvert" || name === "vert") {
      const inside = sum();
      if (!isCommand("rvert", "vert")) throw new NoExpression();
      at++;
      return call("abs", inside);
    }
    if (name in CONSTANTS) return numberOf(name);
    if (GREEK.has(name)) return withIndex(`\\${name}`);
    const known = FUNCTIONS[name];
    if (known === undefined) throw new NoExpression();
    return applied(name);
  };
  /** `\sin^2 x`, `\log_2 8`, `\ln(x)`, `\sin 2x`. */
  const applied = (name: string): Expression => {
    let base: Expression | undefined;
    if (isSign("_") && name === "log") {
      at++;
      base = argument();
    }
    let exponent: Expression | undefined;
    if (isSign("^")) {
      at++;
      exponent = argument();
    }
    const of = isSign("(") || isSign("{") ? factor() : nested(juxtaposed);
    const value = base === undefined ? call(name, of) : call("/", call("ln", of), call("ln", base));
    return exponent === undefined ? value : call("^", value, exponent);
  };
  const juxtaposed = (): Expression => {
    let left = power();
    while (beginsFactor() && peek()?.kind !== "command") left = beside(left, power());
    return left;
  };
  return { sum, ended: () => at === list.length };
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
      return product(1, a);
    case "binom":
      return Number.isInteger(b) && b >= 0 ? product(a - b + 1, a) / product(1, b) : NaN;
    default:
      return FUNCTIONS[expression.name]?.(a) ?? NaN;
  }
}

/** The product of the whole numbers from one to another. */
function product(from: number, to: number): number {
  if (!Number.isInteger(from) || !Number.isInteger(to) || to - from > 200 || to < 0) return NaN;
  let value = 1;
  for (let factor = from; factor <= to; factor++) value *= factor;
  return value;
}
