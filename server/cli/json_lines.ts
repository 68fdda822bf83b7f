/** Files of JSON lines that a verb is given. */
import { InputError, isJsonObject, type JsonObject, parseJson } from "../../gpu/mod.ts";
import { parseJsonText } from "../base/json_text.ts";
import { readLines } from "./lines.ts";

export interface JsonLine {
  readonly value: JsonObject;
  readonly text: string;
  /** `file:line`, for errors about it. */
  readonly where: string;
}

/**
 * The objects of a file, one a line; blank lines are passed over. A file whose name ends in .gz is unpacked. Throws
 * InputError naming the line that is no object.
 */
export async function* readJsonLines(path: string, signal: AbortSignal): AsyncGenerator<JsonLine> {
  for await (const line of readJsonObjects(path, signal)) {
    if (line instanceof InputError) throw line;
    yield line;
  }
}

/** As readJsonLines, but a line that is no object comes as its error, and reading goes on. */
export async function* readJsonObjects(path: string, signal: AbortSignal): AsyncGenerator<JsonLine | InputError> {
  const file = await openFile(path);
  const bytes = path.endsWith(".gz") ? unpacked(file.readable, path) : file.readable;
  try {
    for await (const { number, text } of readLines(bytes, path, signal)) {
      if (text.trim() === "") continue;
      yield objectOf(text, path, number);
    }
  } finally {
    // Closes the file after an error in a line; nothing is left to close when it was read to its end, or is broken.
    await bytes.cancel().catch(() => {});
  }
}

function objectOf(text: string, path: string, number: number): JsonLine | InputError {
  const where = `${path}:${number}`;
  try {
    // What Python writes besides JSON (NaN) is read too.
    const value = parseJsonText(text) ?? parseJson(text, path, number);
    return isJsonObject(value)
      ? { value, text, where }
      : new InputError("is not a JSON object", where, "give one object a line");
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

function unpacked(packed: ReadableStream<Uint8Array<ArrayBuffer>>, path: string): ReadableStream<Uint8Array> {
  const bytes = packed.pipeThrough(new DecompressionStream("gzip"));
  return ReadableStream.from((async function* () {
    try {
      yield* bytes;
    } catch {
      throw new InputError("is not a whole gzip file", path, "download it again, or unpack it");
    }
  })());
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
