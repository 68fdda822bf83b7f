/** What `collect` and `pairs` work with: database, engine, models and checkers, opened together and closed together. */
import {
  type Engine,
  InputError,
  type LoadedModel,
  loadTokenizer,
  type RunOptions,
  type Tokenizer,
} from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { type Checkers, openCheckers } from "../checkers/check.ts";
import { findModel, type ModelRow } from "../models/find_model.ts";
import { createModelCache, type ModelCache } from "../models/model_cache.ts";
import { locateForVerb } from "./locate.ts";
import { type ProgressBar, progressBar } from "./progress.ts";
import { optionText, type VerbContext } from "./verb.ts";
import { withDatabase } from "./with_database.ts";

export interface ModelSession {
  readonly db: Database;
  readonly model: ModelRow;
  readonly tokenizer: Tokenizer;
  readonly checkers: Checkers;
  readonly options: RunOptions;
  /** Shown from the start, taken away at the end, and before anything is written to standard output. */
  readonly bar: ProgressBar;
  /** Puts a model on the device. */
  readonly load: (model: ModelRow) => Promise<LoadedModel>;
}

/** Runs the work with the model that `--model` names; closes everything afterwards. */
export async function withModelSession<Result>(
  context: VerbContext,
  nameOrModel: string,
  work: (session: ModelSession) => Promise<Result>,
): Promise<Result> {
  const bar = progressBar(context);
  bar.update({ phase: "start", done: 0, total: 0, detail: "database" });
  return await withDatabase(async ({ db }) => {
    bar.update({ phase: "start", done: 0, total: 0, detail: "model" });
    const model = await findModel(db, nameOrModel, "--model", { locate: (text) => locateForVerb(context, text) });
    const options = { signal: context.signal };
    const checkers = openCheckers();
    let engine: Engine | undefined;
    let cache: ModelCache | undefined;
    try {
      const opened = engine = await context.openEngine();
      const tokenizer = await loadTokenizer(model.directory);
      cache = createModelCache(opened);
      const lease = cache.lease();
      const load = (one: ModelRow) => lease.get(one, { ...options, onProgress: bar.update });
      return await work({ db, model, tokenizer, checkers, options, bar, load });
    } finally {
      cache?.dispose();
      engine?.close();
      await checkers.close();
    }
  }).finally(bar.end);
}

/** A whole number of an option, from `least` on; undefined when it was not given. */
export function optionCount(context: VerbContext, name: string, least = 1): number | undefined {
  const text = optionText(context, name);
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
  throw new InputError(`${JSON.stringify(text)} is no count`, `--${name}`, `give a whole number from ${least} on`);
}

/** Throws InputError for counts that are none, before anything is opened. */
export function checkCounts(context: VerbContext, names: readonly string[]): void {
  for (const name of names) optionCount(context, name);
}

/** Names separated by commas; undefined when the option was not given. */
export function optionNames(context: VerbContext, name: string): string[] | undefined {
  const text = optionText(context, name);
  if (text === undefined) return undefined;
  const names = text.split(",").map((one) => one.trim()).filter((one) => one !== "");
  if (names.length > 0) return names;
  throw new InputError("is empty", `--${name}`, "give names separated by commas");
}

/** Throws InputError when something stands beside the options. */
export function refusePositionals({ positionals }: VerbContext, verb: string): void {
  const [extra] = positionals;
  if (extra === undefined) return;
  throw new InputError(
    `${JSON.stringify(extra)} is not an option`,
    `culprit ${verb}`,
    "give what it names by an option",
  );
}
