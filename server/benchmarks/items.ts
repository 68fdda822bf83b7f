/** Items of a benchmark's file, found by what logs say of them. */
import { stat } from "node:fs/promises";
import { endOfString, InputError, isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { CheckItem } from "../../schema/tables/values.ts";
import { otherEdition } from "./ifeval_editions.ts";
import { goldNumber } from "../checkers/gsm8k.ts";
import { containerOf, readPieces } from "../base/container.ts";
import { parseJsonText } from "../base/json_text.ts";
import { decodeText } from "../base/text_lines.ts";

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
  const others = rows.map(otherEdition).filter((row) => row !== undefined);
  for (const row of [...rows, ...others]) {
    for (const field of ["prompt", "problem", "question", "key", "task_id", "unique_id", "id", "scenario_id"]) {
      const value = row[field];
      if (typeof value !== "string" && typeof value !== "number") continue;
      // Prompts are told apart by more than the white space around them.
      if (!byName.has(String(value).trim())) byName.set(String(value).trim(), row);
      // Hugging Face numbers the tasks that EvalPlus calls Mbpp/2.
      if (field === "task_id" && typeof value === "number") byName.set(`Mbpp/${value}`, row);
    }
  }
  return { find: (name) => byName.get(name.trim()), at: (index) => rows[index], count: rows.length };
}

/** The prompts of a file of items, in its order. Throws InputError for an item without one. */
export async function promptsOf(path: string): Promise<string[]> {
  const items = await readItems(path, path);
  return Array.from({ length: items.count }, (_, index) => {
    const { prompt } = items.at(index)!;
    if (typeof prompt === "string") return prompt;
    throw new InputError("it has no prompt", `${path}: item ${index + 1}`, "give a file of items with prompts");
  });
}

/** The text of a file of items, in any of the encodings that people have. */
async function readText(path: string, name: string): Promise<string> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) throw new InputError("it cannot be read as a file", name, "give the path of a benchmark's file");
  if (info.size > MAX_BYTES) throw new InputError("it is larger than 64 MiB", name, "split it");
  const container = await containerOf(path, name);
  if (container.kind !== "text") throw new InputError(`it is no text, but ${container.kind}`, name, "unpack it");
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of readPieces(path, name, container)) {
    bytes += piece.length;
    if (bytes > MAX_UNPACKED_BYTES) throw new InputError("it unpacks to more than 256 MiB", name, "split it");
    parts.push(piece.slice());
  }
  const { text } = decodeText(Buffer.concat(parts));
  if (text === undefined) throw new InputError("it is not UTF-8, though parts of it are", name, "save it as UTF-8");
  return text;
}

function parseRows(text: string, name: string): JsonObject[] {
  const wrong = (what: string, where: string) => new InputError(what, where, "give a benchmark's JSON Lines file");
  if (text.trimStart().startsWith("[")) {
    const list = parseJsonText(text);
    if (!Array.isArray(list)) throw wrong("it is no JSON list", name);
    return list.filter(isJsonObject);
  }
  const whole = parseJsonText(text);
  if (isJsonObject(whole)) return [withInputTexts(whole, text)];
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const row = parseJsonText(line);
    if (isJsonObject(row)) return [withInputTexts(row, line)];
    throw wrong("it is no JSON object", `${name}:${index + 1}`);
  });
}

/** EvalPlus's inputs as they are written: JavaScript knows neither floats without a fraction nor long integers. */
export function withInputTexts(row: JsonObject, text: string): JsonObject {
  if (!Array.isArray(row["base_input"]) || !Array.isArray(row["plus_input"])) return row;
  return { ...row, base_input: fieldText(text, "base_input"), plus_input: fieldText(text, "plus_input") };
}

/** The JSON of a field of the outermost object, as it is written. */
function fieldText(text: string, field: string): string | undefined {
  let depth = 0;
  let from: number | undefined;
  const mark = /["[\]{},]/g;
  for (let found = mark.exec(text); found; found = mark.exec(text)) {
    const { 0: token, index } = found;
    if (token === '"') {
      const end = endOfString(text, index);
      if (end === undefined) return undefined;
      const key = depth === 1 && from === undefined && text.slice(index, end) === `"${field}"`;
      const colon = key ? /^\s*:/.exec(text.slice(end, end + 20)) : null;
      if (colon) from = end + colon[0].length;
      mark.lastIndex = end;
    } else if (from !== undefined && depth === 1 && (token === "," || token === "}")) {
      return text.slice(from, index).trim();
    } else if (token === "[" || token === "{") depth++;
    else if (token !== ",") depth--;
  }
  return undefined;
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
    return evalPlusItem(row, { task_id, prompt, entry_point }) ??
      (typeof test === "string"
        ? { kind: "humaneval", task_id, prompt, entry_point, test: mendedTest(row, test) }
        : null);
  }
  const mbpp = mbppItem(row);
  if (mbpp !== null) return mbpp;
  const number = typeof answer === "string" ? goldNumber(answer) : undefined;
  if (number !== undefined) return { kind: "gsm8k", answer: number };
  const gold = typeof answer === "number" ? String(answer) : answer;
  if (typeof gold === "string" && (typeof problem === "string" || row["dataset"] === "math500")) {
    return { kind: "math", answer: gold };
  }
  if (isJsonObject(expected)) return { kind: "gaia2", expected };
  return null;
}

interface CodeTask {
  readonly task_id: string;
  readonly prompt: string;
  readonly entry_point: string;
}

/** A row of EvalPlus's releases; its inputs are text (see parseRows). Rows with HumanEval's own tests beside have both. */
function evalPlusItem(row: JsonObject, task: CodeTask): CheckItem | null {
  const { canonical_solution, base_input, plus_input, atol = 0 } = row;
  if (typeof canonical_solution !== "string" || typeof base_input !== "string" || typeof plus_input !== "string") {
    return null;
  }
  return { kind: "evalplus", ...task, canonical_solution, base_input, plus_input, atol: Number(atol) || 0 };
}

/** A line of HumanEval+'s table (version 0.1.10) that raises TypeError whatever the answer is. */
const BROKEN = "assert _poly(*candidate(*inp), inp) <= 0.0001";
/** What EvalPlus itself compares, as evalplus.ts does. */
const MENDED = "assert abs(_poly(*inp, candidate(*inp))) <= max(0.0001, abs(_poly(*inp, _canonical(*inp))))";

/** The test program of HumanEval/32 with the line that was meant. */
function mendedTest({ prompt, canonical_solution: solution, entry_point: name }: JsonObject, test: string): string {
  if (!test.includes(BROKEN)) return test;
  const program = JSON.stringify(`${String(prompt)}${String(solution)}`);
  return `_space = {}\nexec(${program}, _space)\n_canonical = _space["${String(name)}"]\n${
    test.replace(BROKEN, MENDED)
  }`;
}

/** MBPP+ as Hugging Face has it: numbered tasks whose tests call the function by its name. */
function mbppItem(row: JsonObject): CheckItem | null {
  const { task_id: id, prompt, test, test_list: list } = row;
  if (typeof id !== "number" || typeof prompt !== "string" || typeof test !== "string" || !isTexts(list)) return null;
  const name = /assert[ (]+(?:not +)?(?:\w+\()*?(?<name>\w+)\(/.exec(list[0] ?? "")?.groups?.["name"];
  const called = list.flatMap((line) => [...line.matchAll(/\b(\w+)\s*\(/g)].map(([, one]) => one!));
  const entry = called.find((one) => new RegExp(`\\bdef ${one}\\b`).test(String(row["code"] ?? ""))) ?? name;
  if (entry === undefined) return null;
  // The question as EvalPlus asks it; the tests run where they stand, so that nothing is left for `check` to do.
  return {
    kind: "humaneval",
    task_id: `Mbpp/${id}`,
    prompt: `"""\n${prompt}\n${list[0] ?? ""}\n"""\n`,
    entry_point: entry,
    test: `${test}\ndef check(candidate):\n    pass\n`,
  };
}

/** The constraint phrases that an item's file marks. */
export function phrasesOf(row: JsonObject | undefined): string[] {
  const phrases = row?.["instruction_phrases"];
  return Array.isArray(phrases) ? phrases.filter((phrase) => typeof phrase === "string") : [];
}
