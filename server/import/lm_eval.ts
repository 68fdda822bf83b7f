/**
 * lm-evaluation-harness sample logs (`--log_samples`): a line for each document and filter, with the raw output, the
 * document, and the harness's scores. Written from the logs of lm-eval 0.4.13; lines of older versions, whose arguments
 * are lists, are read too.
 */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { InputError } from "../../gpu/errors.ts";
import { isJsonObject, type JsonObject } from "../../gpu/model/json.ts";
import type { ChatMessage, CheckItem } from "../../schema/tables/values.ts";
import { canonicalHash, textHash } from "../base/canonical_hash.ts";
import type { FileFacts, Format, LoggedAnswer, LoggedPrompt, Reading } from "./format.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import { parseRecord } from "./parse_record.ts";

const sample = z.looseObject({
  doc_id: z.union([z.int(), z.string()]),
  doc: z.record(z.string(), z.unknown()),
  target: z.unknown().optional(),
  arguments: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]),
  resps: z.array(z.unknown()),
  filter: z.string().default("none"),
  metrics: z.array(z.string()).default([]),
  doc_hash: z.string().optional(),
  prompt_hash: z.string().optional(),
});
type Sample = z.infer<typeof sample>;

/** Scores that decide, before any other that the line lists. */
const DECIDING = ["prompt_level_strict_acc", "exact_match", "pass@1", "acc"];
/** `samples_{task}_{time}.jsonl` */
const FILE_NAME = /^samples_(.+?)(?:_(\d{4}-\d{2}-\d{2}T[\d.:-]+))?\.jsonl$/;

export const lmEval: Format = {
  accepts: (name) => FILE_NAME.test(basename(name)),
  cut: () => "lines",
  benchmark: (name) => FILE_NAME.exec(basename(name))?.[1],
  modelNames,
  read: (record, where, facts) => {
    const line = parseRecord(sample, record, where, "a sample of lm-evaluation-harness");
    const requests = requestsOf(line);
    if (line.resps.some((one) => Array.isArray(one) && one.some(Array.isArray)) || requests.some(isScored)) {
      return [{ kind: "skipped", reason: "loglikelihood" }];
    }
    const [outputs] = line.resps.map((one) => Array.isArray(one) ? one : [one]);
    if (outputs === undefined || requests[0] === undefined) return [{ kind: "skipped", reason: "no_answer" }];
    if (line.resps.length > 1) return [{ kind: "skipped", reason: "several_requests" }];
    if (requests[0][0] === undefined) {
      throw new InputError("arguments: the request has no prompt", where, "give the sample as the harness wrote it");
    }
    return outputs.map((output, index): Reading => ({
      kind: "answer",
      answer: answerOf(line, requests[0]!, textOf(output), outputs.length > 1 ? index : undefined, facts),
    }));
  },
};

const textOf = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value);

/** The arguments of each request, [prompt, options or continuation]. */
function requestsOf({ arguments: given }: Sample): (readonly [unknown, unknown])[] {
  if (Array.isArray(given)) return given.map((one) => Array.isArray(one) ? [one[0], one[1]] : [one, undefined]);
  return Object.values(given).filter(isJsonObject).map((one) => [one["arg_0"], one["arg_1"]]);
}

/** A request for the likelihood of a continuation has the continuation where others have options. */
function isScored([, second]: readonly [unknown, unknown]): boolean {
  return typeof second === "string";
}

function answerOf(
  line: Sample,
  [argument]: readonly [unknown, unknown],
  completion: string,
  repeat: number | undefined,
  facts: FileFacts,
): LoggedAnswer {
  const { doc, doc_id, filter } = line;
  const promptText = textOf(argument);
  const named = textOf(doc["key"] ?? doc["task_id"] ?? doc["unique_id"] ?? doc_id);
  const known = facts.items?.find(named) ?? facts.items?.find(textOf(doc["prompt"] ?? doc["problem"] ?? ""));
  return {
    model: undefined,
    benchmark: facts.benchmark,
    task: named,
    docHash: line.doc_hash ?? canonicalHash(doc),
    promptHash: line.prompt_hash ?? textHash(promptText),
    filter,
    ...(repeat === undefined ? {} : { sample: String(repeat) }),
    prompt: promptOf(argument, promptText),
    completion,
    item: itemOf(line) ?? (known ? checkItemOf(known) : null),
    // The scores are of all outputs together: they decide a single one only.
    logged: repeat === undefined ? verdictOf(line) : null,
    instructionPhrases: phrasesOf(isJsonObject(doc) && doc["instruction_phrases"] ? doc : known),
    metadata: { from: "lm-eval", doc_id },
  };
}

/** Chat-completions models are given messages as JSON; all others are given text, rendered or not. */
function promptOf(argument: unknown, text: string): LoggedPrompt {
  let messages: unknown = argument;
  if (typeof argument === "string" && argument.startsWith("[{")) {
    try {
      messages = JSON.parse(argument);
    } catch { /* then it is text */ }
  }
  const chat = Array.isArray(messages) && messages.length > 0 &&
    messages.every((one) => isJsonObject(one) && typeof one["role"] === "string");
  return chat ? { kind: "chat", messages: messages as ChatMessage[] } : { kind: "user", text };
}

function itemOf({ doc, target }: Sample): CheckItem | null {
  const item = checkItemOf(doc);
  if (item !== null || typeof doc["problem"] !== "string" || typeof target !== "string") return item;
  return { kind: "math", answer: target };
}

/** The harness's verdict; every metric of the line stays in its detail. */
function verdictOf(line: Sample): LoggedAnswer["logged"] {
  const detail: JsonObject = Object.fromEntries(
    [...new Set([...line.metrics, ...DECIDING])].filter((name) => line[name] !== undefined)
      .map((name) => [name, line[name]]),
  );
  for (const name of [...DECIDING, ...line.metrics]) {
    const value = detail[name];
    if (value === true || value === 1) return { passed: true, detail };
    if (value === false || value === 0) return { passed: false, reason: `${name} is ${value}`, detail };
    if (value !== undefined) break;
  }
  return Object.keys(detail).length === 0 ? null : { passed: null, detail };
}

/** The results file of the same run names the model; else the folder does, with `/` written as `__`. */
async function modelNames(path: string): Promise<readonly string[]> {
  const folder = basename(dirname(path)).replaceAll("__", "/");
  const time = FILE_NAME.exec(basename(path))?.[2];
  const results = join(dirname(path), `results_${time}.json`);
  const size = await stat(results).then((info) => info.size, () => Infinity);
  if (time === undefined || size > 64 << 20) return [folder];
  try {
    const run: unknown = JSON.parse(await readFile(results, "utf8"));
    const name = isJsonObject(run) ? run["model_name"] : undefined;
    return typeof name === "string" && name !== "" ? [name, folder] : [folder];
  } catch {
    return [folder];
  }
}
