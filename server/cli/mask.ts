/** `culprit mask`: which tokens flip the wrong prediction, and whether a ranking finds them sooner than chance. */
import {
  InputError,
  type LoadedModel,
  loadTokenizer,
  type ModelConfig,
  openModelDirectory,
  type RunOptions,
  type Tokenizer,
} from "../../gpu/mod.ts";
import { ABLATION_OPTIONS } from "../../schema/tables/ablation_values.ts";
import { type FileCase, readCases } from "../masking/case_file.ts";
import { MASKING_DEFAULTS, type MaskingResult, type MaskingSettings, runMasking } from "../masking/experiment.ts";
import { RANKINGS, SCOPES } from "../masking/ranking.ts";
import { REPLACEMENTS } from "../masking/replacement.ts";
import { compareRankings, summarise } from "../masking/summary.ts";
import { singleToken } from "../models/typed_token.ts";
import { count, list, one } from "./mask_arguments.ts";
import { ablateCases } from "./mask_components.ts";
import { curveJson } from "./mask_json.ts";
import { describeMasking } from "./mask_table.ts";
import { progressBar } from "./progress.ts";
import { locateForVerb, MODEL_OPTIONS } from "./locate.ts";
import { optionText, requiredText, tellNotes, type Verb, type VerbContext } from "./verb.ts";
import { withModel } from "./with_model.ts";

export const verb: Verb = {
  name: "mask",
  summary: "Masks top-ranked tokens, heads or neurons until the wrong prediction flips, against random and " +
    "lowest-ranked controls",
  usage: "mask --model MODEL --cases FILE [--rankings LIST] [--replacements LIST] [--scope prompt|all] [--budget N] " +
    "[--stop away|contrast] [--seeds N] [--seed N] [--neutral T] [--items FILE [--max-tokens N]] [--limit N] " +
    "[--heads] [--neurons] [--counts LIST] [--json]",
  example: "npx culprit mask --model models/demo-1m --cases models/demo-1m/failure-cases-divergence.jsonl " +
    "--items models/benchmarks/demo-ifeval.jsonl --replacements remove --limit 20",
  options: {
    ...MODEL_OPTIONS,
    cases: { type: "string", value: "FILE", help: "failure cases, culprit/1" },
    rankings: { type: "string", value: "LIST", help: "of " + RANKINGS.join(","), default: RANKINGS.join(",") },
    replacements: {
      type: "string",
      value: "LIST",
      help: "of " + REPLACEMENTS.join(","),
      default: REPLACEMENTS.join(","),
    },
    scope: { type: "string", value: "SCOPE", help: "prompt, or all: the answer so far too", default: "prompt" },
    budget: { type: "string", value: "N", help: "tokens masked at most", default: String(MASKING_DEFAULTS.budget) },
    stop: { type: "string", value: "WHERE", help: "end curves at the first flip: away, contrast (default: never)" },
    seeds: {
      type: "string",
      value: "N",
      help: "random orders of each case, of heads and neurons from the same layers as the top ones",
      default: "3",
    },
    seed: { type: "string", value: "N", help: "the first of their seeds, and that of intervals", default: "1" },
    neutral: {
      type: "string",
      value: "T",
      help: "token of the replacement neutral: an id, or text:5",
      default: "text: ",
    },
    items: { type: "string", value: "FILE", help: "the benchmark's items: checks rollouts at flips", multiple: true },
    "max-tokens": { type: "string", value: "N", help: "new tokens of a rollout at most", default: "256" },
    limit: { type: "string", value: "N", help: "only the first cases of the file" },
    heads: { type: "boolean", help: "attention heads are set to zero instead of masking tokens" },
    neurons: { type: "boolean", help: "MLP neurons are, each kind by itself where both are given" },
    counts: {
      type: "string",
      value: "LIST",
      help: "how many heads or neurons at each step of a curve (default: " +
        `${ABLATION_OPTIONS.counts.heads} heads; ${ABLATION_OPTIONS.counts.neurons} neurons)`,
    },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  if (context.positionals.length > 0) {
    throw new InputError(`"${context.positionals[0]}" is not an option`, "culprit mask", "give files by their options");
  }
  requiredText(context, verb, "model");
  const path = requiredText(context, verb, "cases");
  if (context.values["heads"] === true || context.values["neurons"] === true) {
    return await ablateCases(context, verb, path);
  }
  if (optionText(context, "counts") !== undefined) {
    throw new InputError(
      "is of heads and neurons",
      "--counts",
      "give --heads or --neurons too, or --budget for tokens",
    );
  }
  const { path: model, name } = await locateForVerb(context, requiredText(context, verb, "model"));
  const directory = await openModelDirectory(model);
  directory.close();
  tellNotes(context, directory);
  const { config } = directory;
  const tokenizer = await loadTokenizer(model);
  const seed = count(context, "seed", 0);
  const given = readSettings(context, config, tokenizer, seed);
  const items = context.values["items"] as readonly string[] | undefined;
  const cases = await readAll(path, config, tokenizer, items);
  const limited = optionText(context, "limit") === undefined ? cases : cases.slice(0, count(context, "limit", 1));
  const longest = Math.max(...limited.map(({ inputIds }) => inputIds.length));
  const room = Math.max(1, config.maxPositions - longest);
  const settings = { ...given, rolloutTokens: Math.min(given.rolloutTokens, room) };

  const checked = items !== undefined;
  const result = await withModel(
    context,
    model,
    (loaded, options) =>
      compute(context, loaded, limited, settings, options, {
        tokenizer,
        checked,
      }),
  );
  const report = {
    model: { name: name ?? directory.name, hash: directory.hash },
    settings: { ...settings, seed },
    cases: limited.length,
    skipped: result.skipped,
    summaries: summarise(result.curves, settings, seed, checked),
    comparisons: compareRankings(result.curves, settings, seed),
  };
  if (!context.json) return await context.out(describeMasking(report));
  for (const curve of result.curves) await context.out(`${JSON.stringify({ kind: "curve", ...curveJson(curve) })}\n`);
  await context.out(`${JSON.stringify({ kind: "summary", ...report })}\n`);
}

async function readAll(
  path: string,
  config: ModelConfig,
  tokenizer: Tokenizer,
  items: readonly string[] | undefined,
): Promise<FileCase[]> {
  const { readItems } = await import("../benchmarks/items.ts");
  const files = await Promise.all((items ?? []).map((file) => readItems(file, file)));
  const find = (name: string) => files.map((file) => file.find(name)).find((row) => row !== undefined);
  const cases = await readCases(path, config, tokenizer, { find, at: () => undefined, count: 0 });
  if (items && cases.every(({ item }) => item === null)) {
    throw new InputError(
      "holds no item of these cases",
      items.join(", "),
      "give the benchmark from which the cases come",
    );
  }
  return cases;
}

async function compute(
  context: VerbContext,
  loaded: LoadedModel,
  cases: readonly FileCase[],
  settings: MaskingSettings,
  options: RunOptions,
  { tokenizer, checked }: { readonly tokenizer: Tokenizer; readonly checked: boolean },
): Promise<MaskingResult> {
  const { openCheckers } = await import("../checkers/check.ts");
  const checkers = openCheckers();
  const bar = progressBar(context);
  // The engine's own phases pass many times a case: loading only is shown of them.
  const own = options.signal ? { signal: options.signal } : {};
  try {
    return await runMasking(loaded, cases, settings, {
      ...own,
      onCases: (done, total) => bar.update({ phase: "mask", done, total }),
      ...(checked
        ? {
          check: async (one, ids) => {
            const { item } = one as FileCase;
            if (!item) return null;
            return (await checkers.check(item, tokenizer.decode(ids, { skipSpecial: true, continues: true }))).passed;
          },
        }
        : {}),
    });
  } finally {
    bar.end();
    await checkers.close();
  }
}

function readSettings(context: VerbContext, config: ModelConfig, tokenizer: Tokenizer, seed: number): MaskingSettings {
  const stop = optionText(context, "stop");
  return {
    rankings: list(context, "rankings", RANKINGS),
    replacements: list(context, "replacements", REPLACEMENTS),
    scope: one(context, "scope", SCOPES),
    budget: count(context, "budget", 1),
    stopAt: stop === undefined ? null : one(context, "stop", ["away", "contrast"] as const),
    seeds: Array.from({ length: count(context, "seeds", 1) }, (_, index) => seed + index),
    neutral: singleToken(optionText(context, "neutral")!, "--neutral", { vocabulary: config.vocabulary, tokenizer }),
    rolloutTokens: count(context, "max-tokens", 1),
  };
}
