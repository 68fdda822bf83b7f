/** What readers of records share: parsing with one clear line for what is wrong. */
import type { z } from "zod";
import { InputError, isDeeper, MOST_LEVELS, parseExactJson } from "../../gpu/mod.ts";
import { parseJsonText } from "../base/json_text.ts";

/** Checks a record's shape. `what` names it in the mend, for example "a sample of lm-evaluation-harness". */
export function parseRecord<Shape extends z.ZodType>(
  shape: Shape,
  record: unknown,
  where: string,
  what: string,
): z.infer<Shape> {
  const parsed = shape.safeParse(record);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = (issue?.path ?? []).map((part) => typeof part === "number" ? `[${part}]` : `.${String(part)}`).join("");
  const field = path.replace(/^\./, "");
  throw new InputError(
    `${field === "" ? "" : `${field}: `}${issue?.message ?? "it is not of the format"}`,
    where,
    `give ${what}; docs/import.md describes it`,
  );
}

/** JSON of a record's text, or of text inside one. */
export function parseText(text: string, where: string): unknown {
  const value = parseAny(text, where);
  if (!isDeeper(value, MOST_LEVELS)) return value;
  throw new InputError(`it is nested more than ${MOST_LEVELS} deep`, where, "write it flatter, or leave the part out");
}

const TOOLS = /"(?:tools|tool_calls|tool_use|function_?call|functionCall|function_?declarations|functionDeclarations)"/;

function parseAny(text: string, where: string): unknown {
  try {
    // Templates write tools and calls again, with the numbers and the order of keys that stand here.
    return TOOLS.test(text) ? parseExactJson(text) : JSON.parse(text);
  } catch (error) {
    const read = parseJsonText(text);
    if (read !== undefined) return read;
    const reason = (error as Error).message.split("\n")[0];
    throw new InputError(`it is no JSON: ${reason}`, where, "write one JSON object a line");
  }
}

/** PostgreSQL stores neither NUL nor half a surrogate pair: the name of the first field that holds one. */
export function findUnfitText(value: unknown, path = ""): string | undefined {
  if (typeof value === "string") return value.includes("\0") || !value.isWellFormed() ? path : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  // Lists of ids are long and hold no text.
  if (Array.isArray(value) && value.every((part) => typeof part === "number")) return undefined;
  for (const [key, part] of Object.entries(value)) {
    const found = findUnfitText(key, path) ?? findUnfitText(part, path === "" ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * A value in whose texts U+FFFD stands for what PostgreSQL does not store; `replaced` is how many characters were.
 * Without any it is the same value.
 */
export function withStorableText(value: unknown): { readonly value: unknown; readonly replaced: number } {
  let replaced = 0;
  const mend = (text: string): string =>
    text.replace(/\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, () => {
      replaced++;
      return "\uFFFD";
    });
  const walk = (part: unknown): unknown => {
    if (typeof part === "string") return mend(part);
    if (typeof part !== "object" || part === null) return part;
    if (Array.isArray(part)) return part.map(walk);
    return Object.fromEntries(Object.entries(part).map(([key, one]) => [mend(key), walk(one)]));
  };
  return findUnfitText(value) === undefined ? { value, replaced } : { value: walk(value), replaced };
}

/** A text for an error: its beginning, in quotes. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
