/** A stored failure by its key, as a trace takes it. */
import { and, desc, eq } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import type { FailureCaseRow } from "../cases/place_case.ts";
import type { ModelRow } from "../models/find_model.ts";

export interface TracedCase {
  readonly row: FailureCaseRow;
  /** The one that failed. */
  readonly model: ModelRow;
  /** The pair of the largest delta. */
  readonly target: number;
  readonly contrast: number;
}

/** Throws InputError where no case, more than one model's, or one without a pair has the key. */
export async function tracedCase(db: Database, key: string, model: string | null): Promise<TracedCase> {
  const rows = await db.select({ case: failureCases, model: models }).from(failureCases)
    .innerJoin(models, eq(models.id, failureCases.modelId))
    .where(and(eq(failureCases.key, key), model === null ? undefined : eq(models.name, model)));
  const [found, other] = rows;
  const named = JSON.stringify(key);
  if (found === undefined) {
    const whose = model === null ? "" : ` of ${JSON.stringify(model)}`;
    throw new InputError(`there is no failure case ${named}${whose}`, "--case", "give the key of one that is stored");
  }
  if (other !== undefined) {
    const names = rows.map((row) => row.model.name).join(", ");
    throw new InputError(`failure cases of several models have the key ${named}`, "--model", `give one of: ${names}`);
  }
  const [pair] = await db.select().from(tokenPairs).where(eq(tokenPairs.failureCaseId, found.case.id))
    .orderBy(desc(tokenPairs.delta), tokenPairs.id).limit(1);
  if (pair === undefined) {
    throw new InputError(`no token pair of ${named} is known yet`, "--case", "find it first: npx culprit pairs --help");
  }
  return { row: found.case, model: found.model, target: pair.targetId, contrast: pair.contrastId };
}
