/** `culprit check --benchmark math`: whether pairs of final answers are the same. */
import { InputError } from "../../gpu/mod.ts";
import { equivalent } from "../checkers/math.ts";
import type { JsonLine } from "./json_lines.ts";
import { failWhereUnjudged, outError, readJudgeable } from "./judged_lines.ts";
import { requiredText, type Verb, type VerbContext } from "./verb.ts";

interface Pair {
  readonly gold: string | null;
  readonly prediction: string | null;
}

export async function run(context: VerbContext, verb: Verb): Promise<void> {
  const path = requiredText(context, verb, "pairs");
  const lines = await readJudgeable(path, context.signal, readPair);
  if (lines.length === 0) throw new InputError("has no pairs", path, "give JSON lines");
  let [count, pairs] = [0, 0];
  for (const line of lines) {
    if (line instanceof InputError) {
      await outError(context, line);
      continue;
    }
    const { gold, prediction } = line;
    const same = gold === null || prediction === null ? gold === prediction : equivalent(gold, prediction);
    pairs++;
    if (same) count++;
    if (context.json) await context.out(`${JSON.stringify({ equivalent: same })}\n`);
    else if (!same) await context.out(`different  ${gold ?? "none"}  |  ${prediction ?? "none"}\n`);
  }
  if (!context.json) await context.out(`${count} of ${pairs} equivalent (${(100 * count / pairs).toFixed(2)} %)\n`);
  failWhereUnjudged(lines, path);
}

function readPair({ value, where }: JsonLine): Pair {
  const { gold, prediction } = value;
  if (!isAnswer(gold) || !isAnswer(prediction)) {
    const missing = isAnswer(gold) ? "prediction" : "gold";
    throw new InputError(`has no "${missing}"`, where, 'give {"gold":"...","prediction":"..."}, null for no answer');
  }
  return { gold, prediction };
}

function isAnswer(value: unknown): value is string | null {
  return typeof value === "string" || value === null;
}
