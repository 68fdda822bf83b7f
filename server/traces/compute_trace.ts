/** A token pair's trace, computed and stored. */
import { Buffer } from "node:buffer";
import { and, eq } from "drizzle-orm";
import type { AnalysisInput } from "../../schema/tables/analysis_values.ts";
import { failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import { traces } from "../../schema/tables/trace_tables.ts";
import type { StoredStretch } from "../../schema/tables/trace_values.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { computedBy } from "../base/provenance.ts";
import { type FailureCaseRow, storable } from "../cases/place_case.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { Analysis, StoreResult } from "../jobs/analysis.ts";
import { storedCase } from "../search/stored_case.ts";
import { cutCompletion } from "./cut_steps.ts";
import { reachOf } from "./reach.ts";
import { traceCompletion, type TraceResult } from "./trace.ts";

type TraceInput = Extract<AnalysisInput, { kind: "trace" }>;

/** Throws InputError for boundaries outside of the case's tokens. */
export async function computeTrace(
  { connection: { db }, task, rows, model, tokenizer, checkers, options }: Analysis,
  { rule, settings }: TraceInput,
): Promise<StoreResult> {
  const { tokenPairId, modelId } = task;
  const settingsHash = canonicalHash(settings);
  const [stored] = await db.select({ id: traces.id }).from(traces).where(and(
    eq(traces.tokenPairId, tokenPairId),
    eq(traces.modelId, modelId),
    eq(traces.rule, rule),
    eq(traces.settingsHash, settingsHash),
  ));
  if (stored !== undefined) return () => Promise.resolve(null);
  const { failureCase, pair } = rows;
  const [loaded, words] = [await model(), await tokenizer()];
  const { inputIds } = failureCase;
  const cut = cutCompletion(words, inputIds, failureCase.promptTokens, settings.boundaries);
  const special = Array.from(failureCase.segments, (letter) => letter === "S");
  const end = { kind: "pair", target: pair.targetId, contrast: pair.contrastId } as const;
  const found = await traceCompletion(loaded, { inputIds, rule, ...cut, special, end }, options);
  const reach = settings.rollouts === 0 ? null : await reachOf(loaded, words, {
    searchCase: storedCase(await caseOf(db, tokenPairId), checkers, {
      tokenizer: words,
      model: { ...rows.model, loaded },
    }),
    steps: cut.steps,
    rollouts: settings.rollouts,
  }, options);
  const row = {
    tokenPairId,
    modelId,
    rule,
    settings,
    settingsHash,
    promptTokens: cut.promptTokens,
    tokenCount: inputIds.length,
    ...storedParts(found),
    reach,
    adapter: found.adapter,
    ...computedBy(),
    seconds: found.seconds,
  };
  return async (tx) => {
    await tx.insert(traces).values(row).onConflictDoNothing();
    return null;
  };
}

async function caseOf(db: Database, tokenPairId: number): Promise<FailureCaseRow> {
  const [found] = await db.select({ row: failureCases }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId)).where(eq(tokenPairs.id, tokenPairId));
  if (!found) throw new Error(`Token pair ${tokenPairId} is gone`);
  return found.row;
}

/** Steps and vectors as the database holds them. */
function storedParts({ sentences, steps, error, heat, signedHeat, relevance }: TraceResult) {
  const text = <One extends StoredStretch>(one: One): One => ({ ...one, text: storable(one.text) });
  const { pair: _pair, ...row } = error;
  return {
    sentences: sentences.map(text),
    steps: steps.map(text),
    error: row,
    heat: bytesOf([heat]),
    signedHeat: bytesOf([signedHeat]),
    relevance: bytesOf(relevance),
  };
}

/** Little-endian f32, one vector behind the other. */
const bytesOf = (vectors: readonly ArrayLike<number>[]): Buffer =>
  Buffer.concat(vectors.map((values) => Buffer.from(Float32Array.from(values).buffer)));
