/** How texts and JSON are spoilt: a few changes in places that a seed decides. */
import type { Random } from "./random.ts";

const PIECES = [
  "{",
  "}",
  "[",
  "]",
  '"',
  "\\",
  "\\u0000",
  "\\ud800",
  "null",
  "-1",
  "1e999",
  "\0",
  "\uFEFF",
  "99999999999999999999",
  "...",
  "$",
  "@",
  "__proto__",
  "\n",
  "\u2028",
  "é😀",
  "[".repeat(500),
  '"'.repeat(99),
];

export const pick = <Value>(random: Random, values: readonly Value[]): Value =>
  values[random.integer(0, values.length - 1)]!;

/** A text that was right, changed in one to eight places. */
export function spoiltText(random: Random, seeds: readonly string[]): string {
  let text = pick(random, seeds);
  for (let count = random.integer(1, 8); count > 0; count--) {
    const at = random.integer(0, text.length);
    const piece = pick(random, PIECES);
    const change = random.integer(0, 3);
    if (change === 0) text = text.slice(0, at) + piece + text.slice(at);
    else if (change === 1) text = text.slice(0, at) + text.slice(at + random.integer(1, 9));
    else if (change === 2) text = text.slice(0, at) + piece + text.slice(at + random.integer(1, 20));
    else text = text.slice(0, at) + text.slice(random.integer(0, text.length)) + text.slice(at);
  }
  return text;
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Values that fit almost nowhere. */
const ODD: readonly (() => Json)[] = [
  () => null,
  () => true,
  () => 0,
  () => -1,
  () => 0.5,
  () => 1e308,
  () => 2 ** 31,
  () => 2 ** 53,
  () => "",
  () => " ",
  () => "\0",
  () => "\ud800",
  () => "1",
  () => "<|im_end|>",
  () => "{{ 7 * 7 }}",
  () => "../../../etc/passwd",
  () => "'; drop table jobs; --",
  () => "é😀".repeat(500),
  () => [],
  () => ({}),
  () => [[[]]],
  () => ({ "__proto__": { polluted: true }, constructor: 1, toString: null }),
  () => Array.from({ length: 300 }, (_, index) => index),
  () => JSON.parse(`${"[".repeat(400)}1${"]".repeat(400)}`) as Json,
];

export const oddValue = (random: Random): Json => pick(random, ODD)();

/** The same JSON with one to three values replaced, left out, doubled, or made a list. */
export function spoiltJson(random: Random, value: Json): Json {
  let spoilt = value;
  for (let count = random.integer(1, 3); count > 0; count--) spoilt = spoiltOnce(random, spoilt);
  return spoilt;
}

function spoiltOnce(random: Random, value: Json): Json {
  const isParent = typeof value === "object" && value !== null && Object.keys(value).length > 0;
  // The root itself now and then, else some way down.
  if (!isParent || random.next() < 0.15) return replaced(random, value);
  if (Array.isArray(value)) {
    const at = random.integer(0, value.length - 1);
    const change = random.next();
    if (change < 0.1) return value.toSpliced(at, 1);
    if (change < 0.2) return value.toSpliced(at, 0, value[at] as Json);
    return value.with(at, spoiltOnce(random, value[at] as Json));
  }
  const entries = Object.entries(value as Readonly<Record<string, Json>>);
  const at = random.integer(0, entries.length - 1);
  const [key, inner] = entries[at]!;
  const change = random.next();
  if (change < 0.15) return Object.fromEntries(entries.toSpliced(at, 1));
  if (change < 0.2) return Object.fromEntries([...entries, [`${key}s`, inner]]);
  return Object.fromEntries(entries.with(at, [key, spoiltOnce(random, inner)]));
}

function replaced(random: Random, value: Json): Json {
  const change = random.next();
  if (typeof value === "string" && change < 0.4) return spoiltText(random, [value]);
  if (typeof value === "number" && change < 0.4) return value * pick(random, [-1, 0, 0.5, 2, 1e6, 1e300]);
  return change < 0.5 ? [value] : oddValue(random);
}
