/** Items of a benchmark's file, found by what logs say of them. */
import { open, readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { InputError, isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { CheckItem } from "../../schema/tables/values.ts";
import { goldNumber } from "../checkers/gsm8k.ts";

/** Largest benchmark file, in bytes: it is held in memory. */
const MAX_BYTES = 64 << 20;
/** Largest of one that comes packed: gzip may hold a thousand times its size. */
const MAX_UNPACKED_BYTES = 256 << 20;

export interface Items {
  /** An item by its prompt, problem or question, or its name (key, task_id, unique_id, id, scenario_id). */
  readonly find: (name: string) => JsonObject | undefined;
  /** The item at a place, counted from 0: for answers that only stand in the same order. */
  readonly at: (index: number) => JsonObject | undefined;
  readonly count: number;
}

/** Reads a benchmark's JSON Lines, or a JSON list, gzipped or not. Throws InputError when it cannot be read. */
export async function readItems(path: string, name: string): Promise<Items> {
  const rows = parseRows(await readText(path, name), name);
  const byName = new Map<string, JsonObject>();
  for (const row of rows) {
    for (const field of ["prompt", "problem", "question", "key", "task_id", "unique_id", "id", "scenario_id"]) {
      const value = row[field];
      if (typeof value !== "string" && typeof value !== "number") continue;
      if (!byName.has(String(value))) byName.set(String(value), row);
    }
  }
  return { find: (name) => byName.get(name), at: (index) => rows[index], count: rows.length };
}

async function readText(path: string, name: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  const info = await file?.stat();
  await file?.close();
  if (!info?.isFile()) throw new InputError("it cannot be read as a file", name, "give the path of a benchmark's file");
  if (info.size > MAX_BYTES) throw new InputError("it is larger than 64 MiB", name, "split it");
  const bytes = await readFile(path);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return new TextDecoder().decode(bytes);
  try {
    return new TextDecoder().decode(gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES }));
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") {
      throw new InputError("it unpacks to more than 256 MiB", name, "split it");
    }
    throw new InputError("it is no whole gzip file", name, "pack it again");
  }
}

function parseRows(text: string, name: string): JsonObject[] {
  const wrong = (what: string, where: string) => new InputError(what, where, "give a benchmark's JSON Lines file");
  if (text.trimStart().startsWith("[")) {
    try {
      return (JSON.parse(text) as unknown[]).filter(isJsonObject);
    } catch (error) {
      throw wrong(`it is no JSON: ${(error as Error).message.split("\n")[0]}`, name);
    }
  }
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    try {
      const row: unknown = JSON.parse(line);
      if (isJsonObject(row)) return [row];
    } catch { /* said below */ }
    throw wrong("it is no JSON object", `${name}:${index + 1}`);
  });
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((one) => typeof one === "string");

/** What checks an answer to a benchmark's item, where the item says enough; null where it does not. */
export function checkItemOf(row: JsonObject): CheckItem | null {
  const { prompt, problem, answer, instruction_id_list: ids, kwargs, task_id, entry_point, test, expected } = row;
  if (typeof prompt === "string" && isTexts(ids) && Array.isArray(kwargs)) {
    return {
      kind: "ifeval",
      prompt,
      instruction_id_list: ids,
      // Data sets that are tables fill unused arguments with null.
      kwargs: kwargs.map((one) =>
        Object.fromEntries(Object.entries(isJsonObject(one) ? one : {}).filter(([, value]) => value !== null))
      ),
    };
  }
  if (typeof prompt === "string" && typeof task_id === "string" && typeof entry_point === "string") {
    return typeof test === "string" ? { kind: "humaneval", task_id, prompt, entry_point, test } : null;
  }
  const number = typeof answer === "string" ? goldNumber(answer) : undefined;
  if (number !== undefined) return { kind: "gsm8k", answer: number };
  const gold = typeof answer === "number" ? String(answer) : answer;
  if (typeof gold === "string" && (typeof problem === "string" || row["dataset"] === "math500")) {
    return { kind: "math", answer: gold };
  }
  if (isJsonObject(expected)) return { kind: "gaia2", expected };
  return null;
}

/** The constraint phrases that an item's file marks. */
export function phrasesOf(row: JsonObject | undefined): string[] {
  const phrases = row?.["instruction_phrases"];
  return Array.isArray(phrases) ? phrases.filter((phrase) => typeof phrase === "string") : [];
}
