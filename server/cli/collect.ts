/** `culprit collect`: runs a model over a benchmark, checks its responses and stores them. */
import { PROMPT_TEMPLATE_NAMES, promptTemplateNamed } from "../benchmarks/prompt_templates.ts";
import { optionText, requiredText, type Verb, type VerbContext, type VerbOption } from "./verb.ts";
import type { CollectedItem, CollectTotals } from "../benchmarks/collect.ts";
import type { ModelSession } from "./model_session.ts";
import type { QuestionSettings } from "../benchmarks/questions.ts";

/** How responses are generated; `pairs --collect` has them too. */
export const COLLECT_OPTIONS: Readonly<Record<string, VerbOption>> = {
  limit: { type: "string", value: "N", help: "only the first items of a benchmark" },
  seed: {
    type: "string",
    value: "N",
    help: "items in the order of this seed, so that --limit takes a sample by chance; in the file's if left out",
  },
  "max-tokens": { type: "string", value: "N", help: "tokens of a response at most", default: "512" },
  thinking: {
    type: "string",
    value: "N",
    help: "lets the model think before it responds, in N tokens at most; thinking is off if left out",
  },
  batch: { type: "string", value: "N", help: "responses that are decoded together", default: "256" },
  template: {
    type: "string",
    value: "NAME",
    help: `how problems are asked: ${PROMPT_TEMPLATE_NAMES.join(", ")}; as their kind is asked if left out`,
  },
};

/** Those of them that are numbers. */
export const COLLECT_COUNTS = ["limit", "max-tokens", "thinking", "batch"];

export const verb: Verb = {
  name: "collect",
  summary: "Runs a model over a benchmark, and stores its responses with their verdicts",
  usage: "collect --model NAME|MODEL --benchmark NAME|FILE [--limit N] [--seed N] [--max-tokens N] [--thinking N] " +
    "[--batch N] [--json]",
  example: "npx culprit collect --model models/demo-1m --benchmark demo-ifeval --max-tokens 96",
  options: {
    model: {
      type: "string",
      value: "NAME|MODEL",
      help: "a model that was added, or one to add: a folder, or a hub's ORG/NAME",
    },
    benchmark: {
      type: "string",
      value: "NAME|FILE",
      help: "a benchmark's name, or the path of its JSON lines; several separated by commas",
    },
    ...COLLECT_OPTIONS,
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const { checkCounts, optionNames, refusePositionals, withModelSession } = await import("./model_session.ts");
  refusePositionals(context, verb.name);
  checkCounts(context, COLLECT_COUNTS);
  const model = requiredText(context, verb, "model");
  requiredText(context, verb, "benchmark");
  const names = optionNames(context, "benchmark") ?? [];
  const totals = await withModelSession(
    context,
    model,
    (session) => collectAll(context, session, names, "--benchmark"),
  );
  if (context.json) {
    const sum = (field: keyof CollectTotals) => totals.reduce((all, one) => all + one.totals[field], 0);
    const fields = ["total", "collected", "unchanged", "skipped", "passed", "failed", "undecided"] as const;
    await context.out(`${JSON.stringify(Object.fromEntries(fields.map((field) => [field, sum(field)])))}\n`);
  } else {
    await context.out(describe(totals));
  }
}

export interface NamedTotals {
  readonly benchmark: string;
  readonly totals: CollectTotals;
}

/** Collects the responses to several benchmarks, a line for each item with --json. */
export async function collectAll(
  context: VerbContext,
  session: ModelSession,
  names: readonly string[],
  where: string,
): Promise<NamedTotals[]> {
  const [{ collect }, { checkThinking }, { findBenchmark }, { optionCount }] = await Promise.all([
    import("../benchmarks/collect.ts"),
    import("../models/thinking.ts"),
    import("../benchmarks/benchmarks.ts"),
    import("./model_session.ts"),
  ]);
  const thinkingTokens = optionCount(context, "thinking");
  const settings = {
    ...await questionSettings(context),
    batch: optionCount(context, "batch") ?? 256,
    ...(thinkingTokens === undefined ? {} : { thinkingTokens }),
  };
  const { db, model, tokenizer, checkers, options, bar } = session;
  if (thinkingTokens !== undefined) checkThinking(tokenizer, model.name, "--thinking");
  // All of them are looked up before the first is run.
  const benchmarks = [];
  for (const name of names) benchmarks.push(await findBenchmark(db, name, where));
  const loaded = await session.load(model);
  const all: NamedTotals[] = [];
  for (const benchmark of benchmarks) {
    const totals = await collect(benchmark, settings, {
      db,
      modelId: model.id,
      model: loaded,
      tokenizer,
      checkers,
      options,
      onStep: (step) => bar.update({ phase: "collect", ...step }),
      onItems: async (items) => {
        if (context.json && items.length > 0) await context.out(items.map(itemLine).join(""));
      },
    });
    all.push({ benchmark: benchmark.name, totals });
  }
  return all;
}

/** Which items are asked, as the command line says. */
export async function questionSettings(context: VerbContext): Promise<QuestionSettings> {
  const { optionCount } = await import("./model_session.ts");
  const seed = optionCount(context, "seed", 0);
  return {
    limit: optionCount(context, "limit") ?? null,
    ...(seed === undefined ? {} : { seed }),
    maxTokens: optionCount(context, "max-tokens") ?? 512,
    promptTemplate: promptTemplateNamed(optionText(context, "template"), "--template"),
  };
}

function itemLine({ key, result, passed, reason }: CollectedItem): string {
  const status = result === "skipped" ? "FAILED" : "COMPLETED";
  const line = { id: key, kind: "response", status, result, passed, ...(reason === undefined ? {} : { reason }) };
  return `${JSON.stringify(line)}\n`;
}

export function describe(all: readonly NamedTotals[]): string {
  return all.map(({ benchmark, totals }) => {
    const { total, collected, unchanged, skipped, passed, failed, undecided } = totals;
    const more = [
      `${collected} collected, ${unchanged} known`,
      ...(undecided > 0 ? [`${undecided} could not be decided`] : []),
      ...(skipped > 0 ? [`${skipped} did not fit the model`] : []),
    ];
    return `${benchmark}: ${total} items, ${passed} passed, ${failed} failed (${more.join("; ")})\n`;
  }).join("");
}
