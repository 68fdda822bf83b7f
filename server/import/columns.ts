/** JSON lines or Parquet of any origin, whose columns people name: prompt, answer, and whether it passed. */
import { basename } from "node:path";
import { InputError, isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import type { Format, LoggedPrompt } from "./format.ts";
import { parquetRecords } from "./parquet_rows.ts";
import { readPrompt } from "./prompt_shapes.ts";
import { truthOf } from "./scores.ts";

/** A file's name without its ending. */
const stemOf = (name: string): string => basename(name).replace(/\.(?:jsonl?|parquet)$/, "");

export const columns: Format = {
  accepts: (name) => /\.(?:jsonl?|parquet)$/.test(name),
  benchmark: stemOf,
  modelNames: (_path, name) => Promise.resolve([stemOf(name).replaceAll("__", "/")]),
  recordsNameModels: true,
  records: (file) => file.kind === "parquet" ? parquetRecords(file) : undefined,
  read: (record, where, facts, ordinal) => {
    const named = facts.columns;
    if (named === undefined) throw new InputError("its columns are not named", where, COLUMNS_MEND);
    if (!isJsonObject(record)) throw new InputError("it is no row with columns", where, COLUMNS_MEND);
    const completion = columnOf(record, named.answer, where);
    if (completion === null) return [{ kind: "skipped", reason: "no_answer" }];
    if (typeof completion !== "string") {
      throw new InputError(`${named.answer}: it is no text`, where, "name the column that holds the answer's text");
    }
    const prompt = readPrompt(columnOf(record, named.prompt, where), where, named.prompt);
    const question = questionOf(prompt);
    const known = facts.items?.find(question);
    const task = named.id === undefined ? String(ordinal) : String(columnOf(record, named.id, where));
    const model = named.model === undefined ? undefined : columnOf(record, named.model, where);
    return [{
      kind: "response",
      response: {
        model: typeof model === "string" ? model : undefined,
        benchmark: facts.benchmark,
        task,
        docHash: canonicalHash({ task, question }),
        promptHash: canonicalHash(prompt),
        filter: "none",
        prompt,
        completion,
        item: checkItemOf(known ?? { ...record, prompt: question }),
        logged: named.passed === undefined ? null : loggedIn(record, named.passed, where),
        instructionPhrases: phrasesOf(known ?? record),
        metadata: { from: "columns" },
      },
    }];
  },
};

/** How to mend what lacks the names of columns. */
export const COLUMNS_MEND = "name them: --prompt COLUMN --answer COLUMN --passed COLUMN (columns in GraphQL)";

/** The value of a column; dots lead into columns of columns. Throws InputError where the row has no such column. */
function columnOf(row: JsonObject, name: string, where: string): unknown {
  if (Object.hasOwn(row, name)) return row[name];
  let value: unknown = row;
  for (const part of name.split(".")) {
    const inside = Array.isArray(value) ? value[Number(part)] : isJsonObject(value) ? value[part] : undefined;
    if (inside === undefined) {
      const has = Object.keys(row).slice(0, 20).join(", ");
      throw new InputError(`it has no column ${JSON.stringify(name)}`, where, `name one of its own: ${has}`);
    }
    value = inside;
  }
  return value;
}

function loggedIn(row: JsonObject, name: string, where: string) {
  const value = columnOf(row, name, where);
  const passed = truthOf(value);
  if (passed === null && value !== null) {
    throw new InputError(
      `${name}: ${JSON.stringify(value)?.slice(0, 60)} says neither right nor wrong`,
      where,
      "name a column of true and false, or of 1 and 0",
    );
  }
  return {
    passed,
    ...(passed === false ? { reason: `${name} is ${JSON.stringify(value)}` } : {}),
    detail: { [name]: value },
  };
}

function questionOf(prompt: LoggedPrompt): string {
  if (prompt.kind === "chat") return prompt.messages.findLast(({ role }) => role === "user")?.content ?? "";
  return prompt.kind === "unknown" ? "" : prompt.text;
}
