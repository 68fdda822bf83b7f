/**
 * lm-evaluation-harness sample logs (`--log_samples`): a line for each document and filter, with the raw output, the
 * document, and the harness's scores. Written from the logs of lm-eval 0.4.13; lines of older versions, whose arguments
 * are lists, are read too.
 */
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { InputError, isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { CheckItem, MathConvention } from "../../schema/tables/values.ts";
import { canonicalHash, textHash } from "../base/canonical_hash.ts";
import type { FileFacts, Format, Logged, LoggedPrompt, LoggedResponse } from "./format.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import { parseRecord } from "./parse_record.ts";
import { readPrompt } from "./prompt_shapes.ts";

const sample = z.looseObject({
  doc_id: z.union([z.int(), z.string()]),
  doc: z.unknown(),
  target: z.unknown().optional(),
  arguments: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]),
  resps: z.array(z.unknown()),
  filter: z.string().default("none"),
  metrics: z.array(z.string()).default([]),
  doc_hash: z.string().optional(),
  prompt_hash: z.string().optional(),
});
type Sample = z.infer<typeof sample>;

/** The task that an old name ends in: what follows the model's, or the last word. */
function oldTask(name: string, model: string | undefined): string | undefined {
  if (!OLD_FILE_NAME.test(name)) return undefined;
  const stem = name.replace(/\.jsonl$/, "");
  const short = model === undefined ? "" : `${model.slice(model.lastIndexOf("/") + 1)}_`;
  const at = short === "" ? -1 : stem.lastIndexOf(short);
  return at >= 0 ? stem.slice(at + short.length) : /_([^_]+)$/.exec(stem)?.[1];
}

/** Scores that decide, before any other that the line lists; a grader that computes counts before one of strings. */
const DECIDING = ["prompt_level_strict_acc", "math_verify", "exact_match", "pass@1", "acc"];
/** Where the harness's tasks for MATH look for the final answer (their utils.py). */
const CONVENTIONS: readonly (readonly [task: RegExp, convention: MathConvention])[] = [
  [/(?:^|_)minerva_math|^leaderboard_math/, "sentence"],
  [/^hendrycks_math|^aime/, "dollars"],
];
/** `samples_{task}_{time}.jsonl` */
const FILE_NAME = /^samples_(.+?)(?:_(\d{4}-\d{2}-\d{2}T[\d.:-]+?))?\.jsonl?$/;
/** `{model arguments}_{task}.jsonl` of harness 0.4.0 to 0.4.2, whose tasks have no better mark than an ending. */
const OLD_FILE_NAME = /^(?:pretrained|model)__.+\.jsonl$/;

export const lmEval: Format = {
  accepts: (name) => FILE_NAME.test(basename(name)) || OLD_FILE_NAME.test(basename(name)),
  benchmark: (name, model) => FILE_NAME.exec(basename(name))?.[1] ?? oldTask(basename(name), model),
  modelNames,
  read: (record, where, facts) => {
    const line = parseRecord(sample, record, where, "a sample of lm-evaluation-harness");
    const requests = requestsOf(line);
    if (line.resps.some((one) => Array.isArray(one) && one.some(Array.isArray)) || requests.some(isScored)) {
      return [{ kind: "skipped", reason: "loglikelihood" }];
    }
    const [outputs] = line.resps.map((one) => Array.isArray(one) ? one : [one]);
    const [request] = requests;
    if (outputs === undefined || request === undefined) return [{ kind: "skipped", reason: "no_answer" }];
    if (line.resps.length > 1) return [{ kind: "skipped", reason: "several_requests" }];
    if (request.second === undefined && outputs.every(isNumber)) return [{ kind: "skipped", reason: "loglikelihood" }];
    if (request.prompt === undefined) {
      throw new InputError("arguments: the request has no prompt", where, "give the sample as the harness wrote it");
    }
    const prompt = readPrompt(request.prompt, where, request.place);
    return outputs.map((output, index): Logged => {
      if (output === null) return { kind: "skipped", reason: "no_answer" };
      if (typeof output !== "string") {
        throw new InputError(`resps[0][${index}]: it is no text`, where, "give the sample as the harness wrote it");
      }
      return {
        kind: "response",
        response: responseOf(
          line,
          { prompt, original: request.prompt },
          output,
          outputs.length > 1 ? index : undefined,
          facts,
        ),
      };
    });
  },
};

/** A value that names something, as text. */
const textOf = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value);

interface Request {
  readonly prompt: unknown;
  /** Options of generation, or the continuation that was scored. */
  readonly second: unknown;
  /** Where the prompt stands in the record. */
  readonly place: string;
}

function requestsOf({ arguments: given }: Sample): Request[] {
  if (!Array.isArray(given)) {
    return Object.entries(given).flatMap(([name, one]) =>
      isJsonObject(one) ? [{ prompt: one["arg_0"], second: one["arg_1"], place: `arguments.${name}.arg_0` }] : []
    );
  }
  return given.map((one, index) =>
    Array.isArray(one)
      ? { prompt: one[0], second: one[1], place: `arguments[${index}][0]` }
      : { prompt: one, second: undefined, place: `arguments[${index}]` }
  );
}

/** A request for the likelihood of a continuation has the continuation where others have options. */
function isScored({ second }: Request): boolean {
  return typeof second === "string";
}

/** The likelihood of a whole text (`loglikelihood_rolling`) is a number where others have what was generated. */
function isNumber(output: unknown): boolean {
  return typeof output === "number" ||
    (typeof output === "string" && /^-?(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|inf|nan)$/i.test(output));
}

function responseOf(
  line: Sample,
  { prompt, original }: { readonly prompt: LoggedPrompt; readonly original: unknown },
  completion: string,
  repeat: number | undefined,
  facts: FileFacts,
): LoggedResponse {
  const { doc_id, filter } = line;
  const doc = isJsonObject(line.doc) ? line.doc : {};
  const named = textOf(doc["key"] ?? doc["task_id"] ?? doc["unique_id"] ?? doc_id);
  const known = facts.items?.find(named) ?? facts.items?.find(textOf(doc["prompt"] ?? doc["problem"] ?? ""));
  return {
    model: undefined,
    benchmark: facts.benchmark,
    task: named,
    docHash: line.doc_hash ?? canonicalHash(line.doc ?? null),
    promptHash: line.prompt_hash ?? textHash(textOf(original)),
    filter,
    ...(repeat === undefined ? {} : { sample: String(repeat) }),
    prompt,
    completion,
    item: withBegun(itemOf(doc, line.target, facts.benchmark) ?? (known ? checkItemOf(known) : null), prompt),
    // The scores are of all outputs together: they decide a single one only.
    logged: repeat === undefined ? verdictOf(line) : null,
    instructionPhrases: phrasesOf(doc["instruction_phrases"] ? doc : known),
    metadata: { from: "lm-eval", doc_id },
  };
}

/** Code goes on with what the prompt left open, such as a Markdown fence. */
function withBegun(item: CheckItem | null, prompt: LoggedPrompt): CheckItem | null {
  if (item?.kind !== "humaneval" && item?.kind !== "evalplus") return item;
  const last = prompt.kind === "chat" ? prompt.messages.at(-1) : undefined;
  const text = last === undefined
    ? prompt.kind === "unknown" || prompt.kind === "chat" ? "" : prompt.text
    : last.content;
  const fences = last !== undefined && last.role !== "assistant" ? [] : [...text.matchAll(/^[ \t]*(?:`{3,}|~{3,})/gm)];
  return fences.length % 2 === 1 ? { ...item, begun: text.slice(fences.at(-1)!.index) } : item;
}

function itemOf(doc: JsonObject, target: unknown, task: string): CheckItem | null {
  const item = checkItemOf(doc);
  const math = item === null && typeof doc["problem"] === "string" && typeof target === "string"
    ? { kind: "math" as const, answer: target }
    : item;
  if (math?.kind !== "math") return math;
  return { ...math, convention: CONVENTIONS.find(([name]) => name.test(task))?.[1] ?? "any" };
}

/** The harness's verdict; every metric of the line stays in its detail. */
function verdictOf(line: Sample): LoggedResponse["logged"] {
  const detail: JsonObject = Object.fromEntries(
    [...new Set([...line.metrics, ...DECIDING])].filter((name) => line[name] !== undefined)
      .map((name) => [name, line[name]]),
  );
  // `acc,none`: the harness's newer results write the filter behind a metric's name.
  for (const name of [...DECIDING, ...line.metrics]) {
    const value = detail[name] ?? detail[`${name},none`];
    if (value === true || value === 1) return { passed: true, detail };
    // What cannot be parsed is no value to that grader: equal strings are equal all the same.
    if (name === "math_verify" && !value && detail["exact_match"] === 1) continue;
    if (value === false || value === 0) return { passed: false, reason: `${name} is ${value}`, detail };
    if (value !== undefined) break;
  }
  return Object.keys(detail).length === 0 ? null : { passed: null, detail };
}

/**
 * The results file of the same run names the model; else the folder does, with `/` written as `__`; in old names the
 * model's arguments stand before the task.
 */
async function modelNames(path: string, name: string): Promise<readonly string[]> {
  const folder = basename(dirname(path)).replaceAll("__", "/");
  const old = OLD_FILE_NAME.test(basename(name)) ? oldModels(basename(name)) : [];
  const time = FILE_NAME.exec(basename(name))?.[2];
  const results = join(dirname(path), `results_${time}.json`);
  const size = await stat(results).then((info) => info.size, () => Infinity);
  if (time === undefined || size > 64 << 20) return [...old, folder];
  try {
    const run: unknown = JSON.parse(await readFile(results, "utf8"));
    const name = isJsonObject(run) ? run["model_name"] : undefined;
    return typeof name === "string" && name !== "" ? [name, folder] : [folder];
  } catch {
    return [folder];
  }
}

/** What may be the model in `pretrained__{model}_{task}.jsonl`: the longest first, since tasks and models hold `_`. */
function oldModels(name: string): string[] {
  const words = name.replace(/^(?:pretrained|model)__/, "").replace(/\.jsonl$/, "").split(",")[0]!.split("_");
  return words.map((_word, index) => words.slice(0, words.length - index).join("_").replaceAll("__", "/"))
    .filter((one) => one !== "");
}
