/** Files of JSON lines that a verb is given. */
import { InputError } from "../../gpu/errors.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../gpu/model/json.ts";
import { readLines } from "./lines.ts";

export interface JsonLine {
  readonly value: JsonObject;
  /** `file:line`, for errors about it. */
  readonly where: string;
}

/** The objects of a file, one a line; blank lines are passed over. Throws InputError naming the line that is none. */
export async function* readJsonLines(path: string, signal: AbortSignal): AsyncGenerator<JsonLine> {
  const file = await openFile(path);
  for await (const { number, text } of readLines(file.readable, path, signal)) {
    if (text.trim() === "") continue;
    const value = parseJson(text, path, number);
    const where = `${path}:${number}`;
    if (!isJsonObject(value)) throw new InputError("is not a JSON object", where, "give one object a line");
    yield { value, where };
  }
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    const file = await Deno.open(path);
    if ((await file.stat()).isDirectory) {
      file.close();
      throw new InputError("is a directory", path, "give a file of JSON lines");
    }
    return file;
  } catch (error) {
    if (error instanceof InputError) throw error;
    const missing = error instanceof Deno.errors.NotFound;
    throw new InputError(missing ? "there is no such file" : "cannot be read", path, "check the path");
  }
}
