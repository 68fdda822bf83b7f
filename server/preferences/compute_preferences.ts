/** Token weights of a failure as a preference pair, computed and stored. */
import { and, eq } from "drizzle-orm";
import type { AttributionRequest, LoadedModel, RunOptions } from "../../gpu/mod.ts";
import { preferences } from "../../schema/tables/analysis_tables.ts";
import {
  type AnalysisInput,
  goesByRelevance,
  PREDICTION_FORMULAS,
  RELEVANCE_FORMULAS,
  type RelevanceFormula,
  WEIGHT_FORMULAS,
  type WeightFormula,
} from "../../schema/tables/analysis_values.ts";
import { failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import type { Analysis, StoreResult } from "../jobs/analysis.ts";
import { preferencePair } from "./pair.ts";
import { divergenceShares, relevanceShare, uncertaintyShares, weightsOf } from "./weights.ts";
import { computedBy } from "../base/provenance.ts";
import { isControl } from "../cases/segments.ts";
import { countingMarks } from "../marks/found_marks.ts";

/** Positions of one call: their results are held together. */
const POSITIONS_AT_ONCE = 64;

/**
 * Weighs the tokens of one pair by a formula and by all others that cost nothing more: every formula where tokens are
 * attributed, those that need no relevance where they are not. A pair that cannot be exported stores nothing (the export
 * says why).
 */
export async function computePreferences(
  { connection: { db }, task, rows, model, tokenizer, options }: Analysis,
  { formula }: Extract<AnalysisInput, { kind: "export_preferences" }>,
): Promise<StoreResult> {
  const nothing: StoreResult = () => Promise.resolve(null);
  const { marksOrigin, marksVersion } = preferences;
  const [stored] = await db.select({ marksOrigin, marksVersion }).from(preferences)
    .where(and(eq(preferences.tokenPairId, task.tokenPairId), eq(preferences.formula, formula)));
  const [source] = await db.select({ row: failureCases, candidates: tokenPairs.candidates }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .where(eq(tokenPairs.id, task.tokenPairId));
  const words = await tokenizer();
  const { row, candidates } = source!;
  const marks = countingMarks(row);
  const marksOf = (formula: WeightFormula): Marks => goesByRelevance(formula) ? marks : NO_MARKS;
  // Shares of relevance go by the marks: with others they are made anew.
  if (stored && sameMarks(stored, marksOf(formula))) return nothing;
  const pair = preferencePair({ ...row, ...rows.pair, candidates }, words);
  if (typeof pair === "string") return nothing;

  const loaded = await model();
  const context = { inputIds: row.inputIds, letters: row.editedSegments ?? row.segments };
  const isSpecial = (position: number, id: number) => isControl(words, position, id);
  const formulas = goesByRelevance(formula) ? WEIGHT_FORMULAS : PREDICTION_FORMULAS;
  const weigh = (ids: readonly number[]) => weighCompletion(loaded, context, ids, { formulas, isSpecial }, options);
  const chosen = await weigh(pair.chosenIds);
  const rejected = await weigh(pair.rejectedIds);
  const common = {
    tokenPairId: task.tokenPairId,
    failureCaseId: row.id,
    chosenIds: [...chosen.ids],
    rejectedIds: [...rejected.ids],
    adapter: loaded.adapter.name,
    ...computedBy(),
  };
  return async (tx) => {
    for (const formula of formulas) {
      const values = {
        ...common,
        ...marksOf(formula),
        formula,
        chosenWeights: chosen.weights.get(formula)!,
        rejectedWeights: rejected.weights.get(formula)!,
      };
      await tx.insert(preferences).values(values)
        .onConflictDoUpdate({ target: [preferences.tokenPairId, preferences.formula], set: values });
    }
    return null;
  };
}

type Marks = ReturnType<typeof countingMarks>;
const NO_MARKS: Marks = { marksOrigin: null, marksVersion: null };
const sameMarks = (one: Marks, other: Marks): boolean =>
  one.marksOrigin === other.marksOrigin && one.marksVersion === other.marksVersion;

export interface WeighedCompletion {
  /** The completion, and the token that ends it where the model would end there. */
  readonly ids: readonly number[];
  /** By each formula that was asked for: one a token, of mean 1. */
  readonly weights: ReadonlyMap<WeightFormula, number[]>;
}

/**
 * Weighs each token y_t of a completion whose first token is where it parts from the other one (docs/preferences.md):
 * by the model's prediction at its position, which one forward pass reads for all, and where a formula goes by relevance by
 * the attribution of logit[y_t] - logit[best other token] there. `letters`: segments of the context's tokens, [tokens].
 */
export async function weighCompletion(
  model: LoadedModel,
  { inputIds, letters }: { readonly inputIds: readonly number[]; readonly letters: string },
  completion: readonly number[],
  { formulas, isSpecial }: {
    readonly formulas: readonly WeightFormula[];
    readonly isSpecial: (position: number, id: number) => boolean;
  },
  options: RunOptions,
): Promise<WeighedCompletion> {
  const start = inputIds.length;
  const sequence = [...inputIds, ...completion];
  const [best] = await model.nextTokens([{ inputIds: sequence, from: start - 1, top: 2 }], options);
  const { eosIds } = model.config;
  const end = best!.at(-1)![0]!.id;
  const ended = eosIds.includes(completion.at(-1)!);
  const ids = !ended && eosIds.includes(end) ? [...completion, end] : completion;
  const shares = new Map<WeightFormula, number[]>([
    ["divergence/1", divergenceShares(ids.length)],
    ["uncertainty/1", uncertaintyShares(ids.map((_, index) => best![index]![0]!.logProbability))],
  ]);
  if (formulas.some(goesByRelevance)) {
    const own = ids.map((id, index) => isSpecial(start + index, id) ? "S" : "A").join("");
    const requests = ids.map((target, index) => ({
      inputIds: [...inputIds, ...ids.slice(0, index)],
      target,
      contrast: best![index]!.find(({ id }) => id !== target)!.id,
      rule: "attnlrp" as const,
    }));
    const found = await relevanceShares(model, requests, letters + own, options);
    found.forEach((values, formula) => shares.set(formula, values));
  }
  return { ids, weights: new Map(formulas.map((formula) => [formula, weightsOf(shares.get(formula)!)])) };
}

/** Shares by the formulas that go by relevance, of each request in order. `letters`: of all their tokens. */
async function relevanceShares(
  model: LoadedModel,
  requests: readonly AttributionRequest[],
  letters: string,
  options: RunOptions,
): Promise<ReadonlyMap<RelevanceFormula, number[]>> {
  const shares = new Map(RELEVANCE_FORMULAS.map((formula) => [formula, [] as number[]]));
  for (let from = 0; from < requests.length; from += POSITIONS_AT_ONCE) {
    const results = await model.attributeMany(requests.slice(from, from + POSITIONS_AT_ONCE), options);
    for (const { inputIds: { length }, nodeRelevance } of results) {
      const [relevance, own] = [nodeRelevance.subarray(0, length), letters.slice(0, length)];
      shares.forEach((values, formula) => values.push(relevanceShare(relevance, own, formula)));
    }
  }
  return shares;
}
