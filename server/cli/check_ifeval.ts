/** `culprit check --benchmark ifeval`: strict and loose verdicts of responses, matched with their items by the prompt. */
import { InputError } from "../../gpu/mod.ts";
import { checkIfeval, type Following, type IfevalItem } from "../checkers/ifeval/check.ts";
import { type JsonLine, readJsonLines } from "./json_lines.ts";
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
  // All is read before anything is printed: a wrong line leaves no half of a result.
  const answers = await readResponses(paths.responses, items, paths.items, context.signal);
  const results: Result[] = [];
  const notes = new Set<string>();
  for (const { item, response, where } of answers) {
    context.signal.throwIfAborted();
    const { passed, reason, detail } = checkIfeval(item, response);
    const { strict, loose } = detail;
    if (passed === null) notes.add(`${item.where}: ${reason}; no verdict on ${where}`);
    for (const note of detail.notes ?? []) notes.add(`${item.where}: ${note}`);
    if (context.json) await context.out(`${JSON.stringify({ key: item.key, strict, loose })}\n`);
    results.push({ item, strict, loose });
  }
  const unanswered = items.size - new Set(answers.map(({ item }) => item)).size;
  if (unanswered > 0) context.note(`${unanswered} of ${items.size} items have no response\n`);
  for (const note of notes) context.note(`${note}\n`);
  if (!context.json) await context.out(table(results));
}

/** Items by their prompts. */
async function readItems(path: string, signal: AbortSignal): Promise<ReadonlyMap<string, Item>> {
  const items = new Map<string, Item>();
  for await (const line of readJsonLines(path, signal)) {
    const item = readItem(line);
    const same = items.get(item.prompt);
    if (same !== undefined) {
      throw new InputError(`has the prompt of ${same.where}`, item.where, "keep one item for a prompt");
    }
    items.set(item.prompt, item);
  }
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

async function readResponses(
  path: string,
  items: ReadonlyMap<string, Item>,
  itemsPath: string,
  signal: AbortSignal,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for await (const { value, where } of readJsonLines(path, signal)) {
    const { prompt, response } = value;
    if (typeof prompt !== "string" || typeof response !== "string") {
      const missing = typeof prompt === "string" ? "response" : "prompt";
      throw new InputError(`has no "${missing}"`, where, 'give {"prompt":"...","response":"..."}');
    }
    const item = items.get(prompt);
    if (item === undefined) {
      throw new InputError(`its prompt is in no item of ${itemsPath}`, where, "give the items that were answered");
    }
    answers.push({ item, response, where });
  }
  return answers;
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
