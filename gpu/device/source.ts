/**
 * WGSL sources with the little that WGSL lacks: unrolled loops (a broadcast's lane must be a constant) and variants.
 *
 *   #for R 0 16        repeats the lines up to #end with $R = 0 ... 15; bounds may be expressions
 *   #if NAME == value  keeps the lines up to #else or #end when the constant has that value
 *   $(R / 4 + LANES)   integer arithmetic over constants and loop variables, min(a,b) too; $R is short for $(R)
 *
 * A source starts with a comment that describes its operation and bindings; what several share lives in files
 * `NAME.inc.wgsl`, which stand where a source says `#include NAME`. `#include NAME KEY=value ...` gives the constants of
 * these names to the included lines alone: names of variables, mostly, which stand there as $(KEY), or those of other constants.
 * A NAME may be such a $(KEY) too.
 */
/** Values written into a kernel's source before it is compiled; they select variants and unrolled sizes. */
export type Constants = Readonly<Record<string, number | string>>;

const texts = new Map<string, string>();

/** The text of `gpu/kernels/NAME.wgsl`. */
export function readSource(name: string): string {
  let text = texts.get(name);
  if (text === undefined) {
    text = Deno.readTextFileSync(new URL(`../kernels/${name}.wgsl`, import.meta.url));
    texts.set(name, text);
  }
  return text;
}

/** The compiled-in form of a kernel: directives expanded, constants written in. Throws on an unknown name. */
export function expandSource(kernel: string, constants: Constants): string {
  return expandLines(includeSources(readSource(kernel)), constants, kernel).join("\n");
}

/** Included lines stand between `#with KEY=value ...` and `#end`. `given`: what the including lines gave. */
function includeSources(text: string, given: Readonly<Record<string, string>> = {}): string[] {
  return text.split("\n").flatMap((line) => {
    const [, named, pairs] = /^\s*#include (\S+)(.*)$/.exec(line) ?? [];
    if (named === undefined || pairs === undefined) return [line];
    const name = named.replace(/^\$\((\w+)\)$/, (whole, key: string) => given[key] ?? whole);
    const inner = { ...given, ...readPairs(pairs) };
    return [`#with${pairs}`, ...includeSources(readSource(`${name}.inc`), inner), "#end"];
  });
}

const readPairs = (pairs: string): Readonly<Record<string, string>> =>
  Object.fromEntries(Array.from(pairs.matchAll(/(\w+)=(\S+)/g), ([, key, value]) => [key, value]));

function expandLines(lines: readonly string[], scope: Constants, kernel: string): string[] {
  const result: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    const loop = /^\s*#for (\w+) (\S+) (\S+)\s*$/.exec(line);
    const condition = /^\s*#if (\w+) (==|!=) (\w+)\s*$/.exec(line);
    const given = /^#with\b(.*)$/.exec(line);
    if (!loop && !condition && !given) {
      result.push(substitute(line, scope, kernel));
      continue;
    }
    const { end, middle } = matchEnd(lines, at, kernel);
    if (loop) {
      const [, name = "", from = "0", to = "0"] = loop;
      const body = lines.slice(at + 1, end);
      for (let index = evaluate(from, scope, kernel); index < evaluate(to, scope, kernel); index++) {
        result.push(...expandLines(body, { ...scope, [name]: index }, kernel));
      }
    } else if (given) {
      const pairs = Object.entries(readPairs(given[1] as string));
      const own = Object.fromEntries(pairs.map(([name, value]) => [name, scope[value] ?? value]));
      result.push(...expandLines(lines.slice(at + 1, end), { ...scope, ...own }, kernel));
    } else if (condition) {
      const [, name = "", operator, value = ""] = condition;
      if (scope[name] === undefined) throw new Error(`${kernel}.wgsl: constant ${name} is not set`);
      const holds = (String(scope[name]) === value) === (operator === "==");
      const body = holds
        ? lines.slice(at + 1, middle ?? end)
        : middle === undefined
        ? []
        : lines.slice(middle + 1, end);
      result.push(...expandLines(body, scope, kernel));
    }
    at = end;
  }
  return result;
}

function matchEnd(lines: readonly string[], start: number, kernel: string): { end: number; middle?: number } {
  let depth = 0;
  let middle: number | undefined;
  for (let at = start; at < lines.length; at++) {
    const line = (lines[at] as string).trim();
    if (/^#(for|if|with)\b/.test(line)) depth++;
    else if (line === "#else" && depth === 1) middle = at;
    else if (line === "#end" && --depth === 0) return middle === undefined ? { end: at } : { end: at, middle };
  }
  throw new Error(`${kernel}.wgsl:${start + 1}: no #end`);
}

function substitute(line: string, scope: Constants, kernel: string): string {
  return line
    .replace(
      /\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)/g,
      (_, expression: string) => {
        const value = scope[expression];
        return typeof value === "string" ? value : String(evaluate(expression, scope, kernel));
      },
    )
    .replace(/\$(\w+)/g, (_, name: string) => {
      if (scope[name] === undefined) throw new Error(`${kernel}.wgsl: constant ${name} is not set`);
      return String(scope[name]);
    });
}

/** Integer arithmetic with + - * / %, min(a,b) and parentheses; division rounds down. */
function evaluate(expression: string, scope: Constants, kernel: string): number {
  const tokens = expression.match(/\d+|\w+|[-+*/%(),]/g) ?? [];
  let at = 0;
  const fail = (): never => {
    throw new Error(`${kernel}.wgsl: cannot evaluate "${expression}"`);
  };
  const take = (token: string) => tokens[at++] === token || fail();
  const atom = (): number => {
    const token = tokens[at++] ?? fail();
    if (token === "(") {
      const value = sum();
      take(")");
      return value;
    }
    if (token === "min") {
      take("(");
      const one = sum();
      take(",");
      const other = sum();
      take(")");
      return Math.min(one, other);
    }
    const value = /^\d/.test(token) ? Number(token) : Number(scope[token.replace(/^\$/, "")]);
    return Number.isInteger(value) ? value : fail();
  };
  const product = (): number => {
    let value = atom();
    for (let operator = tokens[at]; operator && "*/%".includes(operator); operator = tokens[at]) {
      at++;
      const right = atom();
      value = operator === "*" ? value * right : operator === "/" ? Math.floor(value / right) : value % right;
    }
    return value;
  };
  const sum = (): number => {
    let value = product();
    for (let operator = tokens[at]; operator && "+-".includes(operator); operator = tokens[at]) {
      at++;
      const right = product();
      value = operator === "+" ? value + right : value - right;
    }
    return value;
  };
  const value = sum();
  return at === tokens.length ? value : fail();
}
