/** Asks for ablation experiments, and says what the stored ones say together. */
import { and, count, desc, eq, type SQL } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import type { AblationSummaryRow, RunAblationRequest } from "../../schema/services/ablations.ts";
import { ablationExperiments } from "../../schema/tables/ablation_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import type { CreatedJob } from "../jobs/jobs.ts";
import { createPairJob, selectPairs } from "../jobs/pair_job.ts";
import type { AblationCurve } from "./experiment.ts";
import { ABLATION_RANKINGS, type Unit, UNITS } from "./ranking.ts";
import { compareAblations, summariseAblations as summarise } from "./summary.ts";

/** Stores a job that ablates heads and neurons of each pair. */
export async function createAblationJob(db: Database, boss: PgBoss, request: RunAblationRequest): Promise<CreatedJob> {
  const { tokenPairIds, settings, idempotencyKey } = request;
  const pairs = await selectPairs(db, tokenPairIds, undefined);
  const ids = pairs.map(({ tokenPairId }) => tokenPairId);
  return await createPairJob(db, boss, { kind: "ablate", tokenPairIds: ids, settings }, pairs, idempotencyKey);
}

/** The curves that fit the condition; of each unit those with the counts that most of them have. */
export async function readAblations(db: Database, condition: SQL) {
  const curves: AblationCurve[] = [];
  const counts: Record<Unit, readonly number[]> = { heads: [], neurons: [] };
  for (const unit of UNITS) {
    const own = and(eq(ablationExperiments.unit, unit), condition);
    const [most] = await db.select({ counts: ablationExperiments.counts, rows: count() }).from(ablationExperiments)
      .where(own).groupBy(ablationExperiments.counts).orderBy(desc(count()), ablationExperiments.counts).limit(1);
    if (!most) continue;
    counts[unit] = most.counts.split(",").map(Number);
    const rows = await db.select({
      key: failureCases.key,
      pair: ablationExperiments.tokenPairId,
      model: ablationExperiments.modelId,
      ranking: ablationExperiments.ranking,
      seed: ablationExperiments.seed,
      away: ablationExperiments.flipAway,
      contrast: ablationExperiments.flipToContrast,
      curve: ablationExperiments.curve,
    }).from(ablationExperiments)
      .innerJoin(tokenPairs, eq(tokenPairs.id, ablationExperiments.tokenPairId))
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .where(and(own, eq(ablationExperiments.counts, most.counts)))
      .orderBy(ablationExperiments.tokenPairId, ablationExperiments.id);
    curves.push(...rows.map(({ key, pair, model, ranking, seed, away, contrast, curve }): AblationCurve => ({
      // Two pairs of a case, or two models, are two cases here.
      key: `${key}#${pair}#${model}`,
      unit,
      ranking: {
        name: ranking,
        seed: seed === 0 ? null : seed,
        order: curve.order,
        relevance: curve.relevance,
        positive: curve.positive,
      },
      components: curve.components,
      counts: curve.counts,
      steps: curve.steps,
      away,
      contrast,
    })));
  }
  return { curves, settings: { units: UNITS, rankings: ABLATION_RANKINGS, counts } };
}

/** The experiments that fit the condition, summarised. */
export async function summariseAblations(db: Database, condition: SQL, seed: number): Promise<AblationSummaryRow> {
  const { curves, settings } = await readAblations(db, condition);
  return { summaries: summarise(curves, settings, seed), comparisons: compareAblations(curves, settings, seed) };
}
