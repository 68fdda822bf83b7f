/** Performs an EXPLAIN job: token pair and attribution of a case whose error somebody pointed at. */
import { and, eq } from "drizzle-orm";
import type { AttributionResult } from "../../gpu/mod.ts";
import type { ExplainInput } from "../../schema/tables/ask_values.ts";
import { attributions, failureCases, jobTasks, tokenPairs } from "../../schema/tables/tables.ts";
import type { Candidate } from "../../schema/tables/values.ts";
import { attributionRow } from "../attributions/attribution_row.ts";
import { insertAttributions } from "../attributions/insert_attributions.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { raiseDelta, storable, storePair } from "../cases/place_case.ts";
import { bestOf, rankIn } from "../cases/ranks.ts";
import type { Transaction } from "../database/database.ts";
import type { AskWork } from "./ask_work.ts";

/** Alternatives stored as evidence. */
const CANDIDATES = 10;

type CaseRow = typeof failureCases.$inferSelect;

/** Computes the attribution, and returns what writes pair and attribution and links them to the job. */
export async function performExplain(
  { db, jobId, model, tokenizer, options }: AskWork,
  { failureCaseId, modelId, targetId, contrastId, rule }: ExplainInput,
): Promise<(tx: Transaction) => Promise<void>> {
  const [row] = await db.select().from(failureCases).where(eq(failureCases.id, failureCaseId));
  if (!row) throw new Error(`Failure case ${failureCaseId} is gone`);
  const loaded = await model();
  const names = await tokenizer();
  const request = { inputIds: row.inputIds, contrast: contrastId, rule };
  const result = await loaded.attribute(targetId === null ? request : { ...request, target: targetId }, options);
  const logits = await loaded.logits(row.inputIds, options);
  const text = (id: number) => storable(names.token(id));
  const pair = {
    ...pairOf(row, result, logits, text),
    candidates: candidatesOf(logits, text),
  };
  return async (tx) => {
    const { id: tokenPairId } = await storePair(tx, pair);
    // What somebody asks about a benchmark's case says nothing of what became of it.
    if (row.source === "asked") await raiseDelta(tx, row.id, pair.delta);
    if (row.completionIds.length === row.tokenCount - row.promptTokens) {
      // The response was not known: what is known of it now is the token that is explained.
      const completionIds = [...row.completionIds, pair.targetId];
      await tx.update(failureCases).set({
        completionIds,
        completion: storable(names.decode(completionIds, { continues: true })),
      })
        .where(eq(failureCases.id, row.id));
    }
    await insertAttributions(tx, [attributionRow({ ...pair, ...row, tokenPairId, modelId }, result)]);
    const [stored] = await tx.select({ id: attributions.id }).from(attributions).where(and(
      eq(attributions.tokenPairId, tokenPairId),
      eq(attributions.rule, rule),
      eq(attributions.modelId, modelId),
    ));
    if (!stored) throw new Error("An attribution that was in the way cannot be read");
    await tx.insert(jobTasks).values({ jobId, tokenPairId, modelId, done: true, attributionId: stored.id })
      .onConflictDoNothing();
  };
}

type Pair = Omit<typeof tokenPairs.$inferInsert, "id" | "createdAt">;

function pairOf(
  row: CaseRow,
  { target, contrast, logitDifference }: AttributionResult,
  logits: Float32Array,
  text: (id: number) => string,
): Omit<Pair, "candidates"> {
  return {
    failureCaseId: row.id,
    position: row.tokenCount,
    targetId: target.id,
    targetText: text(target.id),
    targetLogit: target.logit,
    contrastId: contrast.id,
    contrastText: text(contrast.id),
    contrastLogit: contrast.logit,
    // All of one pass: the attribution's own logits may differ in their last bits.
    contrastRank: rankIn(logits, contrast.id).rank,
    delta: logitDifference,
    source: "asked",
    contentHash: canonicalHash({ target: target.id, contrast: contrast.id }),
  };
}

/** What else the model could have said, as evidence; nothing was rolled out. */
function candidatesOf(logits: Float32Array, text: (id: number) => string): Candidate[] {
  return bestOf(logits, CANDIDATES).map((id, rank) => ({
    rank,
    id,
    text: text(id),
    logit: logits[id]!,
    completion: null,
    passed: null,
  }));
}
