/**
 * Regular expressions of tokenizer.json. The tokenizers library runs them with Oniguruma (Ruby's syntax), whose classes
 * differ from JavaScript's: `\s` has U+0085 and not U+FEFF, `\w` and `\d` are Unicode's, `.`, `^` and `$` know only the
 * line feed. They are translated, class by class.
 */
import { InputError } from "../../errors.ts";

/** Finds the matches in a text, in order: start and end of each, one after the other. */
export interface Pattern {
  readonly source: string;
  readonly find: (text: string) => readonly number[];
}

/** Unicode's White_Space, within a class. */
const SPACE = "\\t-\\r\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

/** What a class's letter stands for, within a class. */
const CLASSES: Readonly<Record<string, string>> = {
  s: SPACE,
  S: `[^${SPACE}]`,
  w: WORD,
  W: `[^${WORD}]`,
  d: "\\p{Nd}",
  D: "\\P{Nd}",
  h: "0-9A-Fa-f",
  H: "[^0-9A-Fa-f]",
};

/** POSIX brackets, within a class. */
const POSIX: Readonly<Record<string, string>> = {
  alpha: "\\p{Alphabetic}",
  digit: "\\p{Nd}",
  alnum: "\\p{Alphabetic}\\p{M}\\p{Nd}",
  space: SPACE,
  upper: "\\p{Uppercase}",
  lower: "\\p{Lowercase}",
  punct: "\\p{P}\\p{S}",
  word: WORD,
  xdigit: "0-9A-Fa-f",
};

/** Whether a character is Unicode's White_Space. */
export const isSpace = (character: string): boolean => SPACE_ONLY.test(character);
const SPACE_ONLY = new RegExp(`^[${SPACE}]$`, "v");

/** Whether a character is part of a word, as Rust's `\w` has it. */
export const isWord = (character: string): boolean => WORD_ONLY.test(character);
const WORD_ONLY = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]$/v;

/** Throws InputError at `where` for what is not translated. */
export function compilePattern(source: string, where: string): Pattern {
  const refuse = (why: string) =>
    new InputError(
      `the pattern ${JSON.stringify(source)} is not supported: ${why}`,
      where,
      "use a model with another tokenizer",
    );
  let expression: RegExp;
  try {
    expression = new RegExp(translate(source), "gv");
  } catch (error) {
    throw refuse((error as Error).message.replaceAll(/\s+/g, " "));
  }
  return { source, find: (text) => findAll(expression, text) };
}

/** A pattern that is this text. */
export function literalPattern(text: string): Pattern {
  return {
    source: text,
    find: (within) => {
      const found: number[] = [];
      if (text === "") return found;
      for (let at = within.indexOf(text); at >= 0; at = within.indexOf(text, at + text.length)) {
        found.push(at, at + text.length);
      }
      return found;
    },
  };
}

function findAll(expression: RegExp, text: string): readonly number[] {
  const found: number[] = [];
  expression.lastIndex = 0;
  for (let match = expression.exec(text); match; match = expression.exec(text)) {
    const end = match.index + match[0].length;
    if (match[0] !== "") found.push(match.index, end);
    // An empty match finds nothing, and the search goes on behind the next character.
    else expression.lastIndex = end + ((text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1);
  }
  return found;
}

/** Oniguruma's syntax as JavaScript's with the flag v. Throws Error for what is not translated. */
export function translate(source: string): string {
  return new Translation(source).all();
}

/** One pass over a pattern. */
class Translation {
  #at = 0;
  #atomic = 0;
  constructor(readonly source: string) {}

  all(): string {
    const text = this.#alternatives();
    if (this.#at < this.source.length) throw new Error(`unmatched ${this.source[this.#at]}`);
    return text;
  }

  /** Up to the end of the group. `(?i)` inside applies to what follows it in the group. */
  #alternatives(): string {
    let text = "";
    while (this.#at < this.source.length && this.source[this.#at] !== ")") {
      if (this.#take("|")) {
        text += "|";
        continue;
      }
      const options = /^\(\?([imsx-]+)\)/.exec(this.source.slice(this.#at));
      if (options) {
        this.#at += options[0].length;
        return `${text}(?${flags(options[1]!)}:${this.#alternatives()})`;
      }
      text += this.#quantified();
    }
    return text;
  }

  #quantified(): string {
    let text = this.#atom();
    for (let isFirst = true;; isFirst = false) {
      const quantifier = /^(?:[*+?]|\{\d*,?\d*\})/.exec(this.source.slice(this.#at, this.#at + 16))?.[0];
      // Ruby reads `{` that begins no quantifier as itself.
      if (quantifier === undefined || /^\{,?\}$/.test(quantifier)) return text;
      this.#at += quantifier.length;
      const repeated = `${isFirst ? text : `(?:${text})`}${quantifier.replace(/^\{,/, "{0,")}`;
      if (this.#take("?")) text = `${repeated}?`;
      else text = quantifier[0] !== "{" && this.#take("+") ? this.#possessive(repeated) : repeated;
    }
  }

  /** What matched is not given back: a lookahead does not backtrack into. */
  #possessive(text: string): string {
    const name = `atomic${++this.#atomic}`;
    return `(?:(?=(?<${name}>${text}))\\k<${name}>)`;
  }

  #atom(): string {
    const character = this.#next();
    if (character === "(") return this.#group();
    if (character === "[") return this.#class();
    if (character === "\\") return this.#escape(false);
    if (character === ".") return "[^\\n]";
    if (character === "^") return "(?<![^\\n])";
    if (character === "$") return "(?![^\\n])";
    return literal(character);
  }

  #group(): string {
    if (this.#take("?>")) return this.#possessive(this.#rest());
    const opening = /^\?(?:[:=!]|<[=!]|<[A-Za-z_]\w*>)/.exec(this.source.slice(this.#at))?.[0];
    const options = opening === undefined ? /^\?([imsx-]+):/.exec(this.source.slice(this.#at)) : null;
    if (options) {
      this.#at += options[0].length;
      return `(?${flags(options[1]!)}:${this.#rest()})`;
    }
    if (opening === undefined && this.source[this.#at] === "?") throw new Error("this kind of group");
    this.#at += opening?.length ?? 0;
    return `(${opening === undefined || opening.endsWith(">") ? "?:" : opening}${this.#rest()})`;
  }

  #rest(): string {
    const text = this.#alternatives();
    if (!this.#take(")")) throw new Error("an open group");
    return text;
  }

  #class(): string {
    const opening = this.#take("^") ? "[^" : "[";
    let text = "";
    let mayBeginRange = false;
    for (let isFirst = true;; isFirst = false) {
      const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.source.slice(this.#at, this.#at + 16));
      const members = POSIX[posix?.[2] ?? ""];
      if (posix && members !== undefined) {
        text += posix[1] ? `[^${members}]` : members;
        this.#at += posix[0].length;
        mayBeginRange = false;
        continue;
      }
      // Both sides of an intersection are classes of their own.
      if (this.#take("&&")) return `${opening}[${text}]&&${this.#class()}]`;
      const character = this.#next();
      if (character === "]" && !isFirst) return `${opening}${text}]`;
      if (character === "-" && mayBeginRange && this.#endsRange()) {
        text += "-";
        mayBeginRange = false;
        continue;
      }
      const member = character === "[" ? this.#class() : character === "\\" ? this.#escape(true) : literal(character);
      mayBeginRange = isOne(member);
      text += member;
    }
  }

  /** Whether what comes next is one character, and not a set of them or the end of the class. */
  #endsRange(): boolean {
    return /^(?:[^\]\\[]|\\[^pPsSwWdDhH])/.test(this.source.slice(this.#at, this.#at + 2));
  }

  #escape(inClass: boolean): string {
    const letter = this.#next();
    if (letter === "p" || letter === "P") return this.#property(letter === "P");
    const members = CLASSES[letter];
    if (members !== undefined) return inClass ? members : `[${members}]`;
    const code = /^(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4}))/.exec(
      letter + this.source.slice(this.#at),
    );
    if (code) {
      this.#at += code[0].length - 1;
      return `\\u{${code[1] ?? code[2] ?? code[3]}}`;
    }
    if (/[tnrfv]/.test(letter)) return `\\${letter}`;
    if (letter === "A" && !inClass) return "(?<![\\s\\S])";
    if (letter === "z" && !inClass) return "(?![\\s\\S])";
    if ((letter === "b" || letter === "B") && !inClass) return boundary(letter === "b");
    if (/[0-9A-Za-z]/.test(letter)) throw new Error(`\\${letter}`);
    return literal(letter);
  }

  #property(isNegated: boolean): string {
    const named = /^(?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))/.exec(this.source.slice(this.#at));
    if (!named) throw new Error("\\p without a name");
    this.#at += named[0].length;
    const name = named[2] ?? named[3]!;
    const letter = isNegated !== (named[1] === "^") ? "P" : "p";
    const property = [name, `Script=${name}`].find((one) => {
      try {
        return new RegExp(`\\p{${one}}`, "v");
      } catch {
        return false;
      }
    });
    if (property === undefined) throw new Error(`\\p{${name}}`);
    return `\\${letter}{${property}}`;
  }

  #take(text: string): boolean {
    if (!this.source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #next(): string {
    const code = this.source.codePointAt(this.#at);
    if (code === undefined) throw new Error("it ends too early");
    const character = String.fromCodePoint(code);
    this.#at += character.length;
    return character;
  }
}

/** Ruby's m is JavaScript's s, which `.` does not need here; x is not translated. */
function flags(options: string): string {
  const others = options.replaceAll("m", "").replace(/-$/, "");
  if (/[^i-]/.test(others)) throw new Error(`the options ${options}`);
  return others;
}

/** One character as itself, inside and outside of classes. */
function literal(character: string): string {
  return /[0-9A-Za-z]/.test(character) || character > "\x7f"
    ? character
    : `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

/** Whether a member of a class is one character. */
function isOne(member: string): boolean {
  return /^(?:[^\\[]|\\u\{[0-9A-Fa-f]+\}|\\[tnrfv])$/u.test(member);
}

function boundary(is: boolean): string {
  const [one, other] = [`[${WORD}]`, `[${WORD}]`];
  return is
    ? `(?:(?<=${one})(?!${other})|(?<!${one})(?=${other}))`
    : `(?:(?<=${one})(?=${other})|(?<!${one})(?!${other}))`;
}
