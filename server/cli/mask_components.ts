/** `culprit mask --heads` and `--neurons`: which heads and neurons flip the wrong prediction when they write nothing. */
import { InputError, loadTokenizer, openModelDirectory } from "../../gpu/mod.ts";
import { ABLATION_OPTIONS } from "../../schema/tables/ablation_values.ts";
import { type AblationSettings, runAblation } from "../ablation/experiment.ts";
import { ABLATION_RANKINGS, UNITS } from "../ablation/ranking.ts";
import { compareAblations, summariseAblations } from "../ablation/summary.ts";
import { readCases } from "../masking/case_file.ts";
import { locateForVerb } from "./locate.ts";
import { ascending, count, list } from "./mask_arguments.ts";
import { ablationJson } from "./mask_json.ts";
import { describeAblations } from "./mask_components_table.ts";
import { progressBar } from "./progress.ts";
import { optionText, requiredText, tellNotes, type Verb, type VerbContext } from "./verb.ts";
import { withModel } from "./with_model.ts";

/** Options that say how tokens are masked. */
const OF_TOKENS = ["replacements", "scope", "budget", "stop", "neutral", "items", "max-tokens"];

/** Ablates heads, neurons or both of each case of a file. Throws InputError for bad options, files and cases. */
export async function ablateCases(context: VerbContext, verb: Verb, path: string): Promise<void> {
  const token = OF_TOKENS.find((name) =>
    context.values[name] !== undefined && context.values[name] !== verb.options[name]!.default
  );
  if (token !== undefined) {
    throw new InputError("is of tokens", `--${token}`, "leave it out beside --heads and --neurons");
  }
  const seed = count(context, "seed", 0);
  const settings = readSettings(context, seed);
  const { path: model, name } = await locateForVerb(context, requiredText(context, verb, "model"));
  const directory = await openModelDirectory(model);
  directory.close();
  tellNotes(context, directory);
  const cases = await readCases(path, directory.config, await loadTokenizer(model), undefined);
  const limited = optionText(context, "limit") === undefined ? cases : cases.slice(0, count(context, "limit", 1));
  const result = await withModel(context, model, async (loaded, { signal }) => {
    const bar = progressBar(context);
    try {
      return await runAblation(loaded, limited, settings, {
        ...(signal ? { signal } : {}),
        onCases: (done, total) => bar.update({ phase: "mask", done, total }),
      });
    } finally {
      bar.end();
    }
  });
  const report = {
    model: { name: name ?? directory.name, hash: directory.hash },
    settings: { ...settings, seed },
    cases: limited.length,
    skipped: result.skipped,
    summaries: summariseAblations(result.curves, settings, seed),
    comparisons: compareAblations(result.curves, settings, seed),
  };
  if (!context.json) return await context.out(describeAblations(report));
  for (const curve of result.curves) {
    await context.out(`${JSON.stringify({ kind: "curve", ...ablationJson(curve) })}\n`);
  }
  await context.out(`${JSON.stringify({ kind: "summary", ...report })}\n`);
}

function readSettings(context: VerbContext, seed: number): AblationSettings {
  const counts = optionText(context, "counts");
  const own = counts === undefined ? undefined : ascending(counts, "counts");
  return {
    units: UNITS.filter((unit) => context.values[unit] === true),
    rankings: list(context, "rankings", ABLATION_RANKINGS),
    counts: own ? { heads: own, neurons: own } : ABLATION_OPTIONS.counts,
    seeds: Array.from({ length: count(context, "seeds", 1) }, (_, index) => seed + index),
  };
}
