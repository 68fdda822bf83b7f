/** The marks of a token pair's case: those of a locator, or, where no file and no locator has any, causal ones. */
import { eq } from "drizzle-orm";
import { causalMarks } from "../../schema/tables/analysis_tables.ts";
import type { SentenceEffect } from "../../schema/tables/analysis_values.ts";
import { failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import { computedBy } from "../base/provenance.ts";
import type { Transaction } from "../database/database.ts";
import type { Analysis, StoreResult } from "../jobs/analysis.ts";
import { CAUSAL_VERSION, sentenceEffects } from "./causal.ts";
import { continuationsOf } from "./continuations.ts";
import { foundMarks } from "../marks/found_marks.ts";
import { promptSentences } from "./prompt_sentences.ts";
import { storeMarks } from "./store_marks.ts";

/** Marks the case of one pair. Marks of a file, and those that this version found, are kept. */
export async function computeMarks(
  { connection: { db }, task, model, tokenizer, options }: Analysis,
): Promise<StoreResult> {
  const [source] = await db.select({ row: failureCases, pair: tokenPairs }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId)).where(eq(tokenPairs.id, task.tokenPairId));
  const { row, pair } = source!;
  const nothing: StoreResult = () => Promise.resolve(null);
  if (row.marksOrigin === "file") return nothing;
  const words = await tokenizer();
  const located = foundMarks([], row.item);
  if (located) {
    if (row.marksOrigin === located.origin && row.marksVersion === located.version) return nothing;
    return async (tx) => {
      await storeMarks(tx, row.id, located, words);
      return null;
    };
  }
  const [stored] = await db.select({ version: causalMarks.version }).from(causalMarks)
    .where(eq(causalMarks.tokenPairId, pair.id));
  if (stored?.version === CAUSAL_VERSION) return nothing;
  const sentences = promptSentences(words, { ...row, promptIds: row.inputIds.slice(0, row.promptTokens) });
  const loaded = await model();
  const continuations = continuationsOf({ ...row, ...pair }, words, loaded.config.maxPositions);
  const effects = sentences.length === 0 ? [] : await sentenceEffects(loaded, continuations, sentences, options);
  const values = {
    version: CAUSAL_VERSION,
    sentences: effects,
    rightTokens: continuations.right.length,
    wrongTokens: continuations.wrong.length,
    adapter: loaded.adapter.name,
    ...computedBy(),
  };
  return async (tx) => {
    await tx.insert(causalMarks).values({ tokenPairId: pair.id, ...values })
      .onConflictDoUpdate({ target: causalMarks.tokenPairId, set: { ...values, createdAt: new Date() } });
    await storeMarks(tx, row.id, {
      origin: "causal",
      version: CAUSAL_VERSION,
      marks: (await markedSentences(tx, row.id)).map((phrase) => ({ phrase, instruction: null })),
    }, words);
    return null;
  };
}

/** What is marked for any pair of a case. */
async function markedSentences(tx: Transaction, failureCaseId: number): Promise<string[]> {
  const rows = await tx.select({ sentences: causalMarks.sentences }).from(causalMarks)
    .innerJoin(tokenPairs, eq(tokenPairs.id, causalMarks.tokenPairId))
    .where(eq(tokenPairs.failureCaseId, failureCaseId)).orderBy(tokenPairs.id);
  const texts = rows.flatMap(({ sentences }) => sentences.filter(({ marked }: SentenceEffect) => marked));
  return [...new Set(texts.map(({ text }) => text))];
}
