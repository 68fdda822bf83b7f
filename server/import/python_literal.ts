/** Python's way of writing a value (`repr`): what older details of lighteval hold in place of lists and tables. */

/** The value of a text such as `['a', "b's", {'x': None}]`; undefined when it is no such literal. */
export function pythonLiteral(text: string): unknown {
  const reader = { text, at: 0 };
  try {
    const value = readValue(reader, 0);
    skipSpaces(reader);
    return reader.at === text.length ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

interface Reader {
  readonly text: string;
  at: number;
}

const WORDS: Readonly<Record<string, unknown>> = { True: true, False: false, None: null, nan: null, inf: null };
const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y;
const WORD = /[A-Za-z_]+/y;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0" };
/** Lists inside of lists, at most. */
const MAX_DEPTH = 50;

const skipSpaces = (reader: Reader): void => {
  while (/\s/.test(reader.text[reader.at] ?? "")) reader.at++;
};

function readValue(reader: Reader, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new SyntaxError("too deep");
  skipSpaces(reader);
  const first = reader.text[reader.at];
  if (first === "'" || first === '"') return readText(reader, first);
  if (first === "[" || first === "(") return readList(reader, first === "[" ? "]" : ")", depth);
  if (first === "{") return readTable(reader, depth);
  const number = match(reader, NUMBER);
  if (number !== undefined) return Number(number);
  const word = match(reader, WORD);
  if (word !== undefined && Object.hasOwn(WORDS, word)) return WORDS[word];
  throw new SyntaxError("no value");
}

function match(reader: Reader, expression: RegExp): string | undefined {
  expression.lastIndex = reader.at;
  const found = expression.exec(reader.text)?.[0];
  if (found !== undefined) reader.at += found.length;
  return found;
}

function readText(reader: Reader, quote: string): string {
  let value = "";
  for (reader.at++;; reader.at++) {
    const letter = reader.text[reader.at];
    if (letter === undefined) throw new SyntaxError("text without an end");
    if (letter === quote) break;
    if (letter !== "\\") {
      value += letter;
      continue;
    }
    const escape = reader.text[++reader.at] ?? "";
    const digits = { x: 2, u: 4, U: 8 }[escape];
    if (digits === undefined) value += ESCAPES[escape] ?? escape;
    else {
      const code = Number.parseInt(reader.text.slice(reader.at + 1, reader.at + 1 + digits), 16);
      if (!(code >= 0 && code <= 0x10ffff)) throw new SyntaxError("no character");
      value += String.fromCodePoint(code);
      reader.at += digits;
    }
  }
  reader.at++;
  return value;
}

function readList(reader: Reader, end: string, depth: number): unknown[] {
  const values: unknown[] = [];
  for (reader.at++;;) {
    skipSpaces(reader);
    if (take(reader, end)) return values;
    values.push(readValue(reader, depth + 1));
    skipSpaces(reader);
    if (!take(reader, ",") && reader.text[reader.at] !== end) throw new SyntaxError("no list");
  }
}

function readTable(reader: Reader, depth: number): Record<string, unknown> {
  const entries: [string, unknown][] = [];
  for (reader.at++;;) {
    skipSpaces(reader);
    if (take(reader, "}")) return Object.fromEntries(entries);
    const key = String(readValue(reader, depth + 1));
    skipSpaces(reader);
    if (!take(reader, ":")) throw new SyntaxError("no table");
    entries.push([key, readValue(reader, depth + 1)]);
    skipSpaces(reader);
    if (!take(reader, ",") && reader.text[reader.at] !== "}") throw new SyntaxError("no table");
  }
}

function take(reader: Reader, letter: string): boolean {
  if (reader.text[reader.at] !== letter) return false;
  reader.at++;
  return true;
}
