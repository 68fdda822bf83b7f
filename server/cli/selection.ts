/** Which token pairs a verb is about: options that several verbs share. */
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { OUTCOME_NAMES, outcomeOf } from "../diagnosis/labels.ts";
import { checkModel, type PairSelection, pairsOf, SELECTIONS } from "../jobs/pair_selection.ts";
import { optionCount, optionNames } from "./model_session.ts";
import { optionText, type VerbContext, type VerbOption } from "./verb.ts";

export const SELECTION_OPTIONS: Readonly<Record<string, VerbOption>> = {
  selection: { type: "string", value: "clean|all", help: "pairs with delta > 1, or all", default: "clean" },
  model: { type: "string", value: "NAME", help: "only cases of this model" },
  benchmark: { type: "string", value: "NAME,...", help: "only cases of these benchmarks" },
  key: { type: "string", value: "TEXT", help: "only cases whose key holds this text" },
  outcome: { type: "string", value: "NAME,...", help: `only pairs that are diagnosed so: ${OUTCOME_NAMES.join(", ")}` },
  limit: { type: "string", value: "N", help: "only the first pairs" },
  sample: {
    type: "string",
    value: "SEED",
    help: "pairs in an order that this seed draws, so that --limit takes a sample by chance; by age if left out",
  },
};
export const SELECTION_USAGE =
  "[--selection clean|all] [--model NAME] [--benchmark NAME,...] [--key TEXT] [--outcome NAME,...] [--limit N] " +
  "[--sample SEED]";

export function readSelection(context: VerbContext): PairSelection {
  const given = optionText(context, "selection");
  const selection = SELECTIONS.find((one) => one === given);
  if (selection === undefined) {
    throw new InputError(
      `${JSON.stringify(given)} is no selection`,
      "--selection",
      `give one of: ${SELECTIONS.join(", ")}`,
    );
  }
  const outcomes = optionNames(context, "outcome")?.map((name) => {
    const outcome = outcomeOf(name);
    if (outcome) return outcome;
    throw new InputError(
      `${JSON.stringify(name)} is no outcome`,
      "--outcome",
      `give of: ${OUTCOME_NAMES.join(", ")}`,
    );
  });
  return {
    selection,
    outcomes,
    model: optionText(context, "model") ?? null,
    benchmarks: optionNames(context, "benchmark") ?? null,
    key: optionText(context, "key") ?? null,
    limit: optionCount(context, "limit") ?? null,
    seed: optionCount(context, "sample", 0),
  };
}

/** Row ids of the selection's pairs, by id. Throws InputError for a model that is not there, and for no pairs. */
export async function selectedPairs(db: Database, selection: PairSelection): Promise<number[]> {
  await checkModel(db, selection.model, "--model");
  const ids = await pairsOf(db, selection);
  if (ids.length > 0) return ids;
  const conditions = (["model", "benchmarks", "key"] as const).filter((name) => selection[name] !== null)
    .map((name) => `--${name.replace("benchmarks", "benchmark")}`);
  if (selection.outcomes) conditions.push("--outcome");
  throw conditions.length === 0
    ? new InputError(
      `no token pair is stored${selection.selection === "clean" ? " that is clean" : ""}`,
      "--selection",
      "import failure cases (npx culprit import) or search their pairs (npx culprit pairs) first",
    )
    : new InputError("no token pair fits", conditions.join(", "), "ask for fewer conditions, or import failure cases");
}
