/** Writes attributions into their table. */
import { attributions } from "../../schema/tables/tables.ts";
import type { Transaction } from "../database/database.ts";
import { inPlaceOfPrecomputed } from "../database/precomputed.ts";

/** Writes attributions that are new or take the place of precomputed ones; others that are there stay. */
export async function insertAttributions(
  tx: Transaction,
  rows: readonly (typeof attributions.$inferInsert)[],
): Promise<void> {
  await tx.insert(attributions).values([...rows]).onConflictDoUpdate({
    target: [attributions.tokenPairId, attributions.rule, attributions.modelId],
    ...inPlaceOfPrecomputed(attributions, rows),
  });
}
