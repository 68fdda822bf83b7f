/** The masking experiments of a token pair, computed and stored. */
import { and, eq, inArray, sql } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import { maskingExperiments } from "../../schema/tables/analysis_tables.ts";
import type { AnalysisInput, StoredCurve } from "../../schema/tables/analysis_values.ts";
import type { Analysis, StoreResult } from "../jobs/analysis.ts";
import { type CheckAnswer, type MaskingCurve, runMasking } from "./experiment.ts";
import type { MaskingCase } from "./masking_case.ts";
import { maskedInput } from "./replacement.ts";
import { tokensUntil } from "./summary.ts";
import { computedHere, inPlaceOfPrecomputed } from "../database/precomputed.ts";
import { computedBy } from "../base/provenance.ts";

/** What stands for a masked token under the replacement `neutral`: a blank, one token in byte-level vocabularies. */
const NEUTRAL = " ";

/** What makes an experiment one of its own. */
const EXPERIMENT_KEY = [
  maskingExperiments.tokenPairId,
  maskingExperiments.modelId,
  maskingExperiments.replacement,
  maskingExperiments.ranking,
  maskingExperiments.answerToo,
  maskingExperiments.seed,
  maskingExperiments.budget,
];

type MaskInput = Extract<AnalysisInput, { kind: "mask" }>;

/** Masks one pair's tokens; experiments that are stored with these settings are kept. */
export function computeMasking(analysis: Analysis, input: MaskInput): Promise<StoreResult> {
  return "chosen" in input ? computeChosen(analysis, input) : computeRankings(analysis, input);
}

async function computeRankings(
  { connection: { db }, task, rows, model, tokenizer, checkers, options }: Analysis,
  { settings }: Extract<MaskInput, { settings: unknown }>,
): Promise<StoreResult> {
  const { failureCase } = rows;
  const stored = await db.select({ ranking: maskingExperiments.ranking, replacement: maskingExperiments.replacement })
    .from(maskingExperiments).where(and(
      eq(maskingExperiments.tokenPairId, task.tokenPairId),
      eq(maskingExperiments.modelId, task.modelId),
      eq(maskingExperiments.answerToo, settings.scope === "all"),
      eq(maskingExperiments.budget, settings.budget),
      inArray(maskingExperiments.seed, [0, ...settings.seeds]),
      computedHere(maskingExperiments.adapter),
    ));
  const has = (replacement: string, ranking: string) =>
    stored.filter((row) => row.replacement === replacement && row.ranking === ranking).length >=
      (ranking === "random" ? settings.seeds.length : 1);
  // A replacement of which anything is missing is computed whole: its inputs are shared by the rankings.
  const replacements = settings.replacements.filter((replacement) =>
    settings.rankings.some((ranking) => !has(replacement, ranking))
  );
  if (replacements.length === 0) return () => Promise.resolve(null);

  const one = caseOf(rows);
  const words = await tokenizer();
  const { item } = failureCase;
  const check: CheckAnswer | undefined = item === null || settings.rolloutTokens === 0
    ? undefined
    : async (_one, ids) => (await checkers.check(item, words.decode(ids, { continues: true }))).passed;
  const loaded = await model();
  const { curves, skipped } = await runMasking(loaded, [one], {
    ...settings,
    replacements,
    stopAt: null,
    neutral: words.single(NEUTRAL, "neutral"),
    rolloutTokens: Math.max(1, Math.min(settings.rolloutTokens, loaded.config.maxPositions - one.inputIds.length)),
  }, { ...options, ...(check ? { check } : {}) });
  const left = skipped[0];
  if (left) {
    throw new InputError(
      left.reason === "nothing_to_mask" ? "no token may be masked" : "the target is not what the model chooses",
      failureCase.key,
      left.reason === "nothing_to_mask" ? "use the scope all" : "find the token pair of this model",
    );
  }
  return async (tx) => {
    const experiments = curves.map((curve) => ({
      ...rowOf(curve),
      ...settingsOf(curve, task, settings),
      adapter: loaded.adapter.name,
      ...computedBy(),
    }));
    await tx.insert(maskingExperiments).values(experiments).onConflictDoUpdate({
      target: EXPERIMENT_KEY,
      ...inPlaceOfPrecomputed(maskingExperiments, experiments),
    });
    return null;
  };
}

function settingsOf(
  { ranking, replacement }: MaskingCurve,
  task: { readonly tokenPairId: number; readonly modelId: number },
  { scope, budget }: { readonly scope: string; readonly budget: number },
) {
  const { tokenPairId, modelId } = task;
  return {
    tokenPairId,
    modelId,
    replacement,
    ranking: ranking.name,
    answerToo: scope === "all",
    seed: ranking.seed ?? 0,
    budget,
  };
}

function rowOf(curve: MaskingCurve) {
  const { ranking: { order, positive }, steps, rollouts, comprehensiveness, sufficiency } = curve;
  return {
    flipAway: tokensUntil(curve, "away"),
    flipToContrast: tokensUntil(curve, "contrast"),
    flipToPass: tokensUntil(curve, "passes"),
    comprehensiveness: comprehensiveness.probability,
    sufficiency: sufficiency.probability,
    curve: { order, positive, steps, rollouts, comprehensiveness, sufficiency },
  };
}

function caseOf({ failureCase, pair }: Analysis["rows"]): MaskingCase {
  return {
    key: failureCase.key,
    inputIds: failureCase.inputIds,
    promptTokens: failureCase.promptTokens,
    special: Array.from(failureCase.segments, (letter) => letter === "S"),
    target: pair.targetId,
    contrast: pair.contrastId,
  };
}

/** Masks tokens that a person chose; special ones too, since a person may ask for that. */
async function computeChosen(
  { task, rows, model, tokenizer, checkers, options }: Analysis,
  { chosen, replacement, rolloutTokens = 0 }: Extract<MaskInput, { chosen: unknown }>,
): Promise<StoreResult> {
  const one = caseOf(rows);
  const beyond = chosen.find((position) => position >= one.inputIds.length - 1);
  if (beyond !== undefined) {
    throw new InputError(
      `position ${beyond} is the last token or lies behind it: the prediction is made there`,
      one.key,
      `choose positions from 0 to ${one.inputIds.length - 2}`,
    );
  }
  const words = await tokenizer();
  const neutral = words.single(NEUTRAL, "neutral");
  const loaded = await model();
  const results = await loaded.score(
    Array.from({ length: chosen.length + 1 }, (_, masked) => ({
      ...maskedInput(one.inputIds, chosen.slice(0, masked), replacement, neutral),
      target: one.target,
      contrast: one.contrast,
    })),
    options,
  );
  const steps = results.map(({ logitDifference, target, logNormaliser, argmax }) => ({
    delta: logitDifference ?? 0,
    probability: Math.exp(target.logit - logNormaliser),
    argmax: argmax.id,
  }));
  const first = (holds: (argmax: number) => boolean) => {
    const found = steps.findIndex(({ argmax }) => holds(argmax));
    return found < 0 ? null : found;
  };
  const most = Math.min(rolloutTokens, loaded.config.maxPositions - one.inputIds.length);
  const rollouts: StoredCurve["rollouts"][number][] = [];
  if (most > 0) {
    const request = { ...maskedInput(one.inputIds, chosen, replacement, neutral), maxTokens: most };
    const [completion] = await loaded.generate([request], options);
    const { item } = rows.failureCase;
    const answer = [...one.inputIds.slice(one.promptTokens), ...completion!.ids];
    // What is cut off at the limit is no answer.
    const checked = item !== null && completion!.stop === "eos"
      ? (await checkers.check(item, words.decode(answer))).passed
      : null;
    rollouts.push({ tokens: chosen.length, ids: completion!.ids, passed: checked });
  }
  return async (tx) => {
    await tx.insert(maskingExperiments).values({
      tokenPairId: task.tokenPairId,
      modelId: task.modelId,
      replacement,
      ranking: `chosen:${chosen.join(",")}`,
      answerToo: true,
      seed: 0,
      budget: chosen.length,
      flipAway: first((argmax) => argmax !== one.target),
      flipToContrast: first((argmax) => argmax === one.contrast),
      flipToPass: null,
      comprehensiveness: null,
      sufficiency: null,
      curve: {
        order: chosen,
        positive: null,
        steps,
        rollouts,
        comprehensiveness: { probability: 0, delta: 0 },
        sufficiency: { probability: 0, delta: 0 },
      },
      adapter: loaded.adapter.name,
      ...computedBy(),
    }).onConflictDoUpdate({
      target: EXPERIMENT_KEY,
      // The same tokens again: only what follows may be new.
      set: { curve: sql`excluded.curve` },
      setWhere: sql`jsonb_array_length(excluded.curve -> 'rollouts') > 0`,
    });
    return null;
  };
}
