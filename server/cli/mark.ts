/** `culprit mark`: where the prompts of a benchmark state their constraints. */
import { InputError } from "../../gpu/mod.ts";
import { type LocatedInstruction, type LocatedItem, locateInstructions } from "../marks/locate.ts";
import { type JsonLine, readJsonLines } from "./json_lines.ts";
import { requiredText, type Verb, type VerbContext } from "./verb.ts";

/** Benchmarks whose rows name the types of their instructions. */
const BENCHMARKS: readonly string[] = ["ifeval", "ifbench"];

export const verb: Verb = {
  name: "mark",
  summary: "Finds where each prompt of a benchmark states its constraints",
  usage: `mark --benchmark ${BENCHMARKS.join("|")} --items FILE [--json]`,
  example: "npx culprit mark --benchmark ifeval --items input_data.jsonl --json",
  options: {
    benchmark: { type: "string", value: "NAME", help: BENCHMARKS.join(" or ") },
    items: { type: "string", value: "FILE", help: "the benchmark's own JSON lines" },
  },
  run,
};

interface Item extends LocatedItem {
  readonly key: string | number | null;
}

async function run(context: VerbContext): Promise<void> {
  const benchmark = requiredText(context, verb, "benchmark");
  if (!BENCHMARKS.includes(benchmark)) {
    throw new InputError(
      `${JSON.stringify(benchmark)} is no benchmark with a locator`,
      "--benchmark",
      `give one of: ${BENCHMARKS.join(", ")}`,
    );
  }
  const [extra] = context.positionals;
  if (extra !== undefined) {
    throw new InputError(`${JSON.stringify(extra)} is not an option`, "culprit mark", "give the file by --items");
  }
  const path = requiredText(context, verb, "items");
  // All is read before anything is printed: a wrong line leaves no half of a result.
  const items: Item[] = [];
  for await (const line of readJsonLines(path, context.signal)) items.push(readItem(line));
  if (items.length === 0) throw new InputError("has no items", path, "give the benchmark's JSON lines");
  let unfound = 0;
  for (const item of items) {
    context.signal.throwIfAborted();
    const instructions = locateInstructions(item);
    unfound += instructions.filter(({ phrases }) => phrases.length === 0).length;
    await context.out(
      context.json ? `${JSON.stringify({ key: item.key, instructions })}\n` : table(item, instructions),
    );
  }
  if (unfound > 0) context.note(`${unfound} instructions were not found in their prompts\n`);
}

function readItem({ value, where }: JsonLine): Item {
  const { key, prompt, instruction_id_list: types, kwargs } = value;
  const shape = 'give {"key","prompt","instruction_id_list":[...],"kwargs":[{...}]}';
  if (typeof prompt !== "string") throw new InputError('has no "prompt"', where, shape);
  if (!Array.isArray(types) || !types.every((type) => typeof type === "string")) {
    throw new InputError('has no "instruction_id_list" of names', where, shape);
  }
  if (!Array.isArray(kwargs) || kwargs.length !== types.length) {
    throw new InputError(`has no "kwargs" for each of its ${types.length} instructions`, where, shape);
  }
  const known = typeof key === "string" || typeof key === "number";
  return { key: known ? key : null, prompt, instruction_id_list: types, kwargs };
}

function table({ key }: Item, instructions: readonly LocatedInstruction[]): string {
  return instructions.map(({ id, phrases }) =>
    `${key ?? "-"}  ${id}  ${phrases.length === 0 ? "-" : phrases.map((phrase) => JSON.stringify(phrase)).join("  ")}\n`
  ).join("");
}
