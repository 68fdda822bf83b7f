/**
 * OpenCompass: `predictions/MODEL/DATASET.json`, a table of numbered rows with `origin_prompt` and `prediction`, and
 * `results/MODEL/DATASET.json` of runs with `--dump-eval-details`, whose `details` hold rows with verdicts.
 */
import { basename, dirname } from "node:path";
import { z } from "zod";
import { InputError, isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { ChatMessage } from "../../schema/tables/values.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import type { Format, FoundRecord, LoggedPrompt, RecordSource } from "./format.ts";
import { readJsonFile } from "./json_file.ts";
import { parseRecord } from "./parse_record.ts";
import { loggedOf } from "./scores.ts";

const row = z.looseObject({
  number: z.string(),
  row: z.looseObject({
    origin_prompt: z.unknown().optional(),
    prompt: z.unknown().optional(),
    prediction: z.unknown().optional(),
    pred: z.unknown().optional(),
    gold: z.unknown().optional(),
  }),
});
/** Roles in the words of chat templates. */
const ROLES: Readonly<Record<string, string>> = { HUMAN: "user", BOT: "assistant", SYSTEM: "system" };
/** Fields of a row of details that say whether it is right. */
const VERDICTS = ["correct", "is_correct", "score", "eval_res"];

export const openCompass: Format = {
  accepts: (name) => /(?:^|\/)(?:predictions|results)\/[^/]+\/[^/]+\.json$/.test(name),
  // Files lie in a folder of their model.
  modelNames: (path) => Promise.resolve([basename(dirname(path))]),
  benchmark: (name) => basename(name).replace(/\.json$/, ""),
  records: rowsOf,
  read: (record, where, facts) => {
    const { number, row: one } = parseRecord(row, record, where, "a row of OpenCompass");
    const prompt = promptOf(one.origin_prompt ?? one.prompt, where);
    const said = one.prediction ?? one.pred;
    const answers = (Array.isArray(said) ? said : [said]).filter((text) => typeof text === "string");
    if (answers.length === 0) return [{ kind: "skipped", reason: "no_answer" }];
    const question = prompt.kind === "chat"
      ? prompt.messages.findLast(({ role }) => role === "user")?.content
      : prompt.kind === "user"
      ? prompt.text
      : undefined;
    const known = question === undefined ? undefined : facts.items?.find(question);
    const scores = Object.fromEntries(VERDICTS.flatMap((name) => name in one ? [[name, first(one[name])]] : []));
    return answers.map((completion, index) => ({
      kind: "response",
      response: {
        model: undefined,
        benchmark: facts.benchmark,
        task: number,
        docHash: canonicalHash({ number, gold: one.gold ?? null }),
        promptHash: canonicalHash(prompt),
        filter: "none",
        ...(answers.length > 1 ? { sample: String(index) } : {}),
        prompt,
        completion,
        item: known === undefined ? null : checkItemOf(known),
        logged: loggedOf(scores),
        instructionPhrases: phrasesOf(known),
        metadata: { from: "opencompass", gold: one.gold ?? null },
      },
    }));
  },
};

const first = (value: unknown): unknown => Array.isArray(value) ? value[0] : value;

async function* rowsOf({ path, name }: RecordSource): AsyncGenerator<FoundRecord> {
  const given = await readJsonFile(path, name);
  const table = isJsonObject(given) && given["details"] !== undefined ? given["details"] : given;
  const rows = Array.isArray(table)
    ? table.map((one, index): [string, unknown] => [String(index), one])
    : Object.entries(isJsonObject(table) ? table : {}).filter(([number]) => /^\d+(?:_\d+)?$/.test(number));
  if (rows.length === 0) {
    throw new InputError("it has no rows", name, "give predictions, or results of a run with --dump-eval-details");
  }
  for (const [index, [number, one]] of rows.entries()) {
    yield { text: JSON.stringify({ number, row: one }), where: `${name}:${number}`, index, count: rows.length };
  }
}

function promptOf(given: unknown, where: string): LoggedPrompt {
  if (typeof given === "string") return { kind: "user", text: given };
  if (given === undefined || given === null) return { kind: "unknown" };
  if (Array.isArray(given) && given.every((turn) => isJsonObject(turn) && typeof turn["prompt"] === "string")) {
    return {
      kind: "chat",
      messages: (given as readonly JsonObject[]).map(({ role, prompt }): ChatMessage => ({
        role: ROLES[String(role)] ?? String(role).toLowerCase(),
        content: String(prompt),
      })),
    };
  }
  throw new InputError("origin_prompt: it is neither text nor turns with role and prompt", where, "give it as written");
}
