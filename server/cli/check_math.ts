/** `culprit check --benchmark math`: whether pairs of final answers are the same. */
import { InputError } from "../../gpu/mod.ts";
import { equivalent } from "../checkers/math.ts";
import { readJsonLines } from "./json_lines.ts";
import { requiredText, type Verb, type VerbContext } from "./verb.ts";

interface Pair {
  readonly gold: string | null;
  readonly prediction: string | null;
}

export async function run(context: VerbContext, verb: Verb): Promise<void> {
  const pairs = await readPairs(requiredText(context, verb, "pairs"), context.signal);
  const results = pairs.map(({ gold, prediction }) =>
    gold === null || prediction === null ? gold === prediction : equivalent(gold, prediction)
  );
  if (context.json) {
    for (const same of results) await context.out(`${JSON.stringify({ equivalent: same })}\n`);
    return;
  }
  const count = results.filter((same) => same).length;
  for (const [at, { gold, prediction }] of pairs.entries()) {
    if (!results[at]) await context.out(`different  ${gold ?? "none"}  |  ${prediction ?? "none"}\n`);
  }
  await context.out(`${count} of ${pairs.length} equivalent (${(100 * count / pairs.length).toFixed(2)} %)\n`);
}

async function readPairs(path: string, signal: AbortSignal): Promise<readonly Pair[]> {
  const pairs: Pair[] = [];
  for await (const { value, where } of readJsonLines(path, signal)) {
    const { gold, prediction } = value;
    if (!isAnswer(gold) || !isAnswer(prediction)) {
      const missing = isAnswer(gold) ? "prediction" : "gold";
      throw new InputError(`has no "${missing}"`, where, 'give {"gold":"...","prediction":"..."}, null for no answer');
    }
    pairs.push({ gold, prediction });
  }
  if (pairs.length === 0) throw new InputError("has no pairs", path, "give JSON lines");
  return pairs;
}

function isAnswer(value: unknown): value is string | null {
  return typeof value === "string" || value === null;
}
