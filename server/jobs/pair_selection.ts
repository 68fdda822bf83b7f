/** Token pairs by what their cases are: the selections of the command line and of reports. */
import { and, eq, inArray, type SQL, sql } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, type outcomeEnum, tokenPairs } from "../../schema/tables/tables.ts";
import { randomStream } from "../base/statistics/random.ts";
import { CLEAN_DELTA } from "../cases/clean_delta.ts";
import { criterionPairs } from "../../schema/tables/criterion_pairs.ts";

type Outcome = (typeof outcomeEnum.enumValues)[number];

export const SELECTIONS = ["clean", "all"] as const;

/** Conditions that must all hold; null asks for nothing. */
export interface CaseSelection {
  /** Name of the cases' model. */
  readonly model: string | null;
  readonly benchmarks: readonly string[] | null;
  /** Text that the keys of cases hold. */
  readonly key: string | null;
}

export interface PairSelection extends CaseSelection {
  /** Pairs with delta > 1, or all. */
  readonly selection: (typeof SELECTIONS)[number];
  readonly limit: number | null;
  /** Pairs whose AttnLRP attribution by the case's own model has one of these outcomes by diagnosis. */
  readonly outcomes?: readonly Outcome[] | undefined;
  /** The pairs in an order that this seed draws, so that a limit takes a sample by chance; by id where nothing is said. */
  readonly seed?: number | undefined;
}

/** The condition on failure cases joined with their models. */
export function caseCondition({ model, benchmarks, key }: CaseSelection): SQL | undefined {
  return and(
    model === null ? undefined : eq(models.name, model),
    benchmarks === null ? undefined : inArray(failureCases.benchmark, [...benchmarks]),
    key === null ? undefined : sql`strpos(${failureCases.key}, ${key}) > 0`,
  );
}

/** Throws InputError at `where` when no model has the name. */
export async function checkModel(db: Database, model: string | null, where: string): Promise<void> {
  if (model === null || (await db.$count(models, eq(models.name, model))) > 0) return;
  throw new InputError(
    `there is no model ${JSON.stringify(model)}`,
    where,
    "add it first: npx culprit model add DIR",
  );
}

/**
 * Row ids of the selection's pairs, by id. With a seed each pair's place hangs on the seed, its case's key and its tokens
 * alone: pairs that are found later stand among the others and change nothing of their order.
 */
export async function pairsOf(db: Database, selection: PairSelection): Promise<number[]> {
  const { seed, limit, outcomes } = selection;
  const { id, targetId, contrastId } = tokenPairs;
  const rows = await db.select({ id, targetId, contrastId, key: failureCases.key }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, failureCases.modelId))
    .where(and(
      criterionPairs,
      selection.selection === "clean" ? sql`${tokenPairs.delta} > ${CLEAN_DELTA}` : undefined,
      caseCondition(selection),
      outcomes && sql`exists (select 1 from ${attributions}
        where ${attributions.tokenPairId} = ${tokenPairs.id} and ${attributions.modelId} = ${failureCases.modelId}
          and ${attributions.rule} = 'attnlrp' and ${inArray(attributions.outcome, [...outcomes])})`,
    )).orderBy(tokenPairs.id).limit(seed === undefined && limit !== null ? limit : 2 ** 31 - 1);
  if (seed === undefined) return rows.map((row) => row.id);
  const placed = rows.map((row) => ({
    id: row.id,
    place: randomStream(seed, `pair ${row.key} ${row.targetId} ${row.contrastId}`).word(),
  }));
  return placed.sort((a, b) => a.place - b.place || a.id - b.id).slice(0, limit ?? undefined).map((row) => row.id);
}
