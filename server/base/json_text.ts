/** JSON in the dialect of Python, which most logs are written by. */
import { endOfString } from "../../gpu/mod.ts";

/**
 * JSON as Python writes it: NaN, Infinity and -Infinity, which JSON lacks, become null. Undefined when it is no JSON
 * all the same.
 */
export function parseJsonText(text: string): unknown {
  const marked = text.replace(/^\uFEFF/, "");
  const read = parsed(marked);
  if (read !== undefined || !/NaN|Infinity/.test(marked)) return read;
  return parsed(replaceOutsideStrings(marked, /(?<![\w.])-?(?:Infinity|NaN)(?![\w.])/g, () => "null"));
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a pattern finds outside of a JSON text's strings, replaced. Undefined when one of the strings has no end. */
export function replaceOutsideStrings(
  text: string,
  pattern: RegExp,
  replace: (token: string) => string,
): string | undefined {
  const parts: string[] = [];
  for (let at = 0;;) {
    const quote = text.indexOf('"', at);
    parts.push(text.slice(at, quote < 0 ? undefined : quote).replace(pattern, replace));
    if (quote < 0) return parts.join("");
    const end = endOfString(text, quote);
    if (end === undefined) return undefined;
    parts.push(text.slice(quote, end));
    at = end;
  }
}

/** Values of JSON Lines that somebody may be writing, or was when he was stopped: a line that is not whole is left out. */
export function wholeLines(text: string): unknown[] {
  return text.split("\n").flatMap((line) => line === "" ? [] : [parsed(line)]).filter((value) => value !== undefined);
}
