/** Segments that a person changed, kept apart from those that were found automatically. */
import { eq } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { SegmentRange } from "../../schema/services/annotations.ts";
import { failureCases } from "../../schema/tables/tables.ts";
import { resumSegments } from "../attributions/segment_sums.ts";

/**
 * Changes the segments of a case's prompt tokens; without ranges the automatic ones count again. Special tokens inside a
 * range stay special. Throws InputError for ranges outside the prompt and for segments that cannot be chosen.
 */
export async function setSegments(db: Database, failureCaseId: number, ranges: readonly SegmentRange[]): Promise<void> {
  await db.transaction(async (tx) => {
    const [row] = await tx.select({
      segments: failureCases.segments,
      editedSegments: failureCases.editedSegments,
      promptTokens: failureCases.promptTokens,
    }).from(failureCases).where(eq(failureCases.id, failureCaseId)).for("update");
    if (!row) {
      throw new InputError(`there is no failure case ${failureCaseId}`, "failureCaseId", "name one that is stored");
    }
    const editedSegments = ranges.length === 0
      ? null
      : editedOf(row.editedSegments ?? row.segments, row.promptTokens, ranges);
    await tx.update(failureCases).set({ editedSegments }).where(eq(failureCases.id, failureCaseId));
    await resumSegments(tx, failureCaseId);
  });
}

function editedOf(segments: string, promptTokens: number, ranges: readonly SegmentRange[]): string {
  const letters = [...segments];
  ranges.forEach(({ from, count, segment }, index) => {
    const where = `ranges[${index}]`;
    if (segment !== "I" && segment !== "Q") {
      throw new InputError(
        "only the prompt's tokens can be sorted, special tokens and the answer stay what they are",
        `${where}.segment`,
        "give INSTRUCTION or QUERY",
      );
    }
    if (from < 0 || count < 1 || from + count > promptTokens) {
      throw new InputError(
        `tokens ${from} to ${from + count - 1} are not all in the prompt of ${promptTokens} tokens`,
        where,
        `give a range within 0 to ${promptTokens - 1}`,
      );
    }
    for (let at = from; at < from + count; at++) if (letters[at] !== "S") letters[at] = segment;
  });
  return letters.join("");
}
