/** `culprit check --benchmark humaneval`: runs samples with their tests in the sandbox. */
import { InputError } from "../../gpu/mod.ts";
import type { Verdict } from "../checkers/checker.ts";
import type { Answer, CodeItem } from "../checkers/code/program.ts";
import { MAX_TIMEOUT_SECONDS, openSandbox, type Sandbox } from "../checkers/code/sandbox.ts";
import { checkItemOf, withInputTexts } from "../benchmarks/items.ts";
import { type JsonLine, readJsonLines } from "./json_lines.ts";
import { failWhereUnjudged, type Judgeable, outError, readJudgeable } from "./judged_lines.ts";
import { progressBar } from "./progress.ts";
import { optionText, requiredText, type Verb, type VerbContext } from "./verb.ts";

interface Sample {
  readonly item: CodeItem;
  readonly answer: Answer;
}

export async function run(context: VerbContext, verb: Verb): Promise<void> {
  const paths = { items: requiredText(context, verb, "items"), responses: requiredText(context, verb, "responses") };
  const timeoutSeconds = readTimeout(optionText(context, "timeout"));
  const items = await readItems(paths.items, context.signal);
  const samples = await readJudgeable(paths.responses, context.signal, (line) => readSample(line, items, paths.items));
  if (samples.length === 0) throw new InputError("has no samples", paths.responses, "give JSON lines");
  const sandbox = openSandbox({ timeoutSeconds, oneSource: true });
  const stop = () => void sandbox.close();
  context.signal.addEventListener("abort", stop);
  try {
    await runAll(context, sandbox, samples);
  } finally {
    context.signal.removeEventListener("abort", stop);
    await sandbox.close();
  }
  failWhereUnjudged(samples, paths.responses);
}

/** Runs as many at once as the sandbox does; results are printed in the order of the samples, as soon as they can be. */
async function runAll(
  context: VerbContext,
  sandbox: Sandbox,
  samples: readonly Judgeable<Sample>[],
): Promise<void> {
  const bar = progressBar(context);
  let done = 0;
  let passed = 0;
  let judged = 0;
  const verdicts = samples.map(async (sample) => {
    if (sample instanceof InputError) return sample;
    const verdict = await sandbox.check(sample.item, sample.answer);
    bar.update({ phase: "run", done: ++done, total: samples.length });
    return verdict;
  });
  // Those that are not awaited yet when one fails.
  for (const verdict of verdicts) verdict.catch(() => {});
  try {
    for (const [at, sample] of samples.entries()) {
      const verdict = await verdicts[at]!;
      context.signal.throwIfAborted();
      if (sample instanceof InputError || verdict instanceof InputError) {
        await outError(context, verdict as InputError);
        continue;
      }
      judged++;
      if (verdict.passed) passed++;
      await context.out(context.json ? jsonLine(sample.item, verdict) : textLine(sample.item, verdict));
    }
  } catch (error) {
    context.signal.throwIfAborted();
    throw error;
  } finally {
    bar.end();
  }
  const share = (100 * passed / Math.max(judged, 1)).toFixed(2);
  if (!context.json) await context.out(`${passed} of ${judged} passed (${share} %)\n`);
}

function jsonLine({ task_id }: CodeItem, { passed, reason }: Verdict): string {
  return `${JSON.stringify({ task_id, passed, reason: reason ?? "passed" })}\n`;
}

function textLine({ task_id }: CodeItem, { reason }: Verdict): string {
  return `${task_id}  ${reason ?? "passed"}\n`;
}

function readTimeout(text: string | undefined): number {
  if (text === undefined) return 10;
  const seconds = Number(text);
  if (!/^\d+(?:\.\d+)?$/.test(text) || !(seconds > 0 && seconds <= MAX_TIMEOUT_SECONDS)) {
    throw new InputError(
      `${JSON.stringify(text)} is not a number of seconds`,
      "--timeout",
      `give a number above 0, at most ${MAX_TIMEOUT_SECONDS}`,
    );
  }
  return seconds;
}

/** Items by their names: HumanEval's, and HumanEval+'s and MBPP+'s in both of their forms. */
async function readItems(path: string, signal: AbortSignal): Promise<ReadonlyMap<string, CodeItem>> {
  const items = new Map<string, CodeItem>();
  for await (const { value, where, text } of readJsonLines(path, signal)) {
    const item = checkItemOf(withInputTexts(value, text));
    if (item?.kind !== "humaneval" && item?.kind !== "evalplus") {
      const missing = ["task_id", "prompt", "entry_point", "test"].find((name) => typeof value[name] !== "string");
      throw new InputError(
        `has no "${missing ?? "test"}"`,
        where,
        'give {"task_id","prompt","entry_point","test"}, or EvalPlus\'s rows with "base_input" and "plus_input"',
      );
    }
    if (items.has(item.task_id)) {
      throw new InputError(`has a task_id seen before, ${item.task_id}`, where, "keep one item for a task_id");
    }
    items.set(item.task_id, item);
  }
  if (items.size === 0) throw new InputError("has no items", path, "give the benchmark's JSON lines");
  return items;
}

/** A completion follows the item's prompt; a solution, as EvalPlus has it, is the whole program. */
function readSample({ value, where }: JsonLine, items: ReadonlyMap<string, CodeItem>, itemsPath: string): Sample {
  const shape = 'give {"task_id","completion"} or {"task_id","solution"}';
  const { task_id: id, completion, solution } = value;
  if (typeof id !== "string") throw new InputError('has no "task_id"', where, shape);
  const item = items.get(id);
  if (item === undefined) {
    throw new InputError(`its task_id ${id} is in no item of ${itemsPath}`, where, "give the items that were answered");
  }
  if (typeof completion === "string") return { item, answer: { completion } };
  if (typeof solution === "string") return { item, answer: { solution } };
  throw new InputError('has no "completion"', where, shape);
}
