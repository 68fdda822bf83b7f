/** Reads test/data/ifeval: items, responses, and what independent checkers said of them. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { IfevalItem } from "../server/checkers/ifeval/check.ts";

const DATA = new URL("data/ifeval/", import.meta.url);

export type Item = Omit<IfevalItem, "kind"> & { readonly key: number };

export const MODELS = [
  "Qwen__Qwen2.5-0.5B-Instruct-GPTQ-Int4",
  "Qwen__Qwen2.5-1.5B-Instruct-GPTQ-Int4",
  "gpt-4o-mini-2024-07-18",
] as const;

/** Verdicts of another checker on one response, one for each instruction. */
export interface Labels {
  readonly strict: readonly boolean[];
  readonly loose: readonly boolean[];
}

export function readLines<T>(name: string): readonly T[] {
  const text = gunzipSync(readFileSync(new URL(name, DATA))).toString("utf8");
  return text.trimEnd().split("\n").map((line) => JSON.parse(line) as T);
}

export function readJson<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, DATA), "utf8")) as T;
}

/** Items by their keys. */
export function readItems(): ReadonlyMap<number, Item> {
  return new Map(readLines<Item>("input_data.jsonl.gz").map((item) => [item.key, item]));
}

export function readPublished(
  model: string,
): readonly (Labels & { readonly key: number; readonly response: string })[] {
  return readLines(`published-${model}.jsonl.gz`);
}
