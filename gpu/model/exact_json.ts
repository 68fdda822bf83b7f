/**
 * JSON that a chat template writes again. JSON.parse forgets what Python's json keeps: that 20.0 is no whole number, the
 * digits of whole numbers above 2^53, and the order of keys that look like indices. What it forgets of an object or a list
 * is kept beside it, so that the value itself stays plain.
 */
import { endOfString } from "./json.ts";

export interface Exactly {
  /** Keys in the order of the text; of a list its indices. */
  readonly keys: readonly string[];
  /** Numbers as they stood in the text, by key. */
  readonly numbers: ReadonlyMap<string, string>;
}

const known = new WeakMap<object, Exactly>();

/** What JSON.parse forgot of this object or list; undefined when nothing. */
export function exactly(value: object): Exactly | undefined {
  return known.get(value);
}

/** Says of a changed copy what was known of the original. */
export function keepExactly(original: object, copy: object): void {
  const kept = known.get(original);
  if (kept) known.set(copy, kept);
}

/** Numbers with a fraction or an exponent, long ones, minus zero, and keys of digits. */
const FORGETFUL = /[:[,]\s*-?\d+(?:\.\d|[eE]|\d{15})|[:[,]\s*-0|"\d+"\s*:/;

/** As JSON.parse, and throws the same errors. */
export function parseExactJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (FORGETFUL.test(text)) new Reader(text).walk(value);
  return value;
}

/** Walks over a text that is valid JSON, beside the value that it gave. */
class Reader {
  #at = 0;
  constructor(readonly text: string) {}

  /** A stack of its own, so that depth is no limit. */
  walk(root: unknown): void {
    const open: { readonly value: object; readonly keys: string[]; readonly numbers: Map<string, string> }[] = [];
    let value = root;
    for (;;) {
      this.#skip();
      const start = this.text[this.#at]!;
      if (start === "{" || start === "[") {
        this.#at++;
        open.push({ value: value as object, keys: [], numbers: new Map() });
      } else {
        const token = this.#scalar();
        const inside = open.at(-1);
        if (inside && typeof value === "number") inside.numbers.set(inside.keys.at(-1)!, token);
      }
      for (;;) {
        const inside = open.at(-1);
        if (!inside) return;
        this.#skip();
        if (this.text[this.#at] === ",") this.#at++;
        this.#skip();
        if (!/[}\]]/.test(this.text[this.#at]!)) break;
        this.#at++;
        known.set(inside.value, { keys: [...new Set(inside.keys)], numbers: inside.numbers });
        open.pop();
      }
      const inside = open.at(-1)!;
      const key = Array.isArray(inside.value) ? String(inside.keys.length) : this.#key();
      inside.keys.push(key);
      value = (inside.value as Readonly<Record<string, unknown>>)[key];
    }
  }

  #key(): string {
    const key = JSON.parse(this.#scalar()) as string;
    this.#skip();
    this.#at++;
    return key;
  }

  #skip(): void {
    while (/\s/.test(this.text[this.#at] ?? "")) this.#at++;
  }

  /** A string, a number or a word. */
  #scalar(): string {
    const from = this.#at;
    WORD.lastIndex = from;
    this.#at = this.text[from] === '"' ? endOfString(this.text, from)! : from + WORD.exec(this.text)![0].length;
    return this.text.slice(from, this.#at);
  }
}

const WORD = /[^\s,\]}]+/y;
