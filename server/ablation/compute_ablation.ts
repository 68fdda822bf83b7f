/** The ablation experiments of a token pair, computed and stored. */
import { and, eq, inArray } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import { ablationExperiments } from "../../schema/tables/ablation_tables.ts";
import type { AnalysisInput } from "../../schema/tables/analysis_values.ts";
import { computedBy } from "../base/provenance.ts";
import { computedHere, inPlaceOfPrecomputed } from "../database/precomputed.ts";
import type { Analysis, StoreResult } from "../jobs/analysis.ts";
import { type AblationCurve, runAblation } from "./experiment.ts";

/** What makes an experiment one of its own. */
const EXPERIMENT_KEY = [
  ablationExperiments.tokenPairId,
  ablationExperiments.modelId,
  ablationExperiments.unit,
  ablationExperiments.ranking,
  ablationExperiments.seed,
  ablationExperiments.counts,
];

/** Ablates one pair's heads and neurons; experiments that are stored with these settings are kept. */
export async function computeAblation(
  { connection: { db }, task, rows, model, options }: Analysis,
  { settings }: Extract<AnalysisInput, { kind: "ablate" }>,
): Promise<StoreResult> {
  const { tokenPairId, modelId } = task;
  const stored = await db.select({
    unit: ablationExperiments.unit,
    ranking: ablationExperiments.ranking,
    counts: ablationExperiments.counts,
  }).from(ablationExperiments).where(and(
    eq(ablationExperiments.tokenPairId, tokenPairId),
    eq(ablationExperiments.modelId, modelId),
    inArray(ablationExperiments.seed, [0, ...settings.seeds]),
    computedHere(ablationExperiments.adapter),
  ));
  // A unit of which anything is missing is computed whole: its steps are shared by the rankings.
  const units = settings.units.filter((unit) =>
    settings.rankings.some((ranking) =>
      stored.filter((row) =>
        row.unit === unit && row.ranking === ranking && row.counts === settings.counts[unit].join()
      ).length < (ranking === "random" ? settings.seeds.length : 1)
    )
  );
  if (units.length === 0) return () => Promise.resolve(null);

  const { failureCase, pair } = rows;
  const { key, inputIds, promptTokens } = failureCase;
  const one = { key, inputIds, promptTokens, special: [], target: pair.targetId, contrast: pair.contrastId };
  const loaded = await model();
  const { curves } = await runAblation(loaded, [one], { ...settings, units }, options);
  if (curves.length === 0) {
    throw new InputError("the target is not what the model chooses", key, "find the token pair of this model");
  }
  return async (tx) => {
    const experiments = curves.map((curve) => ({
      ...rowOf(curve),
      tokenPairId,
      modelId,
      counts: settings.counts[curve.unit].join(),
      adapter: loaded.adapter.name,
      ...computedBy(),
    }));
    await tx.insert(ablationExperiments).values(experiments).onConflictDoUpdate({
      target: EXPERIMENT_KEY,
      ...inPlaceOfPrecomputed(ablationExperiments, experiments),
    });
    return null;
  };
}

function rowOf({ unit, ranking, components, counts, steps, away, contrast }: AblationCurve) {
  const { name, seed, order, relevance, positive } = ranking;
  return {
    unit,
    ranking: name,
    seed: seed ?? 0,
    flipAway: away,
    flipToContrast: contrast,
    curve: { order, relevance, positive, components, counts, steps },
  };
}
