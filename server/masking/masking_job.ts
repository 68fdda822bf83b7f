/** Asks for masking experiments, and says what the stored ones say together. */
import { and, eq, like, not, type SQL } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { InputError } from "../../gpu/mod.ts";
import { maskingExperiments } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { RunMaskingRequest } from "../../schema/services/masking.ts";
import type { MaskingSummaryRow } from "../../schema/services/masking.ts";
import { failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import type { CreatedJob } from "../jobs/jobs.ts";
import type { MaskingCurve } from "./experiment.ts";
import { type RankingName, RANKINGS } from "./ranking.ts";
import { type Replacement, REPLACEMENTS } from "./replacement.ts";
import { compareRankings, summarise } from "./summary.ts";
import { createPairJob, selectPairs } from "../jobs/pair_job.ts";

/** Stores a job that masks the tokens of each pair. */
export async function createMaskingJob(db: Database, boss: PgBoss, request: RunMaskingRequest): Promise<CreatedJob> {
  const { tokenPairIds, settings, idempotencyKey } = request;
  const pairs = await selectPairs(db, tokenPairIds, undefined);
  const ids = pairs.map(({ tokenPairId }) => tokenPairId);
  return await createPairJob(db, boss, { kind: "mask", tokenPairIds: ids, settings }, pairs, idempotencyKey);
}

/** Stores a job that masks the tokens that a person chose, in this order. */
export async function createChosenJob(
  db: Database,
  boss: PgBoss,
  tokenPairId: number,
  { chosen, replacement, rolloutTokens }: {
    readonly chosen: readonly number[];
    readonly replacement: Replacement;
    /** Of what the model would write with all of them masked; 0: none. */
    readonly rolloutTokens: number;
  },
): Promise<CreatedJob> {
  if (new Set(chosen).size < chosen.length) {
    throw new InputError("a position comes twice", "positions", "name each token once");
  }
  const pairs = await selectPairs(db, [tokenPairId], undefined);
  const input = {
    kind: "mask",
    tokenPairIds: [tokenPairId],
    chosen,
    replacement,
    ...(rolloutTokens > 0 ? { rolloutTokens } : {}),
  } as const;
  return await createPairJob(db, boss, input, pairs, undefined);
}

/** The experiments that fit the condition, summarised; all have the same budget. */
export async function summariseMasking(
  db: Database,
  condition: SQL,
  budget: number,
  seed: number,
): Promise<MaskingSummaryRow> {
  const rows = await db.select({
    key: failureCases.key,
    pair: maskingExperiments.tokenPairId,
    model: maskingExperiments.modelId,
    ranking: maskingExperiments.ranking,
    replacement: maskingExperiments.replacement,
    seed: maskingExperiments.seed,
    curve: maskingExperiments.curve,
    away: maskingExperiments.flipAway,
    contrast: maskingExperiments.flipToContrast,
  }).from(maskingExperiments)
    .innerJoin(tokenPairs, eq(tokenPairs.id, maskingExperiments.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .where(and(condition, not(like(maskingExperiments.ranking, "chosen:%")))).orderBy(
      maskingExperiments.tokenPairId,
      maskingExperiments.id,
    );
  const curves = rows.map(({ curve, ...row }): MaskingCurve => ({
    // Two pairs of a case, or two models, are two cases here.
    key: `${row.key}#${row.pair}#${row.model}`,
    ranking: {
      name: row.ranking as RankingName,
      seed: row.seed === 0 ? null : row.seed,
      order: curve.order,
      positive: curve.positive,
    },
    replacement: row.replacement as Replacement,
    maskable: curve.order.length,
    steps: curve.steps,
    away: row.away,
    contrast: row.contrast,
    rollouts: curve.rollouts,
    comprehensiveness: curve.comprehensiveness,
    sufficiency: curve.sufficiency,
  }));
  const settings = { rankings: RANKINGS, replacements: REPLACEMENTS, budget, stopAt: null };
  const checked = curves.some(({ rollouts }) => rollouts.some(({ passed }) => passed !== null));
  return {
    summaries: summarise(curves, settings, seed, checked),
    comparisons: compareRankings(curves, settings, seed),
  };
}
