/** `culprit prompts`: prompts in IFEval's form to train on, none of them one that is held out. */
import { writeFile } from "node:fs/promises";
import { InputError } from "../../gpu/mod.ts";
import { requiredText, type Verb, type VerbContext } from "./verb.ts";

/** Prompts of one file at most. */
const MOST_PROMPTS = 20_000;

export const verb: Verb = {
  name: "prompts",
  summary: "Makes prompts in IFEval's form to train on, none of them one that is held out",
  usage: "prompts --out FILE [--count N] [--seed N] [--held-out FILE]... [--json]",
  example: "npx culprit prompts --count 400 --held-out input_data.jsonl --out ifeval-training.jsonl",
  options: {
    out: { type: "string", value: "FILE", help: "the benchmark file that is written: items for collect and check" },
    count: { type: "string", value: "N", help: "prompts; fewer are the first of more", default: "400" },
    seed: { type: "string", value: "N", help: "of tasks, demands and their arguments", default: "1" },
    "held-out": {
      type: "string",
      value: "FILE",
      help: "a benchmark's file: none of its prompts is made, nor one that has half of its words in a row",
      multiple: true,
    },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const { optionCount, refusePositionals } = await import("./model_session.ts");
  const [{ openHeldOut }, { makePrompts }] = await Promise.all([
    import("../benchmarks/training_prompts/held_out.ts"),
    import("../benchmarks/training_prompts/make_prompts.ts"),
  ]);
  refusePositionals(context, verb.name);
  const out = requiredText(context, verb, "out");
  const count = optionCount(context, "count")!;
  if (count > MOST_PROMPTS) throw new InputError(`${count} are too many`, "--count", `give ${MOST_PROMPTS} at most`);
  const heldOut = openHeldOut(await heldOutPrompts(context));
  const made = makePrompts(count, optionCount(context, "seed", 0)!, heldOut);
  await writeFile(out, made.prompts.map((prompt) => `${JSON.stringify(prompt)}\n`).join("")).catch(
    (error: { code?: string }) => {
      throw new InputError(`cannot be written (${error.code})`, out, "give a path in a folder that is there");
    },
  );
  const types = new Map<string, number>();
  for (const type of made.prompts.flatMap((one) => one.instruction_id_list)) {
    types.set(type, (types.get(type) ?? 0) + 1);
  }
  const { refused, overlap } = made;
  const totals = { total: count, instructions: Object.fromEntries([...types].sort()), heldOut: heldOut.count };
  if (context.json) return await context.out(`${JSON.stringify({ ...totals, refused, overlap })}\n`);
  const compared = heldOut.count === 0
    ? "compared with none: --held-out names a file of prompts that must not be among them"
    : `compared with ${heldOut.count} held-out prompts: ${refused} refused, at most ${
      (100 * overlap).toFixed(0)
    } % of one's words in a row`;
  await context.out(`${out}: ${count} prompts, ${types.size} types of instructions\n${compared}\n`);
}

async function heldOutPrompts(context: VerbContext): Promise<string[]> {
  const { promptsOf } = await import("../benchmarks/items.ts");
  const files = context.values["held-out"] as readonly string[] | undefined ?? [];
  return (await Promise.all(files.map(promptsOf))).flat();
}
