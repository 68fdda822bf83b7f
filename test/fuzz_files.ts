/** Files of every format that can be imported, and how they are spoilt. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ROOT } from "../server/base/settings.ts";
import { IMPORT_FORMATS, type ImportFormat } from "../schema/tables/values.ts";
import { type Json, oddValue, pick, spoiltJson, spoiltText } from "./fuzz_text.ts";
import { type Random, seededRandom } from "./random.ts";

const DATA = join(import.meta.dirname as string, "data");

/** Records that could be imported, of each format. */
export type Records = Readonly<Record<ImportFormat, readonly Json[]>>;

export interface MalformedFile {
  readonly from: ImportFormat;
  /** What the file is called. */
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

async function linesOf(path: string, most = 8): Promise<Json[]> {
  const text = await readFile(path, "utf8");
  return text.split("\n").filter((line) => line.trim() !== "").slice(0, most).map((line) => JSON.parse(line) as Json);
}

/** Real records where the tests have some. */
export async function readRecords(): Promise<Records> {
  const cases = await linesOf(join(ROOT, "models", "demo-1m", "failure-cases.jsonl"));
  const prompt = "Write two words. No commas.";
  const instructions = { instruction_id_list: ["punctuation:no_comma"], kwargs: [{}] };
  const trace = {
    metadata: { uuid: "u-1", model: "demo-1m", benchmark: "ifeval" },
    prompt: "Name a colour in lower case only.",
    completion: "the colour is Red",
    completion_before_err: "the colour is",
    contrast_token: 12,
    topk_token_explore: [
      { rank: 1, token_str: " a", token_id: 11, logit: 9.5, eval_result: false },
      { rank: 2, token_str: " b", token_id: 12, logit: 8, eval_result: { passed: true } },
    ],
    l_instruction_phases: ["lower case only"],
  };
  return {
    "culprit": cases,
    "lm-eval": await linesOf(
      join(
        DATA,
        "lm_eval",
        "Qwen__Qwen2.5-0.5B-Instruct-GPTQ-Int4",
        "samples_ifeval_2026-11-22T07-11-21.660952.jsonl",
      ),
    ),
    "ifeval": [
      { key: 1, prompt, response: "two, words", ...instructions },
      { key: 2, prompt, response: "two words", follow_all_instructions: false, follow_instruction_list: [false] },
      { prompt, response: "a".repeat(400), ...instructions, follow_all_instructions: true },
    ],
    "evalplus": await linesOf(join(DATA, "humaneval", "example_samples.jsonl")),
    "math": [
      { problem: "What is 1 + 1?", solution: "It is $\\boxed{2}$.", answer: "2", prediction: "\\boxed{3}" },
      { problem: "Halve it.", answer: "\\frac{1}{2}", prediction: "So it is $\\dfrac12$." },
      { answer: "\\left( 3, \\frac{\\pi}{2} \\right)", prediction: "(3, \\frac{\\pi}{2})" },
    ],
    "gaia2": [
      ...await linesOf(join(DATA, "gaia2-traces", "synthetic_trace.jsonl")),
      JSON.parse(await readFile(join(DATA, "gaia2-traces", "synthetic_trace_hf.json"), "utf8")) as Json,
      JSON.parse(await readFile(join(DATA, "gaia2-traces", "synthetic_trace_lite.json"), "utf8")) as Json,
    ],
    "inspect": [
      {
        version: 2,
        eval: { task: "qa", model: "hf/demo-1m" },
        samples: [{
          id: 1,
          epoch: 1,
          input: prompt,
          messages: [{ role: "user", content: prompt }, { role: "assistant", content: "two, words" }],
          scores: { match: { value: "I" } },
          metadata: instructions,
        }],
      },
    ],
    "leaderboard": [{
      example: prompt,
      full_prompt: prompt,
      predictions: "['two']",
      metrics: "{'acc': 0.0}",
      gold: "[]",
    }],
    "lighteval": [
      { doc: { query: prompt, id: "1" }, model_response: { input: prompt, text: ["two"] }, metric: { em: 0 } },
    ],
    "opencompass": [{ "0": { origin_prompt: [{ role: "HUMAN", prompt }], prediction: "5", gold: "4" } }],
    "helm": [
      {
        request_states: [{
          instance: { id: "id1", input: { text: prompt }, references: [] },
          request: { model: "demo-1m", prompt },
          result: { success: true, completions: [{ text: "5" }] },
        }],
      },
    ],
    "columns": [{ prompt, answer: "two", passed: false }],
    "debug-xai": [trace, { ...trace, contrast_token: " b" }],
    "annotations": [
      { key: "fuzzed", decision: "pair", position: 1, contrast: { id: 5 }, reason: "r", annotator: "b" },
      { key: "fuzzed", decision: "pair", position: 0, contrast: { text: "a" }, reason: "" },
      { key: "fuzzed", decision: "exclude", reason: "both are right" },
    ],
    "labels": [
      { key: "fuzzed", outcome: "M-IA", pattern: "URT+OIT", note: "n", reader: "b" },
      { key: "fuzzed", outcome: "NC-IA+AG", pattern: null },
    ],
  };
}

const NAMES = ["a.jsonl", "a.json", "samples_math_x.jsonl", "trace.jsonl", "demo-1m.jsonl", "a.py", "a", "a.jsonl.gz"];

/** The file of a seed: a few records of one format, spoilt as JSON, as text, or as bytes. */
export function malformedFile(records: Records, seed: number): MalformedFile {
  const random = seededRandom(seed);
  const from = IMPORT_FORMATS[seed % IMPORT_FORMATS.length]!;
  const count = random.integer(1, 4);
  const whole: Json[] = Array.from({ length: count }, () => {
    // Now and then a record of another format.
    const own = random.next() < 0.9 ? from : pick(random, IMPORT_FORMATS);
    return renamed(pick(random, records[own]), seed);
  });
  const kind = random.next();
  const asJson = kind < 0.6 ? whole.map((record) => spoiltJson(random, record)) : whole;
  const separator = pick(random, ["\n", "\r\n", "\n\n", "\n"]);
  const text = random.next() < 0.15
    ? JSON.stringify(asJson, null, random.next() < 0.5 ? 1 : 0)
    : asJson.map((record) => JSON.stringify(record)).join(separator);
  const spoilt = kind < 0.6 ? text : kind < 0.9 ? spoiltText(random, [text]) : text;
  const bytes = new TextEncoder().encode(spoilt);
  return { from, name: pick(random, NAMES), bytes: kind < 0.9 ? packed(random, bytes) : spoiltBytes(random, bytes) };
}

/** Keys of their own, so that files of other seeds don't hide what a file does. */
function renamed(record: Json, seed: number): Json {
  const { key } = record as { readonly key?: Json };
  return typeof key === "string" && key !== "fuzzed" ? { ...record as object, key: `fuzz/${seed}/${key}` } : record;
}

function packed(random: Random, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return random.next() < 0.05 ? new Uint8Array(gzipSync(bytes)) : bytes;
}

/** Bytes that are no UTF-8, files that were cut, of another encoding, or gzip that was broken. */
function spoiltBytes(random: Random, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const change = random.integer(0, 5);
  if (change === 0) return bytes.slice(0, random.integer(0, bytes.length));
  if (change === 1) return Uint8Array.from({ length: random.integer(0, 2000) }, () => random.integer(0, 255));
  if (change === 2) return new Uint8Array(Uint16Array.from(bytes).buffer);
  if (change === 3) {
    const gzip = new Uint8Array(gzipSync(bytes));
    gzip[random.integer(2, gzip.length - 1)]! ^= 1 << random.integer(0, 7);
    return gzip.slice(0, random.next() < 0.5 ? gzip.length : random.integer(2, gzip.length));
  }
  const broken = bytes.slice();
  for (let count = random.integer(1, 20); count > 0; count--) {
    broken[random.integer(0, broken.length - 1)] = random.integer(0, 255);
  }
  return broken;
}

/** A query of `POST /imports` that may be wrong itself. */
export function importQuery(random: Random, { from, name }: MalformedFile): URLSearchParams {
  const query = new URLSearchParams({ from, name, model: "demo-1m" });
  if (from === "annotations" && random.next() < 0.8) query.set("annotator", "a");
  if (from === "evalplus" && random.next() < 0.8) query.set("items", "demo-humaneval");
  if (random.next() < 0.1) query.set("plain", "true");
  if (random.next() < 0.1) {
    const value = oddValue(random);
    const text = typeof value === "string" ? value : JSON.stringify(value);
    query.set(pick(random, ["from", "name", "model", "items", "benchmark", "plain", "annotator", "x"]), text);
  }
  return query;
}
