/** Where a run keeps what it makes, below its home. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError, modelPath, parseModelPath } from "../../gpu/mod.ts";
import type { Arm, TrainingRun } from "./settings.ts";

export const promptFile = (home: string, seed: number): string => join(home, `training-prompts-${seed}.jsonl`);
export const weightFile = (home: string, arm: Arm): string => join(home, "weights", `${arm}.jsonl`);
export const trainedPairsFile = (home: string, arm: Arm): string => join(home, "weights", `${arm}-trained.jsonl`);
export const heldPairsFile = (home: string): string => join(home, "weights", "held.jsonl");
export const adapterFolder = (home: string, { arm, seed }: TrainingRun): string =>
  join(home, "adapters", `${arm}-${seed}`);
export const resultFile = (home: string, run: TrainingRun): string =>
  join(home, "adapters", `${run.arm}-${run.seed}.json`);
export const seriesFile = (home: string): string => join(home, "series.json");

/** A model with one more adapter, as verbs take it. */
export function withAdapter(model: string, folder: string): string {
  const { base, adapters } = parseModelPath(model);
  return modelPath({ base, adapters: [...adapters, folder] });
}

/** Lines of JSON; none where there is no such file. */
export async function readLines<Row>(path: string): Promise<Row[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Row);
}

export async function writeLines(path: string, rows: readonly unknown[]): Promise<void> {
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}

/**
 * What a file keeps of work that was done with these settings; null where there is none. Throws InputError where it was
 * done with others: results of different budgets must not stand beside each other.
 */
export async function doneWith<Result>(path: string, settings: object): Promise<Result | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  if (text === null) return null;
  const stored = JSON.parse(text) as { readonly settings: object; readonly result: Result };
  if (JSON.stringify(stored.settings) === JSON.stringify(settings)) return stored.result;
  throw new InputError("was made with other settings", path, "name another --home, or remove it");
}

export async function keepDone(path: string, settings: object, result: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify({ settings, result })}\n`);
}
