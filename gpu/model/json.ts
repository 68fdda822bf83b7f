/** Small JSON files that people give us: read whole, with errors that name the line. */
import { readFile, stat } from "node:fs/promises";
import { InputError } from "../errors.ts";
import { otherFormat, TELLING_BYTES } from "./other_formats.ts";

/** A JSON object as it was read, before anything about its fields is known. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Levels of lists and objects in what people give us: whoever walks through it needs room on the stack. */
export const MOST_LEVELS = 100;

/** Whether lists and objects are nested more than `levels` deep. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  return (Array.isArray(value) ? value : Object.values(value)).some((part) => isDeeper(part, levels - 1));
}

/**
 * Parses JSON. Throws InputError at `where:LINE` when it is broken, at `where` when it is nested more than MOST_LEVELS
 * deep; `firstLine` is the number of the text's first line.
 */
export function parseJson(text: string, where: string, firstLine = 1): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const other = otherFormat(new TextEncoder().encode(text.slice(0, TELLING_BYTES)), where);
    if (other) throw other;
    const position = brokenAt(text);
    const line = firstLine + text.slice(0, position).split("\n").length - 1;
    const found = [...text.slice(position, position + 2)][0];
    const reason = found === undefined ? "it ends too early" : `unexpected ${JSON.stringify(found)}`;
    throw new InputError(`is not valid JSON: ${reason}`, `${where}:${line}`, "correct the JSON at this line");
  }
  if (!isDeeper(value, MOST_LEVELS)) return value;
  throw new InputError(`is nested more than ${MOST_LEVELS} deep`, where, "write it flatter, or leave the part out");
}

const SPACE = /[ \t\n\r]*/y;
const WORD = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

const STOP = /["\\]/g;

/**
 * Where a string of JSON ends that begins with the quote at `start`: behind its last quote. Undefined when it has no
 * end. A pattern for whole strings would look at a broken text again and again, or run out of stack over a long one.
 */
export function endOfString(text: string, start: number): number | undefined {
  STOP.lastIndex = start + 1;
  for (let found = STOP.exec(text); found; found = STOP.exec(text)) {
    if (found[0] === '"') return found.index + 1;
    // What follows a backslash ends nothing.
    STOP.lastIndex = found.index + 2;
  }
  return undefined;
}

/** The same, undefined too for a string that JSON does not allow. */
function endOfValidString(text: string, start: number): number | undefined {
  const end = endOfString(text, start);
  try {
    if (end !== undefined) JSON.parse(text.slice(start, end));
    return end;
  } catch {
    return undefined;
  }
}

/**
 * Where a text stops being JSON: the runtime's own error names the place only sometimes. Walks with a stack of what is
 * open, so that depth is no limit.
 */
function brokenAt(text: string): number {
  const open: ("{" | "[")[] = [];
  let at = 0;
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    at += match?.[0].length ?? 0;
    return match !== null;
  };
  const skipString = (): boolean => {
    const end = text[at] === '"' ? endOfValidString(text, at) : undefined;
    at = end ?? at;
    return end !== undefined;
  };
  let expected: "value" | "first" | "key" | "next" = "value";
  for (;;) {
    skip(SPACE);
    const character = text[at];
    const inside = open.at(-1);
    const closes = inside !== undefined && character === (inside === "{" ? "}" : "]");
    if (closes && (expected === "first" || expected === "next")) {
      open.pop();
      at++;
      expected = "next";
    } else if (expected === "next") {
      if (inside === undefined || character !== ",") return at;
      at++;
      expected = inside === "{" ? "key" : "value";
    } else if (inside === "{" && expected !== "value") {
      if (!skipString()) return at;
      skip(SPACE);
      if (text[at] !== ":") return at;
      at++;
      expected = "value";
    } else if (character === "{" || character === "[") {
      open.push(character);
      at++;
      expected = "first";
    } else {
      if (!skipString() && !skip(WORD)) return at;
      expected = "next";
    }
  }
}

/** Reads a text file, or undefined when there is none. Throws InputError when it cannot be read. */
export async function readTextFile(path: string): Promise<string | undefined> {
  try {
    // A pipe among a model's files would be waited for without end.
    if ((await stat(path)).isFile()) return await readFile(path, "utf8");
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new InputError(`cannot be read (${code ?? String(error)})`, path, "check what it is and its permissions");
  }
  throw new InputError("is not a regular file", path, "put the file itself there");
}
