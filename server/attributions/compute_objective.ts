/** Relevance of another objective at a token pair's place, computed and stored. */
import { and, eq } from "drizzle-orm";
import type { AnalysisInput, AskedObjective } from "../../schema/tables/analysis_values.ts";
import { objectiveAttributions } from "../../schema/tables/analysis_tables.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { computedBy } from "../base/provenance.ts";
import { tokenTextsOf } from "../cases/place_case.ts";
import type { Analysis, StoreResult } from "../jobs/analysis.ts";
import { severalTokens } from "../models/typed_token.ts";
import { attributeObjective, type Objective } from "./objective.ts";

type ObjectiveInput = Extract<AnalysisInput, { kind: "explain_objective" }>;

/** Throws InputError for sequences that the model's tokenizer or vocabulary does not have, and that never part. */
export async function computeObjective(
  { connection: { db }, task, rows, model, tokenizer, options }: Analysis,
  { rule, objective }: ObjectiveInput,
): Promise<StoreResult> {
  const place = { tokenPairId: task.tokenPairId, modelId: task.modelId, rule, objectiveHash: canonicalHash(objective) };
  const [stored] = await db.select({ id: objectiveAttributions.id }).from(objectiveAttributions).where(and(
    eq(objectiveAttributions.tokenPairId, place.tokenPairId),
    eq(objectiveAttributions.modelId, place.modelId),
    eq(objectiveAttributions.rule, rule),
    eq(objectiveAttributions.objectiveHash, place.objectiveHash),
  ));
  if (stored !== undefined) return () => Promise.resolve(null);
  const { failureCase: { inputIds }, pair } = rows;
  const [loaded, names] = [await model(), await tokenizer()];
  const reader = { vocabulary: loaded.config.vocabulary, tokenizer: names };
  const asked = (typed: AskedObjective): Objective =>
    typed.kind === "sequence"
      ? {
        kind: "sequence",
        target: severalTokens(typed.target, "target", reader),
        contrast: severalTokens(typed.contrast, "contrast", reader),
      }
      : { ...typed, target: pair.targetId };
  const found = await attributeObjective(loaded, { inputIds, objective: asked(objective), rule }, options);
  const row = {
    ...place,
    objective,
    value: found.value,
    terms: found.terms,
    inputIds: [...found.inputIds],
    tokenTexts: tokenTextsOf(names, found.inputIds),
    relevance: [...found.nodeRelevance.subarray(0, found.inputIds.length)],
    branches: found.branches.map(({ side, ids, nodeRelevance }) => ({
      side,
      ids,
      tokenTexts: tokenTextsOf(names, ids),
      relevance: [...nodeRelevance.subarray(0, ids.length)],
    })),
    adapter: found.adapter,
    ...computedBy(),
    seconds: found.seconds,
  };
  return async (tx) => {
    await tx.insert(objectiveAttributions).values(row).onConflictDoNothing();
    return null;
  };
}
