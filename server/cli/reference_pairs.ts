/** `culprit pairs --reference`: token pairs from the solutions of benchmarks, stored as cases of benchmarks of their own. */
import { InputError } from "../../gpu/mod.ts";
import type { ReferencePairs } from "../search/reference_pairs.ts";
import { questionSettings } from "./collect.ts";
import { type ModelSession, optionCount } from "./model_session.ts";
import type { VerbContext } from "./verb.ts";

/** Places of a solution that are tried where nothing is said. */
const POSITIONS = 4;

/** Throws InputError for benchmarks that are not there, or that bring no solutions. */
export async function addReferencePairs(
  context: VerbContext,
  session: ModelSession,
  names: readonly string[],
): Promise<void> {
  const [{ referenceName, referencePairs }, { findBenchmark }, { importLines }] = await Promise.all([
    import("../search/reference_pairs.ts"),
    import("../benchmarks/benchmarks.ts"),
    import("../import/import_lines.ts"),
  ]);
  const { db, model, tokenizer, checkers, options, bar } = session;
  const benchmarks = [];
  for (const name of names) benchmarks.push(await findBenchmark(db, name, "--reference"));
  const loaded = await session.load(model);
  for (const benchmark of benchmarks) {
    const pairs = await referencePairs(benchmark, {
      ...await questionSettings(context),
      positions: optionCount(context, "positions") ?? POSITIONS,
      batch: optionCount(context, "batch") ?? 64,
    }, {
      model: loaded,
      name: model.name,
      modelId: model.id,
      tokenizer,
      checkers,
      options,
      onWave: (done, total) => bar.update({ phase: "pairs", done, total }),
    });
    if (pairs.items > 0 && pairs.without.no_solution === pairs.items) {
      throw new InputError(
        `the items of ${benchmark.name} bring no solutions`,
        "--reference",
        "name a benchmark like GSM8K, MATH, HumanEval or HumanEval+",
      );
    }
    await importLines(db, referenceName(benchmark.name), pairs.lines);
    bar.end();
    await context.out(context.json ? jsonOf(referenceName(benchmark.name), pairs) : summaryOf(benchmark.name, pairs));
  }
}

const jsonOf = (benchmark: string, { lines, items, without }: ReferencePairs) =>
  `${JSON.stringify({ benchmark, total: items, pairs: lines.length, without })}\n`;

const WORDS: Readonly<Record<keyof ReferencePairs["without"], string>> = {
  no_solution: "bring no solution",
  solution_fails: "have a solution that the checker does not pass",
  solution_undecided: "have a solution that the checker could not decide about in its time",
  context_too_long: "do not fit the model",
  no_place: "have no place where the model errs",
};

function summaryOf(benchmark: string, { lines, items, without }: ReferencePairs): string {
  const rest = Object.entries(WORDS).flatMap(([reason, words]) => {
    const count = without[reason as keyof typeof without];
    return count === 0 ? [] : [`${count} ${words}`];
  });
  return `${benchmark}: ${items} items, ${lines.length} pairs${rest.length === 0 ? "" : ` (${rest.join("; ")})`}\n`;
}
