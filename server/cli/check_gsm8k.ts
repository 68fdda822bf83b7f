/** `culprit check --benchmark gsm8k`: whether responses end in the number of their problem's solution. */
import { InputError } from "../../gpu/mod.ts";
import { checkGsm8k, goldNumber } from "../checkers/gsm8k.ts";
import { type JsonLine, readJsonLines } from "./json_lines.ts";
import { failWhereUnjudged, outError, readJudgeable } from "./judged_lines.ts";
import { requiredText, type Verb, type VerbContext } from "./verb.ts";

interface Answered {
  readonly question: string;
  readonly gold: string;
  readonly response: string;
}

export async function run(context: VerbContext, verb: Verb): Promise<void> {
  const paths = { items: requiredText(context, verb, "items"), responses: requiredText(context, verb, "responses") };
  const golds = await readItems(paths.items, context.signal);
  const lines = await readJudgeable(paths.responses, context.signal, (line) => readResponse(line, golds, paths.items));
  if (lines.length === 0) throw new InputError("has no responses", paths.responses, "give JSON lines");
  let [passed, judged] = [0, 0];
  for (const line of lines) {
    context.signal.throwIfAborted();
    if (line instanceof InputError) {
      await outError(context, line);
      continue;
    }
    const verdict = checkGsm8k({ kind: "gsm8k", answer: line.gold }, line.response);
    judged++;
    if (verdict.passed) passed++;
    const reason = verdict.reason ?? "passed";
    await context.out(
      context.json
        ? `${JSON.stringify({ passed: verdict.passed, reason, ...verdict.detail })}\n`
        : `${line.question.slice(0, 60)}  ${reason}\n`,
    );
  }
  const share = (100 * passed / Math.max(judged, 1)).toFixed(2);
  if (!context.json) await context.out(`${passed} of ${judged} passed (${share} %)\n`);
  failWhereUnjudged(lines, paths.responses);
}

/** The gold numbers by their questions. */
async function readItems(path: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const golds = new Map<string, string>();
  for await (const { value, where } of readJsonLines(path, signal)) {
    const { question, answer } = value;
    const gold = typeof answer === "string" ? goldNumber(answer) : undefined;
    if (typeof question !== "string" || gold === undefined) {
      const missing = typeof question === "string" ? 'answer" with its ####' : "question";
      throw new InputError(`has no "${missing}"`, where, 'give {"question":"...","answer":"... #### 42"}');
    }
    golds.set(question.trim(), gold);
  }
  if (golds.size === 0) throw new InputError("has no items", path, "give the benchmark's JSON lines");
  return golds;
}

function readResponse({ value, where }: JsonLine, golds: ReadonlyMap<string, string>, itemsPath: string): Answered {
  const { question, response } = value;
  if (typeof question !== "string" || typeof response !== "string") {
    const missing = typeof question === "string" ? "response" : "question";
    throw new InputError(`has no "${missing}"`, where, 'give {"question":"...","response":"..."}');
  }
  const gold = golds.get(question.trim());
  if (gold !== undefined) return { question, gold, response };
  throw new InputError(`its question is in no item of ${itemsPath}`, where, "give the items that were answered");
}
