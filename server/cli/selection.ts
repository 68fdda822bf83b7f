/** Which token pairs a verb is about: options that several verbs share. */
import { and, eq, inArray, sql } from "drizzle-orm";
import { InputError } from "../../gpu/errors.ts";
import type { Database } from "../../schema/context.ts";
import { failureCases, models, tokenPairs } from "../../schema/tables.ts";
import { CLEAN_DELTA } from "../jobs.ts";
import { optionCount, optionNames } from "./search_session.ts";
import { optionText, type VerbContext, type VerbOption } from "./verb.ts";

export const SELECTIONS = ["clean", "all"] as const;

/** A selection in its own words, as reports name it. */
export interface Selection {
  readonly selection: (typeof SELECTIONS)[number];
  readonly model: string | null;
  readonly benchmarks: readonly string[] | null;
  /** Text that the keys of cases hold. */
  readonly key: string | null;
  readonly limit: number | null;
}

export const SELECTION_OPTIONS: Readonly<Record<string, VerbOption>> = {
  selection: { type: "string", value: "clean|all", help: "pairs with delta > 1, or all", default: "clean" },
  model: { type: "string", value: "NAME", help: "only cases of this model" },
  benchmark: { type: "string", value: "NAME,...", help: "only cases of these benchmarks" },
  key: { type: "string", value: "TEXT", help: "only cases whose key holds this text" },
  limit: { type: "string", value: "N", help: "only the first pairs" },
};
export const SELECTION_USAGE = "[--selection clean|all] [--model NAME] [--benchmark NAME,...] [--key TEXT] [--limit N]";

export function readSelection(context: VerbContext): Selection {
  const given = optionText(context, "selection");
  const selection = SELECTIONS.find((one) => one === given);
  if (selection === undefined) {
    throw new InputError(
      `${JSON.stringify(given)} is no selection`,
      "--selection",
      `give one of: ${SELECTIONS.join(", ")}`,
    );
  }
  return {
    selection,
    model: optionText(context, "model") ?? null,
    benchmarks: optionNames(context, "benchmark") ?? null,
    key: optionText(context, "key") ?? null,
    limit: optionCount(context, "limit") ?? null,
  };
}

/** Row ids of the selection's pairs, by id. Throws InputError for a model that is not there, and for no pairs. */
export async function selectedPairs(db: Database, selection: Selection): Promise<number[]> {
  const { model, benchmarks, key, limit } = selection;
  if (model !== null && (await db.$count(models, eq(models.name, model))) === 0) {
    throw new InputError(
      `there is no model ${JSON.stringify(model)}`,
      "--model",
      "add it first: npx culprit model add DIR",
    );
  }
  const rows = await db.select({ id: tokenPairs.id }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, failureCases.modelId))
    .where(and(
      selection.selection === "clean" ? sql`${tokenPairs.delta} > ${CLEAN_DELTA}` : undefined,
      model === null ? undefined : eq(models.name, model),
      benchmarks === null ? undefined : inArray(failureCases.benchmark, [...benchmarks]),
      key === null ? undefined : sql`strpos(${failureCases.key}, ${key}) > 0`,
    )).orderBy(tokenPairs.id).limit(limit ?? 2 ** 31 - 1);
  if (rows.length > 0) return rows.map(({ id }) => id);
  throw new InputError("no token pair fits", "--selection", "import failure cases, or ask for fewer conditions");
}
