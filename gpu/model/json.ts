/** Small JSON files that people give us: read whole, with errors that name the line. */
import { readFile } from "node:fs/promises";
import { InputError } from "../errors.ts";

/** A JSON object as it was read, before anything about its fields is known. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses JSON. Throws InputError at `where:LINE` when it is broken; `firstLine` is the number of the text's first line. */
export function parseJson(text: string, where: string, firstLine = 1): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = (error as Error).message;
    const position = Number(/position (\d+)/.exec(message)?.[1] ?? text.length);
    const line = firstLine + text.slice(0, position).split("\n").length - 1;
    // The engine's own words quote the text, which may hold line breaks.
    const reason = message.replaceAll(/\s+/g, " ").replace(/ \(line \d+ column \d+\)/, "");
    throw new InputError(`is not valid JSON: ${reason}`, `${where}:${line}`, "correct the JSON at this line");
  }
}

/** Reads a text file, or undefined when there is none. Throws InputError when it cannot be read. */
export async function readTextFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new InputError(`cannot be read (${code ?? String(error)})`, path, "check what it is and its permissions");
  }
}
