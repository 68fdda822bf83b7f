/** When two values of a tool's argument are the same: true, false, or undefined where only their wording differs. */
import { isJsonObject } from "../../../gpu/mod.ts";

import type { ArgumentRule } from "./tool_arguments.ts";

export type Same = boolean | undefined;

/** Arguments that hold prose; the benchmark asks a language model whether two of them say the same. */
const PROSE = /^(?:body|caption|comment|content|description|details|message|notes?|reason|subject|text|title)$/i;
/** A longer text is prose, too, whatever its argument is called. */
const PROSE_WORDS = 8;

/** Compares by the argument's name, as the benchmark does: telephone numbers by digits, paths normalised. */
export function compareArgument(name: string, expected: unknown, committed: unknown): Same {
  if (isEmpty(expected) || isEmpty(committed)) return isEmpty(expected) && isEmpty(committed);
  if (typeof expected === "string" && typeof committed === "string") {
    if (/phone/i.test(name)) return digits(expected) === digits(committed);
    if (/(?:^|_)(?:path|paths|dir|directory|folder|folder_name)$/i.test(name)) {
      return path(expected) === path(committed);
    }
    if (PROSE.test(name)) return compareScalars(expected, committed) || undefined;
  }
  return compareValues(name, expected, committed);
}

/** Compares by the rule that the benchmark has for an argument of its own tools. */
export function compareByRule(rule: ArgumentRule, expected: unknown, committed: unknown): Same {
  const [a, b] = [unpacked(expected), unpacked(committed)];
  switch (rule) {
    case "prose":
      if (isEmpty(a) || isEmpty(b)) return isEmpty(a) && isEmpty(b) ? true : undefined;
      return compareArgument("content", a, b) || undefined;
    case "attendees":
      return isEmpty(a) || sameSet(a, b, name);
    case "set":
      return sameSet(a, b, String);
    case "paths":
      return sameSet(a, b, (one) => path(String(one)));
    case "path":
      return path(isEmpty(a) ? "" : String(a)) === path(isEmpty(b) ? "" : String(b));
    case "phone":
      return digits(isEmpty(a) ? "" : String(a)) === digits(isEmpty(b) ? "" : String(b));
    case "stripped":
      return (isEmpty(a) ? "" : String(a).trim()) === (isEmpty(b) ? "" : String(b).trim());
    case "time":
    case "equal":
      if (isEmpty(a) || isEmpty(b)) return isEmpty(a) && isEmpty(b);
      return compareOrdered(a, b);
  }
}

/** The order of a list counts where nothing says that it does not. */
function compareOrdered(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((one, at) => compareOrdered(one, b[at]));
  }
  if (isJsonObject(a) && isJsonObject(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return keys.every((key) => compareOrdered(a[key], b[key]));
  }
  return typeof a !== "object" && typeof b !== "object" && compareScalars(a, b);
}

function sameSet(a: unknown, b: unknown, form: (one: unknown) => string): boolean {
  const of = (value: unknown) => new Set((isEmpty(value) ? [] : Array.isArray(value) ? value : [value]).map(form));
  const [x, y] = [of(a), of(b)];
  return x.size === y.size && [...x].every((one) => y.has(one));
}

/** A name without case, accents and punctuation. */
function name(value: unknown): string {
  return String(value).toLowerCase().normalize("NFD").replace(/\p{Mn}/gu, "").replace(/[!-/:-@[-`{-~]/g, "").trim();
}

/** An absent argument, null, an empty text, list or object say the same: nothing. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  return Array.isArray(value) ? value.length === 0 : isJsonObject(value) && Object.keys(value).length === 0;
}

function compareValues(name: string, expected: unknown, committed: unknown): Same {
  const [a, b] = [unpacked(expected), unpacked(committed)];
  if (Array.isArray(a) && Array.isArray(b)) return compareLists(name, a, b);
  if (isJsonObject(a) && isJsonObject(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return all(keys.map((key) => compareArgument(key, a[key], b[key])));
  }
  if (typeof a === "object" || typeof b === "object") return false;
  return typeof a === "string" && typeof b === "string" ? compareText(a, b) : compareScalars(a, b);
}

/** The order of a list does not count, as in all of the benchmark's checks of lists; how often something stands does. */
function compareLists(name: string, expected: readonly unknown[], committed: readonly unknown[]): Same {
  if (expected.length !== committed.length) return false;
  const left = [...committed];
  return all(expected.map((value): Same => {
    const verdicts = left.map((other) => compareArgument(name, value, other));
    const same = verdicts.includes(true) ? true : verdicts.includes(undefined) ? undefined : false;
    if (same !== false) left.splice(verdicts.indexOf(same), 1);
    return same;
  }));
}

function all(verdicts: readonly Same[]): Same {
  if (verdicts.includes(false)) return false;
  return verdicts.includes(undefined) ? undefined : true;
}

/** Text that holds a JSON list or object is that list or object. */
function unpacked(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Equal but for case, white space, and how a number or a date is written; undefined for long texts that differ. */
export function compareText(expected: string, committed: string): Same {
  if (compareScalars(expected, committed)) return true;
  return expected.trim().split(/\s+/).length > PROSE_WORDS ? undefined : false;
}

function compareScalars(expected: unknown, committed: unknown): boolean {
  const [a, b] = [plain(expected), plain(committed)];
  if (a === b) return true;
  const numbers = [number(a), number(b)];
  if (numbers[0] !== undefined && numbers[1] !== undefined) return numbers[0] === numbers[1];
  const times = [instant(a), instant(b)];
  return times[0] !== undefined && times[0] === times[1];
}

/** One form of Unicode, single spaces, small letters. A single full stop at the end of a text does not count. */
function plain(value: unknown): string {
  return String(value).normalize("NFC").replaceAll(/\s+/g, " ").trim().toLowerCase().replace(/(?<=[^.])\.$/, "");
}

/**
 * Of a number as a person or a program would write it: no leading zeros, so that codes such as 007 stay text, and not
 * more digits than a float holds exactly, so that long codes do.
 */
function number(text: string): number | undefined {
  const grouped = /^-?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?$/.test(text) ? text.replaceAll(",", "") : text;
  if (!/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(grouped) || digits(grouped).length > 15) return undefined;
  return Number(grouped);
}

const INSTANT = /^(\d{4}-\d\d-\d\d)[t ](\d\d:\d\d)(?::(\d\d)(?:\.0+)?)? ?(z|utc|[+-]\d\d:?\d\d)?$/;

/** Milliseconds of a date with a time, to the second; without a zone it is UTC, as the benchmark's clock is. */
function instant(text: string): number | undefined {
  const found = INSTANT.exec(text);
  if (!found) return undefined;
  const [, date, minutes, seconds = "00", zone = "z"] = found;
  const offset = /^[+-]/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(-2)}` : "Z";
  const milliseconds = Date.parse(`${date}T${minutes}:${seconds}${offset}`);
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}

function digits(text: string): string {
  return text.replaceAll(/\D/g, "");
}

/** Without ".", "..", doubled and leading slashes. */
function path(text: string): string {
  const parts: string[] = [];
  for (const part of text.trim().split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}
