/** Which format a file is of, told by what stands in it: no file has to be called as its writer calls it. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError, isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { ImportFormat } from "../../schema/tables/values.ts";
import { COLUMNS_MEND } from "./columns.ts";
import { containerOf, MAX_WHOLE_BYTES, textBytes } from "../base/container.ts";
import { FORMATS } from "./formats.ts";
import { openParquet } from "./parquet_rows.ts";
import { parseJsonText } from "../base/json_text.ts";
import { readRecords, type RecordFile, unpackedName } from "./records.ts";
import { openZip } from "./zip_file.ts";

/** What people call the formats. */
export const TITLES: Readonly<Record<ImportFormat, string>> = {
  "lm-eval": "a sample log of lm-evaluation-harness",
  "ifeval": "a file of IFEval responses",
  "evalplus": "samples or results of EvalPlus",
  "math": "answers to MATH",
  "gaia2": "a trace of GAIA2",
  "inspect": "a log of Inspect",
  "leaderboard": "details of the Open LLM Leaderboard",
  "lighteval": "details of lighteval",
  "opencompass": "predictions of OpenCompass",
  "helm": "a run of HELM",
  "columns": "rows with named columns",
  "debug-xai": "a trace of the paper's reference code",
  "culprit": "failure cases of culprit/1",
  "annotations": "answers of annotators",
  "labels": "labels of a reader",
};

const has = (record: JsonObject, ...fields: readonly string[]): boolean => fields.every((field) => field in record);
const table = (value: unknown): JsonObject => isJsonObject(value) ? value : {};

/** What a record of each format has; the first that fits counts. */
const MARKS: readonly (readonly [ImportFormat, (record: JsonObject) => boolean])[] = [
  ["culprit", (one) => one["format"] === "culprit/1"],
  ["inspect", (one) => has(one, "eval", "samples") && has(table(one["eval"]), "task")],
  ["helm", (one) => Array.isArray(one["request_states"])],
  ["lm-eval", (one) => has(one, "doc_id", "resps") && has(one, "arguments")],
  ["lighteval", (one) => has(one, "doc", "model_response") || has(one, "full_prompt", "predictions")],
  ["debug-xai", (one) => has(one, "topk_token_explore")],
  [
    "gaia2",
    (one) =>
      has(one, "world_logs") || has(one, "per_agent_interaction_histories") || has(one, "scenario_id", "data") ||
      has(one, "request", "seq"),
  ],
  ["opencompass", isOpenCompass],
  ["annotations", (one) => has(one, "key", "decision")],
  ["labels", (one) => has(one, "key", "outcome")],
  [
    "evalplus",
    (one) => has(one, "task_id") && (has(one, "solution") || has(one, "completion")) || has(one, "eval", "hash"),
  ],
  [
    "math",
    (one) =>
      has(one, "answer") && ["prediction", "completion", "response", "output"].some((field) => field in one) &&
      !has(one, "instruction_id_list"),
  ],
  ["ifeval", (one) => typeof one["prompt"] === "string" && typeof one["response"] === "string"],
];

/** Logs that are known by sight, but not read. */
const UNREAD: readonly (readonly [string, (record: JsonObject) => boolean])[] = [
  ["output of promptfoo", (one) => has(one, "evalId", "results") || has(one, "results", "shareableUrl")],
  ["a log of OpenAI's evals", (one) => has(table(one["spec"]), "eval_name") || has(one, "run_id", "event_id")],
  ["predictions of OLMES", (one) => has(one, "doc_id", "model_output")],
  ["output of Qwen2.5-Math", (one) => has(one, "gt_cot", "code")],
  ["test results of DeepEval", (one) => has(one, "testCases") || has(one, "test_cases", "metrics_scores")],
  ["a benchmark's items", (one) => has(one, "task_id", "entry_point") || has(one, "instruction_id_list", "kwargs")],
];

function isOpenCompass(one: JsonObject): boolean {
  const rows = one["details"] ?? one;
  const first = Array.isArray(rows) ? rows[0] : table(rows)["0"];
  return has(table(first), "prediction") || has(table(first), "origin_prompt") || has(table(first), "pred");
}

/** Records that are looked at before a file counts as unknown, and files of a folder. */
const RECORDS = 20;
const FILES = 200;

/** What a file or folder is: a format; something that is not read, by its name; or undefined. */
export interface Recognised {
  readonly format?: ImportFormat;
  readonly unread?: string;
}

/**
 * Looks at a file, or at a folder's files until one is known. Throws InputError for what cannot be read at all.
 */
export async function recognise(path: string, name: string): Promise<Recognised> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isFile()) return await lookAt(await fileAt(path, name));
  if (!info?.isDirectory()) {
    throw new InputError("it cannot be read as a file", name, "give the path of a file or a folder");
  }
  let unread: Recognised = {};
  for (const inside of await filesIn(path)) {
    const file = await fileAt(join(path, inside), join(name, inside));
    const found = await lookAt(file).catch((error): Recognised => {
      if (error instanceof InputError) return {};
      throw error;
    });
    if (found.format !== undefined && FORMATS[found.format].accepts(file.unpackedName)) return found;
    if (found.unread !== undefined) unread = found;
  }
  return unread;
}

/** A file as far as its beginning is read: of packed text no more than one record may have is counted. */
async function fileAt(path: string, name: string): Promise<RecordFile> {
  const container = await containerOf(path, name);
  const { size } = await stat(path);
  const packed = container.kind === "text" && (container.gzip || container.encoding !== "utf-8");
  const bytes = packed ? await textBytes(path, name, container, MAX_WHOLE_BYTES) : size;
  return { path, name, unpackedName: unpackedName(name), container, bytes };
}

/** Names of a folder's files that may be logs, sorted; not all of a folder with very many. */
async function filesIn(folder: string, below = "", depth = 4): Promise<string[]> {
  const names: string[] = [];
  const entries = await readdir(join(folder, below), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (names.length >= FILES) break;
    const inside = join(below, entry.name);
    if (entry.isFile() && LOG_FILE.test(unpackedName(entry.name))) names.push(inside);
    if (entry.isDirectory() && depth > 0) names.push(...await filesIn(folder, inside, depth - 1));
  }
  return names.slice(0, FILES);
}

const LOG_FILE = /\.(?:jsonl?|eval|parquet|py)$/;

async function lookAt(file: RecordFile): Promise<Recognised> {
  const { path, name, container } = file;
  if (container.kind === "zip") {
    const zip = await openZip(path, name);
    zip.close();
    return zip.names.some((one) => one === "header.json" || one.startsWith("_journal/")) ? { format: "inspect" } : {};
  }
  if (container.kind === "parquet") return await lookAtParquet(path, name);
  let records = 0;
  for await (const { text } of readRecords([file], 0, {})) {
    const record = text === undefined ? undefined : parseJsonText(text);
    const found = isJsonObject(record) ? ofRecord(record) : undefined;
    if (found) return found;
    if (Array.isArray(record) && record.every((one) => typeof one === "string")) {
      return { unread: "generations of bigcode-evaluation-harness" };
    }
    if (++records === RECORDS) break;
  }
  return {};
}

function ofRecord(record: JsonObject): Recognised | undefined {
  const format = MARKS.find(([, fits]) => fits(record))?.[0];
  if (format !== undefined) return { format };
  const unread = UNREAD.find(([, fits]) => fits(record))?.[0];
  return unread === undefined ? undefined : { unread };
}

/** A row of Parquet may be any format's; the harness's are those of the leaderboard. */
async function lookAtParquet(path: string, name: string): Promise<Recognised> {
  const { columns, close } = await openParquet(path, name);
  await close();
  const found = ofRecord(Object.fromEntries(columns.map((column) => [column, ""])));
  if (found?.format === "lm-eval") return { format: "leaderboard" };
  return found?.format === "lighteval" ? found : {};
}

/** Why a file cannot be imported without saying more. */
export function unknownFormat({ unread }: Recognised, name: string): InputError {
  return unread === undefined
    ? new InputError("nothing in it tells its format", name, `say it with --from, or ${COLUMNS_MEND}`)
    : new InputError(`it is ${unread}, which is not read`, name, `make JSON lines of it and ${COLUMNS_MEND}`);
}

/** What to say where a file is not of the format that was named; undefined where nothing else is known of it. */
export function wrongFormat(from: ImportFormat, found: Recognised, name: string): InputError | undefined {
  if (found.format === undefined) return found.unread === undefined ? undefined : unknownFormat(found, name);
  if (found.format === from) return undefined;
  return new InputError(`it is ${TITLES[found.format]}, not ${TITLES[from]}`, name, `give --from ${found.format}`);
}
