/**
 * What lies beside EvalPlus's samples: the raw twin of a file that was cleaned up, and the results that judge both. One
 * answer stands in up to three files, and is read once, as the model wrote it, with the verdict of the results.
 */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { z } from "zod";
import { isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import { textHash } from "../base/canonical_hash.ts";
import type { Items } from "../benchmarks/items.ts";
import { containerOf, readPieces } from "../base/container.ts";
import type { LoggedResponse } from "./format.ts";
import { parseJsonText } from "../base/json_text.ts";
import { readLines } from "../base/text_lines.ts";

/** Largest results file that is read beside samples, in bytes. */
const MAX_RESULTS_BYTES = 64 << 20;

export interface Beside {
  /** The results' verdict on a sample of a task; null where there is none. */
  readonly verdictOf: (task: string, text: string) => LoggedResponse["logged"];
  /** Every sample of the file begins with its problem: it was asked without a chat (`prompt + completion`). */
  readonly base: boolean;
}

export const NOTHING: Beside = { verdictOf: () => null, base: false };

const status = z.string().nullish();
/** An entry of the results. */
export const result = z.looseObject({
  solution: z.string().nullish(),
  base_status: status,
  plus_status: status,
});

export function loggedOf(base: string | null, plus: string | null): LoggedResponse["logged"] {
  const detail = { base_status: base, plus_status: plus };
  if (base === null) return { passed: null, detail };
  const passed = base === "pass" && (plus === null || plus === "pass");
  // A base test that failed is a failure of all of them.
  const basis = plus === null && passed ? { basis: "log_base" as const } : {};
  return {
    passed,
    ...basis,
    ...(passed ? {} : { reason: `base tests: ${base}, plus tests: ${plus ?? "not run"}` }),
    detail,
  };
}

/** Of a folder's files those that are read: what only repeats another file's answers is looked at from there. */
export function chooseFiles(names: readonly string[]): readonly string[] {
  const all = new Set(names);
  const samples = new Set(names.filter((name) => name.endsWith(".jsonl")).map(stemOf));
  const solutions = new Set(names.filter((name) => extname(name) === ".py").map((name) => dirname(dirname(name))));
  return names.filter((name) => {
    const stem = stemOf(name);
    if (name.endsWith(".jsonl")) return !all.has(`${stem}.raw.jsonl`) || name.endsWith(".raw.jsonl");
    if (!/eval_results\.json$/.test(name)) return true;
    return !samples.has(stem) && !(basename(name) === "eval_results.json" && solutions.has(dirname(name)));
  }).filter((name) => !all.has(`${name}_results.jsonl`));
}

/** A file's name without what EvalPlus appends to it. */
function stemOf(name: string): string {
  return name.replace(/(?:[._]eval_results\.json|\.raw\.jsonl|\.jsonl)$/, "");
}

/** What stands beside a file of samples, and what all of them have in common. */
export async function readBeside(path: string, items: Items | undefined): Promise<Beside> {
  if (extname(path) === ".py") {
    const entries = await readResults([join(dirname(dirname(path)), "eval_results.json")]);
    const at = Number(basename(path, ".py"));
    return { verdictOf: (task) => verdictOf(entries?.[task], at), base: false };
  }
  if (!/\.jsonl(?:\.gz)?$/.test(path)) return NOTHING;
  const stem = stemOf(path.replace(/\.gz$/, ""));
  const entries = await readResults([`${stem}_eval_results.json`, `${stem}.eval_results.json`]);
  const { places, base } = await readSamples(path, items);
  return {
    verdictOf: (task, text) => verdictOf(entries?.[task], places.get(placeKey(task, text)) ?? -1),
    base,
  };
}

async function readResults(paths: readonly string[]): Promise<JsonObject | undefined> {
  for (const path of paths) {
    const size = await stat(path).then((info) => info.size, () => Infinity);
    if (size > MAX_RESULTS_BYTES) continue;
    const read = parseJsonText(await readFile(path, "utf8"));
    const entries = isJsonObject(read) ? read["eval"] : undefined;
    if (isJsonObject(entries)) return entries;
  }
  return undefined;
}

function verdictOf(entries: unknown, at: number): LoggedResponse["logged"] {
  const entry = Array.isArray(entries) ? result.safeParse(entries[at]) : undefined;
  return entry?.success ? loggedOf(entry.data.base_status ?? null, entry.data.plus_status ?? null) : null;
}

function placeKey(task: string, text: string): string {
  return `${task} ${textHash(text).slice(0, 16)}`;
}

/** The place of each sample among those of its task, in the order of the file, as the results have them. */
async function readSamples(
  path: string,
  items: Items | undefined,
): Promise<{ readonly places: ReadonlyMap<string, number>; readonly base: boolean }> {
  const places = new Map<string, number>();
  const counts = new Map<string, number>();
  let base: boolean | undefined;
  const container = await containerOf(path, basename(path));
  if (container.kind !== "text") return { places, base: false };
  for await (const { text } of readLines(readPieces(path, basename(path), container))) {
    const row = text === undefined ? undefined : parseJsonText(text);
    if (!isJsonObject(row) || typeof row["task_id"] !== "string" || typeof row["solution"] !== "string") continue;
    const { task_id: task, solution } = row as { readonly task_id: string; readonly solution: string };
    const at = counts.get(task) ?? 0;
    counts.set(task, at + 1);
    if (!places.has(placeKey(task, solution))) places.set(placeKey(task, solution), at);
    const problem = items?.find(task)?.["prompt"];
    base = base !== false && typeof problem === "string" && solution.startsWith(`${problem.trim()}\n`);
  }
  return { places, base: base ?? false };
}
