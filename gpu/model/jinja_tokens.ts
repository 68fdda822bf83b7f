/**
 * Tokens of a template as @huggingface/jinja cuts them, put so that its parser takes what Jinja's does: exponents of
 * numbers, commas behind the last item in parentheses, tuples of one item, and comparisons in a row.
 */

/** A token of the library, as far as it is looked at here. */
export interface JinjaToken {
  readonly value: string;
  readonly type: string;
  /** Of a comparison: number of the innermost bracket that it stands in, which tells a chain from parentheses. */
  group?: number;
}

/** The name of the call that a tuple of one item becomes; no template can write it. */
export const TUPLE_OF_ONE = "(tuple)";

/** Words after which a parenthesis holds items, and is no call. */
const WORDS: ReadonlySet<string> = new Set(["in", "if", "and", "or", "not", "else", "elif", "is"]);
const CLOSED: ReadonlySet<string> = new Set(["CloseParen", "CloseSquareBracket", "StringLiteral", "NumericLiteral"]);

/** Changes nothing that the library's parser took before. */
export function pythonTokens(tokens: readonly JinjaToken[]): JinjaToken[] {
  const joined = joinExponents(tokens);
  markGroups(joined);
  return closeTuples(joined);
}

/** `1e-7` comes as a number, a name, a sign and a number; in a template no name may follow a number. */
function joinExponents(tokens: readonly JinjaToken[]): JinjaToken[] {
  const joined: JinjaToken[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const [one, name, sign, digits] = tokens.slice(at, at + 4) as [JinjaToken, ...(JinjaToken | undefined)[]];
    const isExponent = one.type === "NumericLiteral" && name?.type === "Identifier";
    // The parser takes a number for a float by its dot.
    const start = one.value.includes(".") ? one.value : `${one.value}.`;
    if (isExponent && /^[eE]\d+$/.test(name.value)) {
      joined.push({ type: one.type, value: `${start}${name.value}` });
      at += 1;
    } else if (
      isExponent && /^[eE]$/.test(name.value) && sign?.type === "AdditiveBinaryOperator" &&
      /^\d+$/.test(digits?.value ?? "")
    ) {
      joined.push({ type: one.type, value: `${start}e${sign.value}${digits!.value}` });
      at += 3;
    } else joined.push(one);
  }
  return joined;
}

/** Numbers the brackets, and says of each comparison in which it stands. */
function markGroups(tokens: readonly JinjaToken[]): void {
  let groups = 0;
  const open = [0];
  for (const token of tokens) {
    if (/^Open/.test(token.type)) open.push(++groups);
    else if (/^Close/.test(token.type)) open.pop();
    else if (token.type === "ComparisonBinaryOperator" || (token.type === "Identifier" && token.value === "in")) {
      token.group = open.at(-1) ?? 0;
    }
  }
}

/** Takes commas behind the last item out; `(a,)` becomes a call that makes a tuple. */
function closeTuples(tokens: readonly JinjaToken[]): JinjaToken[] {
  const written: JinjaToken[] = [];
  /** Of each open bracket: where it was written, and whether it is a parenthesis of items with a comma before. */
  const open: { readonly at: number; readonly holdsItems: boolean; commas: number }[] = [];
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1];
    if (/^Open/.test(token.type)) {
      const isCall = before !== undefined &&
        (CLOSED.has(before.type) || (before.type === "Identifier" && !WORDS.has(before.value)));
      open.push({ at: written.length, holdsItems: token.type === "OpenParen" && !isCall, commas: 0 });
    } else if (token.type === "Comma") open.at(-1)!.commas++;
    else if (/^Close/.test(token.type)) {
      const { at, holdsItems, commas } = open.pop() ?? { at: 0, holdsItems: false, commas: 0 };
      if (holdsItems && before?.type === "Comma") {
        written.pop();
        if (commas === 1) written.splice(at, 0, { type: "Identifier", value: TUPLE_OF_ONE });
      }
    }
    written.push(token);
  }
  return written;
}
