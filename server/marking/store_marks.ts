/** Puts found marks into a failure case; a person's, and those of a better origin, stay. */
import { eq } from "drizzle-orm";
import type { Tokenizer } from "../../gpu/mod.ts";
import { failureCases } from "../../schema/tables/tables.ts";
import { resumSegments } from "../attributions/segment_sums.ts";
import { spellMarks } from "../cases/segments.ts";
import type { Transaction } from "../database/database.ts";
import { type FoundMarks, instructionsOf, originOf } from "../marks/found_marks.ts";

/** The first counts most. */
const ORIGINS: readonly FoundMarks["origin"][] = ["file", "locator", "causal"];

/** Changes a case's phrases and segments, and what is summed by them. What a person made of the segments stays. */
export async function storeMarks(
  tx: Transaction,
  failureCaseId: number,
  { origin, version, marks: found }: FoundMarks,
  tokenizer: Tokenizer,
): Promise<void> {
  const [row] = await tx.select({
    marksOrigin: failureCases.marksOrigin,
    inputIds: failureCases.inputIds,
    promptTokens: failureCases.promptTokens,
  }).from(failureCases).where(eq(failureCases.id, failureCaseId)).for("update");
  if (!row) throw new Error(`Failure case ${failureCaseId} is gone`);
  const held = row.marksOrigin === null ? ORIGINS.length : ORIGINS.findIndex((one) => one === row.marksOrigin);
  if (held < ORIGINS.indexOf(origin)) return;
  const { marks, segments } = spellMarks(tokenizer, row.inputIds, row.promptTokens, found);
  await tx.update(failureCases).set({
    instructionPhrases: marks.map(({ phrase }) => phrase),
    phraseInstructions: instructionsOf(marks),
    ...originOf({ origin, version }),
    segments,
  }).where(eq(failureCases.id, failureCaseId));
  await resumSegments(tx, failureCaseId);
}
