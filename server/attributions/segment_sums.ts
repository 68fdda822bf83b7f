/** Sums of relevance by segment, as they stand beside an attribution's vectors; made anew when segments change. */
import { eq, sql } from "drizzle-orm";
import { attributions, failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import type { Transaction } from "../database/database.ts";
import { countingMarks } from "../marks/found_marks.ts";

/** Below this a layer's largest relevance counts as nothing. */
const NOTHING = 1e-9;

/** max |R| over the tokens that count, 1 where that is nothing. */
export function scaleOf(relevance: Float32Array, counts: (position: number) => boolean): number {
  let most = 0;
  relevance.forEach((value, position) => {
    if (counts(position)) most = Math.max(most, Math.abs(value));
  });
  return most < NOTHING ? 1 : most;
}

/** Sums of normalised relevance at the embeddings by segment; special tokens take no part in the scale. */
export function segmentSums(segments: string, embeddings: Float32Array) {
  const scale = scaleOf(embeddings, (position) => segments[position] !== "S");
  const sum = (letter: string) =>
    embeddings.reduce((total, value, position) => segments[position] === letter ? total + value : total, 0) / scale;
  return { instructionSum: sum("I"), querySum: sum("Q"), answerSum: sum("A"), specialSum: sum("S") };
}

/** Sums again the attributions of a case whose segments were changed. */
export async function resumSegments(tx: Transaction, failureCaseId: number): Promise<void> {
  const rows = await tx.select({
    id: attributions.id,
    embeddings: sql<Uint8Array>`substring(${attributions.relevance} from 1 for 4 * ${attributions.tokenCount})`,
    segments: failureCases.segments,
    editedSegments: failureCases.editedSegments,
    marksOrigin: failureCases.marksOrigin,
    marksVersion: failureCases.marksVersion,
  }).from(attributions).innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .where(eq(failureCases.id, failureCaseId)).orderBy(attributions.id);
  for (const { id, embeddings, segments, ...marks } of rows) {
    const floats = new Float32Array(Uint8Array.from(embeddings).buffer);
    await tx.update(attributions).set({
      ...segmentSums(marks.editedSegments ?? segments, floats),
      marksOrigin: countingMarks(marks).marksOrigin,
    }).where(eq(attributions.id, id));
  }
}
