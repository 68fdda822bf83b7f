/**
 * Details of lighteval, and those of the Open LLM Leaderboard: Parquet (or JSON lines) with a row for each sample. Three
 * generations are read: lighteval from 0.11 (`doc`, `model_response`, `metric`), older ones and the first leaderboard
 * (`full_prompt`, `predictions`, `metrics`, which may be Python's text), and the second leaderboard, whose rows are
 * samples of lm-evaluation-harness.
 */
import { z } from "zod";
import { isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import type { FileFacts, Format, Logged, LoggedPrompt } from "./format.ts";
import { lmEval } from "./lm_eval.ts";
import { parquetRecords } from "./parquet_rows.ts";
import { parseRecord } from "./parse_record.ts";
import { readPrompt } from "./prompt_shapes.ts";
import { pythonLiteral } from "./python_literal.ts";
import { loggedOf } from "./scores.ts";

const present = z.looseObject({
  doc: z.looseObject({
    id: z.unknown().optional(),
    query: z.string().default(""),
    instruction: z.string().nullish(),
    choices: z.unknown().optional(),
    gold_index: z.unknown().optional(),
    specific: z.unknown().optional(),
    task_name: z.string().nullish(),
  }),
  model_response: z.looseObject({ input: z.unknown().optional(), text: z.array(z.unknown()).nullish() }),
  metric: z.unknown().optional(),
});
const older = z.looseObject({
  example: z.string().nullish(),
  full_prompt: z.unknown().optional(),
  predictions: z.unknown().optional(),
  metrics: z.unknown().optional(),
  gold: z.unknown().optional(),
  specifics: z.unknown().optional(),
});

/** `details_{task}_{time}.parquet` */
const FILE_NAME = /(?:^|\/)details_([^/]+?)_(\d{4}-\d{2}-\d{2}T[^/]*)\.parquet$/;
const ANY_FILE = /\.parquet$|(?:^|\/)samples_[^/]+\.jsonl?$/;

export const lighteval: Format = {
  accepts: (name) => ANY_FILE.test(name),
  benchmark: (name) => taskOf(FILE_NAME.exec(name)?.[1]),
  modelNames: (path) => Promise.resolve(modelNamesIn(path)),
  records: (file) => file.kind === "parquet" ? parquetRecords(file) : undefined,
  read: (record, where, facts, ordinal) => {
    if (!isJsonObject(record)) return [readOlder(record, where, facts, ordinal)].flat();
    if ("arguments" in record && "resps" in record) return lmEval.read(harnessRow(record), where, facts, ordinal);
    return "model_response" in record
      ? readPresent(record, where, facts, ordinal)
      : readOlder(record, where, facts, ordinal);
  },
};

/** "lighteval|gsm8k|5|0", "harness|gsm8k|5" and "gsm8k|0" are gsm8k: numbers say how many examples were shown. */
function taskOf(task: string | undefined): string | undefined {
  return task?.split("|").findLast((part) => !/^\d*$/.test(part));
}

/** Folders on the way that may be called by the model: details/ORG/NAME/TIME, details_ORG__NAME, ORG__NAME-details. */
function modelNamesIn(path: string): string[] {
  const folders = path.split("/").slice(0, -1).filter((one) => one !== "" && !/^\d{4}-\d{2}-\d{2}T/.test(one));
  const at = folders.lastIndexOf("details");
  const under = at < 0 ? [] : [folders.slice(at + 1).join("/")];
  const called = folders.toReversed().map((one) =>
    one.replace(/^details_|-details(?:-private)?$/g, "").replace("__", "/")
  );
  return [...under, ...called.slice(0, 3)].filter((one) => one !== "");
}

/** Nested values of the harness come as text in Parquet, since rows differ in them. */
function harnessRow(row: JsonObject): JsonObject {
  const read = (value: unknown) => typeof value === "string" && /^[[{]/.test(value) ? unpacked(value) ?? value : value;
  return {
    ...row,
    doc: read(row["doc"]),
    arguments: withoutNulls(read(row["arguments"])),
    resps: read(row["resps"]),
    metrics: Array.isArray(row["metrics"]) ? row["metrics"] : [],
  };
}

/** A struct of Parquet has every field that any row has. */
function withoutNulls(value: unknown): unknown {
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null));
}

function unpacked(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return pythonLiteral(text);
  }
}

function readPresent(record: unknown, where: string, facts: FileFacts, ordinal: number): Logged[] {
  const { doc, model_response: said, metric } = parseRecord(present, record, where, "a row of lighteval's details");
  const given = said.input ?? `${doc.instruction ?? ""}${doc.query}`;
  return responsesOf({
    task: String(doc.id ?? "") || String(ordinal),
    question: doc.query,
    prompt: readPrompt(given, where, "model_response.input"),
    answers: said.text ?? [],
    scores: isJsonObject(metric) ? metric : {},
    gold: doc.choices ?? null,
    specific: isJsonObject(doc.specific) ? doc.specific : {},
    benchmark: taskOf(doc.task_name ?? undefined),
  }, facts);
}

function readOlder(record: unknown, where: string, facts: FileFacts, ordinal: number): Logged[] {
  const row = parseRecord(older, record, where, "a row of lighteval's or the leaderboard's details");
  const read = (value: unknown) => typeof value === "string" ? unpacked(value) : value;
  const answers = read(row.predictions) ?? row.predictions;
  const metrics = read(row.metrics);
  const specific = read(row.specifics);
  return responsesOf({
    task: String(ordinal),
    question: row.example ?? "",
    prompt: readPrompt(row.full_prompt, where, "full_prompt"),
    answers: Array.isArray(answers) ? answers : [answers],
    scores: isJsonObject(metrics) ? metrics : {},
    gold: read(row.gold) ?? null,
    specific: isJsonObject(specific) ? specific : {},
    benchmark: undefined,
  }, facts);
}

interface Row {
  readonly task: string;
  readonly question: string;
  readonly prompt: LoggedPrompt;
  readonly answers: readonly unknown[];
  readonly scores: JsonObject;
  readonly gold: unknown;
  readonly specific: JsonObject;
  readonly benchmark: string | undefined;
}

function responsesOf(
  { task, question, prompt, answers, scores, gold, specific, benchmark }: Row,
  facts: FileFacts,
): Logged[] {
  const texts = answers.filter((one) => typeof one === "string");
  if (texts.length === 0) {
    return [{ kind: "skipped", reason: answers.some((one) => one !== null) ? "loglikelihood" : "no_answer" }];
  }
  const known = facts.items?.find(question);
  const { instructions_id_list: ids, ...rest } = specific;
  const own = { prompt: question, ...rest, ...(ids === undefined ? {} : { instruction_id_list: ids }) };
  return texts.map((completion, index) => ({
    kind: "response",
    response: {
      model: undefined,
      benchmark: isNamed(facts) || benchmark === undefined ? facts.benchmark : benchmark,
      task,
      docHash: canonicalHash({ question, gold }),
      promptHash: canonicalHash(prompt),
      filter: "none",
      ...(texts.length > 1 ? { sample: String(index) } : {}),
      prompt,
      completion,
      item: checkItemOf(known ?? own),
      logged: loggedOf(scores),
      instructionPhrases: phrasesOf(known),
      metadata: { from: "lighteval", gold },
    },
  }));
}

/** Whether people or the file's name say the benchmark. */
const isNamed = ({ benchmark }: FileFacts): boolean => benchmark !== "lighteval" && benchmark !== "leaderboard";
