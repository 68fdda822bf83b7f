/** `culprit check --benchmark ifeval`: strict and loose verdicts of responses, matched with their items by the prompt. */
import { InputError } from "../../gpu/mod.ts";
import { checkIfeval, type Following, type IfevalItem } from "../checkers/ifeval/check.ts";
import { otherEdition } from "../benchmarks/ifeval_editions.ts";
import { type JsonLine, readJsonLines } from "./json_lines.ts";
import { failWhereUnjudged, outError, readJudgeable } from "./judged_lines.ts";
import { requiredText, type Verb, type VerbContext } from "./verb.ts";

interface Item extends IfevalItem {
  readonly key: string | number | null;
  readonly where: string;
}

interface Answer {
  readonly item: Item;
  readonly response: string;
  readonly where: string;
}

interface Result {
  readonly item: Item;
  readonly strict: Following;
  readonly loose: Following;
}

export async function run(context: VerbContext, verb: Verb): Promise<void> {
  const paths = { items: requiredText(context, verb, "items"), responses: requiredText(context, verb, "responses") };
  const items = await readItems(paths.items, context.signal);
  const lines = await readJudgeable(paths.responses, context.signal, (line) => readAnswer(line, items, paths.items));
  const results: Result[] = [];
  const notes = new Set<string>();
  for (const line of lines) {
    context.signal.throwIfAborted();
    if (line instanceof InputError) {
      await outError(context, line);
      continue;
    }
    const { item, response, where } = line;
    const { passed, reason, detail } = checkIfeval(item, response);
    const { strict, loose } = detail;
    if (passed === null) notes.add(`${item.where}: ${reason}; no verdict on ${where}`);
    for (const note of detail.notes ?? []) notes.add(`${item.where}: ${note}`);
    if (context.json) await context.out(`${JSON.stringify({ key: item.key, strict, loose })}\n`);
    results.push({ item, strict, loose });
  }
  // The two editions of an item are one item.
  const all = new Set([...items.values()].map(({ where }) => where)).size;
  const unanswered = all - new Set(results.map(({ item }) => item.where)).size;
  if (unanswered > 0) context.note(`${unanswered} of ${all} items have no response\n`);
  for (const note of notes) context.note(`${note}\n`);
  if (!context.json && results.length > 0) await context.out(table(results));
  failWhereUnjudged(lines, paths.responses);
}

/** Items by their prompts, white space around them left out; those of the other edition too. */
async function readItems(path: string, signal: AbortSignal): Promise<ReadonlyMap<string, Item>> {
  const items = new Map<string, Item>();
  const others: Item[] = [];
  for await (const line of readJsonLines(path, signal)) {
    const item = readItem(line);
    const same = items.get(item.prompt.trim());
    if (same !== undefined) {
      throw new InputError(`has the prompt of ${same.where}`, item.where, "keep one item for a prompt");
    }
    items.set(item.prompt.trim(), item);
    const other = otherEdition(line.value);
    if (other) others.push(readItem({ ...line, value: other }));
  }
  for (const other of others) if (!items.has(other.prompt.trim())) items.set(other.prompt.trim(), other);
  if (items.size === 0) throw new InputError("has no items", path, "give the benchmark's JSON lines");
  return items;
}

function readItem({ value, where }: JsonLine): Item {
  const { key, prompt, instruction_id_list: types, kwargs } = value;
  const shape = 'give {"key","prompt","instruction_id_list":[...],"kwargs":[{...}]}';
  if (typeof prompt !== "string") throw new InputError('has no "prompt"', where, shape);
  if (!Array.isArray(types) || types.length === 0 || !types.every((type) => typeof type === "string")) {
    throw new InputError('has no "instruction_id_list" of names', where, shape);
  }
  if (!Array.isArray(kwargs) || kwargs.length !== types.length) {
    throw new InputError(`has no "kwargs" for each of its ${types.length} instructions`, where, shape);
  }
  const known = typeof key === "string" || typeof key === "number";
  return { kind: "ifeval", key: known ? key : null, prompt, instruction_id_list: types, kwargs, where };
}

function readAnswer({ value, where }: JsonLine, items: ReadonlyMap<string, Item>, itemsPath: string): Answer {
  const { prompt, response } = value;
  if (typeof prompt !== "string" || typeof response !== "string") {
    const missing = typeof prompt === "string" ? "response" : "prompt";
    throw new InputError(`has no "${missing}"`, where, 'give {"prompt":"...","response":"..."}');
  }
  const item = items.get(prompt.trim());
  if (item === undefined) {
    throw new InputError(`its prompt is in no item of ${itemsPath}`, where, "give the items that were answered");
  }
  return { item, response, where };
}

const MODES = ["strict", "loose"] as const;
type Shares = Readonly<Record<(typeof MODES)[number], readonly (boolean | null)[]>>;

/** Accuracies of prompts, of all instructions, and of each type. */
function table(results: readonly Result[]): string {
  const shares = (pick: (following: Following, result: Result) => readonly (boolean | null)[]): Shares => ({
    strict: results.flatMap((result) => pick(result.strict, result)),
    loose: results.flatMap((result) => pick(result.loose, result)),
  });
  const types = [...new Set(results.flatMap(({ item }) => item.instruction_id_list))].sort();
  const rows: readonly (readonly [string, Shares])[] = [
    ["prompts", shares(({ all }) => [all])],
    ["instructions", shares(({ each }) => each)],
    ...types.map((type): readonly [string, Shares] => [
      type,
      shares(({ each }, { item }) => each.filter((_passed, at) => item.instruction_id_list[at] === type)),
    ]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const head = `${"".padEnd(width)}  ${"checked".padStart(7)}  ${MODES.map((mode) => mode.padStart(7)).join("  ")}\n`;
  return head + rows.map(([name, share]) => {
    const checked = share.strict.filter((passed) => passed !== null).length;
    const percent = (mode: (typeof MODES)[number]) =>
      checked === 0 ? "-" : `${(100 * share[mode].filter((passed) => passed === true).length / checked).toFixed(2)}%`;
    return `${name.padEnd(width)}  ${`${checked}`.padStart(7)}  ${
      MODES.map((mode) => percent(mode).padStart(7)).join("  ")
    }\n`;
  }).join("");
}
