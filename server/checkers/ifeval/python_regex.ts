/**
 * Regular expressions in Python's syntax, turned into JavaScript's: keywords, forbidden words, section splitters and
 * postscript markers of IFEval are patterns, not plain text, and go unescaped into the reference's expressions.
 */
import { BOUNDARY, SPACE, WORD } from "./python_text.ts";

/** Python would refuse the pattern, or it uses what has no counterpart here. */
export class PatternError extends Error {}

const CLASSES: Readonly<Record<string, string>> = {
  w: `[${WORD}]`,
  W: `[^${WORD}]`,
  s: `[${SPACE}]`,
  S: `[^${SPACE}]`,
  d: String.raw`\p{Nd}`,
  D: String.raw`\P{Nd}`,
};
const ANCHORS: Readonly<Record<string, string>> = {
  b: BOUNDARY,
  B: `(?!${BOUNDARY})`,
  A: "(?<![^])",
  Z: "(?![^])",
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, f: 12, v: 11, a: 7 };
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

export interface PatternOptions {
  readonly ignoreCase?: boolean;
  readonly multiline?: boolean;
}

const compiled = new Map<string, RegExp>();
const CACHE_LIMIT = 1000;

/** Compiles a pattern, with the flag `g`. Throws PatternError. Shared: set `lastIndex` before `exec`, or use `match`. */
export function pythonRegex(pattern: string, options: PatternOptions = {}): RegExp {
  const key = `${options.ignoreCase ? "i" : ""}${options.multiline ? "m" : ""}:${pattern}`;
  let regex = compiled.get(key);
  if (regex === undefined) {
    const { source, ignoreCase } = translate(pattern, options);
    try {
      regex = new RegExp(source, ignoreCase ? "giv" : "gv");
    } catch {
      throw new PatternError(`${JSON.stringify(pattern)} is not a regular expression`);
    }
    if (compiled.size >= CACHE_LIMIT) compiled.clear();
    compiled.set(key, regex);
  }
  return regex;
}

/** How often a pattern is found, without overlaps. */
export function countMatches(regex: RegExp, text: string): number {
  return text.match(regex)?.length ?? 0;
}

/** Whether a pattern is found anywhere. */
export function found(regex: RegExp, text: string): boolean {
  return text.search(regex) >= 0;
}

interface Reader {
  readonly characters: readonly string[];
  at: number;
  readonly pattern: string;
  readonly ignoreCase: boolean;
}

/** What a quantifier would repeat: nothing (at a beginning, or an anchor), an atom, or what is repeated already. */
type Last = "nothing" | "atom" | "repeat";

function translate(pattern: string, options: PatternOptions): { source: string; ignoreCase: boolean } {
  const global = /^\(\?([aiu]+)\)/.exec(pattern);
  const ignoreCase = options.ignoreCase === true || (global?.[1]?.includes("i") ?? false);
  const characters = [...pattern.slice(global?.[0].length ?? 0)];
  const reader: Reader = { characters, at: 0, pattern, ignoreCase };
  // Pieces of the pattern, and where the groups begin that are open.
  const pieces: string[] = [];
  const groups: number[] = [];
  let last: Last = "nothing";
  let atom = 0;
  while (reader.at < characters.length) {
    const character = characters[reader.at]!;
    const source = piece(reader, options);
    if (isQuantifier(character, source)) {
      const possessive = source === "+" && last === "repeat";
      if (possessive) pieces.splice(atom, pieces.length, atomic(pieces.slice(atom).join(""), reader));
      else if (last === "nothing") throw new PatternError(`${JSON.stringify(pattern)} repeats nothing`);
      else if (last === "repeat" && source !== "?") {
        throw new PatternError(`${JSON.stringify(pattern)} repeats a repeat`);
      } else pieces.push(source);
      // Nothing follows a lazy or a possessive repeat.
      last = last === "atom" ? "repeat" : "nothing";
      continue;
    }
    if (source.startsWith("(") && character === "(") groups.push(pieces.length);
    pieces.push(source);
    if (character === "(" || character === "|") last = source === "" ? last : "nothing";
    else if (character === ")") {
      atom = groups.pop() ?? 0;
      last = "atom";
    } else {
      atom = pieces.length - 1;
      last = isAnchor(character, characters[reader.at - 1]) ? "nothing" : "atom";
    }
  }
  return { source: pieces.join(""), ignoreCase };
}

function isQuantifier(character: string, source: string): boolean {
  return "*+?".includes(character) || (character === "{" && /^\{\d/.test(source));
}

/** `^`, `$`, and `\b`, `\B`, `\A`, `\Z` by their letter. */
function isAnchor(character: string, letter: string | undefined): boolean {
  return character === "^" || character === "$" || (character === "\\" && ANCHORS[letter ?? ""] !== undefined);
}

/** A possessive repeat gives nothing back: JavaScript has that of lookaheads only. */
function atomic(repeat: string, { pattern }: Reader): string {
  // A further group would change the numbers of the others.
  if (/\\[1-9]/.test(pattern)) {
    throw new PatternError(`${JSON.stringify(pattern)} has possessive repeats and references`);
  }
  const name = `atomic${repeat.length}_${repeat.split("(").length}`;
  if (repeat.includes(`<${name}>`)) throw new PatternError(`${JSON.stringify(pattern)} nests possessive repeats`);
  return `(?:(?=(?<${name}>${repeat}))\\k<${name}>)`;
}

function piece(reader: Reader, { multiline }: PatternOptions): string {
  const character = reader.characters[reader.at++]!;
  switch (character) {
    case "\\":
      return escaped(reader, false);
    case "[":
      return characterClass(reader);
    case "(":
      return group(reader);
    case "{":
      return quantifier(reader);
    case ".":
      return String.raw`[^\n]`;
    case "^":
      return multiline ? String.raw`(?<![^\n])` : "(?<![^])";
    case "$":
      return multiline ? String.raw`(?![^\n])` : String.raw`(?=\n?(?![^]))`;
    case "*":
    case "+":
    case "?":
    case "|":
    case ")":
      return character;
    default:
      return reader.ignoreCase && DOTTED.includes(character) ? `[${DOTTED}]` : literal(character);
  }
}

/** Python takes these for one letter when case is ignored: it lowers each by itself, and knows i and ı as a pair. */
const DOTTED = "iI\u0130\u0131";

/** A character that stands for itself, inside and outside of classes. */
function literal(character: string): string {
  return /^[\p{L}\p{N}]$/u.test(character) ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

function escaped(reader: Reader, inClass: boolean): string {
  const character = reader.characters[reader.at++];
  if (character === undefined) throw new PatternError(`${JSON.stringify(reader.pattern)} ends with a backslash`);
  if (CLASSES[character] !== undefined) return CLASSES[character];
  if (!inClass && ANCHORS[character] !== undefined) return ANCHORS[character];
  if (inClass && character === "b") return String.raw`\x08`;
  if (CONTROLS[character] !== undefined) return literal(String.fromCodePoint(CONTROLS[character]));
  const digits = HEX_DIGITS[character];
  if (digits !== undefined) {
    const hex = reader.characters.slice(reader.at, reader.at + digits).join("");
    if (!new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(hex)) return unknownEscape(reader, character);
    reader.at += digits;
    return `\\u{${hex.replace(/^0+(?=.)/, "")}}`;
  }
  // A reference to a group: at most two digits.
  if (!inClass && /[1-9]/.test(character)) {
    const next = reader.characters[reader.at];
    const more = next !== undefined && /[0-9]/.test(next) ? reader.characters[reader.at++] : "";
    return `(?:\\${character}${more})`;
  }
  return /[A-Za-z0-9]/.test(character) ? unknownEscape(reader, character) : literal(character);
}

function unknownEscape(reader: Reader, character: string): never {
  throw new PatternError(`${JSON.stringify(reader.pattern)} has the unknown escape \\${character}`);
}

function characterClass(reader: Reader): string {
  const { characters, pattern } = reader;
  let source = "[";
  if (characters[reader.at] === "^") {
    source += "^";
    reader.at += 1;
  }
  for (let first = true;; first = false) {
    const character = characters[reader.at++];
    if (character === undefined) throw new PatternError(`${JSON.stringify(pattern)} has a [ without its ]`);
    // A bracket that comes first stands for itself.
    if (character === "]" && !first) return `${source}]`;
    if (character === "\\") source += escaped(reader, true);
    else if (character === "-" && !first && characters[reader.at] !== "]") source += "-";
    else source += reader.ignoreCase && DOTTED.includes(character) ? DOTTED : literal(character);
  }
}

function group(reader: Reader): string {
  const rest = reader.characters.slice(reader.at).join("");
  const take = (text: string, source: string): string => {
    reader.at += [...text].length;
    return source;
  };
  if (!rest.startsWith("?")) return "(";
  const comment = /^\?#[^)]*\)/.exec(rest);
  if (comment) return take(comment[0], "");
  const named = /^\?P<([A-Za-z_][A-Za-z0-9_]*)>/.exec(rest);
  if (named) return take(named[0], `(?<${named[1]}>`);
  const reference = /^\?P=([A-Za-z_][A-Za-z0-9_]*)\)/.exec(rest);
  if (reference) return take(reference[0], `\\k<${reference[1]}>`);
  const plain = /^\?(?::|=|!|<=|<!)/.exec(rest);
  if (plain) return take(plain[0], `(${plain[0]}`);
  throw new PatternError(`${JSON.stringify(reader.pattern)} has a group of an unknown kind`);
}

/** `{2}`, `{2,}`, `{,3}`, `{2,3}`; any other brace stands for itself. */
function quantifier(reader: Reader): string {
  const rest = reader.characters.slice(reader.at, reader.at + 24).join("");
  const match = /^(?:([0-9]+)(,?)([0-9]*)|(,)([0-9]+))\}/.exec(rest);
  if (match === null) return literal("{");
  reader.at += match[0].length;
  return match[4] === undefined ? `{${match[1]}${match[2]}${match[3]}}` : `{0,${match[5]}}`;
}
