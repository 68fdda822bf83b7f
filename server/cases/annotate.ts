/** Annotations of failure cases: where the first wrong token stands, what should have come, or why to leave it out. */
import { and, eq } from "drizzle-orm";
import { InputError, type Tokenizer } from "../../gpu/mod.ts";
import { annotations, failureCases } from "../../schema/tables/tables.ts";
import type { Transaction } from "../database/database.ts";
import type { Reading } from "../models/reading.ts";
import { excludeCase } from "./place_case.ts";

/** An annotation as people and logs write it. */
export interface LoggedAnnotation {
  readonly annotator: string;
  readonly decision: "pair" | "exclude";
  /** Counted from the completion's first token; null for "exclude". */
  readonly position: number | null;
  /** What is taken for the token at the position; checked where it is given. */
  readonly targetId?: number | null;
  /** A token's id, or its text. */
  readonly contrast: { readonly id: number } | { readonly text: string } | null;
  readonly reason: string;
}

export interface StoredAnnotation {
  readonly id: number;
  readonly failureCaseId: number;
  readonly kind: "inserted" | "unchanged";
}

export interface AnnotateOptions {
  /** Reads what was annotated with the tokenizer of the case's model. */
  readonly choose: (chosen: ChosenToken) => Promise<Choice>;
  /** Where the annotation stands, for errors. */
  readonly where: string;
  /** An exclusion leaves the case out at once, instead of being one vote. */
  readonly settle?: boolean;
}

/**
 * Checks an annotation against its case and stores it; a later one of the same annotator replaces the first. Throws
 * InputError for a position, target or contrast that cannot be.
 */
export async function annotate(
  tx: Transaction,
  failureCaseId: number,
  annotation: LoggedAnnotation,
  options: AnnotateOptions,
): Promise<StoredAnnotation> {
  const [row] = await tx.select({ completionIds: failureCases.completionIds }).from(failureCases)
    .where(eq(failureCases.id, failureCaseId)).for("update");
  if (!row) throw new InputError(`there is no failure case ${failureCaseId}`, options.where, "name one that is stored");
  const { annotator, decision, reason } = annotation;
  if (annotator.trim() === "") {
    throw new InputError("the annotator has no name", options.where, "say who annotates");
  }
  const chosen = decision === "exclude"
    ? NOTHING
    : await options.choose({ annotation, completionIds: row.completionIds, where: options.where });
  const values = { failureCaseId, annotator, decision, reason, ...chosen };
  const same = and(eq(annotations.failureCaseId, failureCaseId), eq(annotations.annotator, annotator));
  const [before] = await tx.select().from(annotations).where(same);
  if (options.settle && decision === "exclude") {
    await excludeCase(tx, failureCaseId, "annotator", { note: reason, reviewer: annotator });
  }
  if (
    before && before.decision === decision && before.reason === reason && before.position === chosen.position &&
    before.contrastId === chosen.contrastId
  ) return { id: before.id, failureCaseId, kind: "unchanged" };
  const [stored] = await tx.insert(annotations).values(values)
    .onConflictDoUpdate({ target: [annotations.failureCaseId, annotations.annotator], set: values })
    .returning({ id: annotations.id });
  if (!stored) throw new Error("An annotation was not stored");
  return { id: stored.id, failureCaseId, kind: "inserted" };
}

/** What an annotation says of a case, as it is stored. */
export interface Choice {
  readonly position: number | null;
  readonly targetId: number | null;
  readonly contrastId: number | null;
}
const NOTHING: Choice = { position: null, targetId: null, contrastId: null };

export interface ChosenToken {
  readonly annotation: LoggedAnnotation;
  readonly completionIds: readonly number[];
  /** Where the annotation stands, for errors. */
  readonly where: string;
}

/** The same by a model's files. */
export const READ_CHOICE: Reading<ChosenToken & { readonly vocabulary: number }, Choice> = {
  name: "choice",
  read: async (model, { vocabulary, ...chosen }) => choiceOf(await model.tokenizer(), vocabulary, chosen),
};

/** The tokens of an annotation. Throws InputError for a position, target or contrast that cannot be. */
export function choiceOf(
  tokenizer: Tokenizer,
  vocabulary: number,
  { annotation, completionIds, where }: ChosenToken,
): Choice {
  const { position, contrast } = annotation;
  const wrong = (what: string, mend: string) => new InputError(what, where, mend);
  if (completionIds.length === 0) {
    throw wrong("the case's completion has no tokens", "import the case with its completion, or exclude it");
  }
  const targetId = position === null ? undefined : completionIds[position];
  if (position === null || targetId === undefined) {
    throw wrong(
      `position is ${position}, and the completion has ${completionIds.length} tokens`,
      `give a position from 0 to ${completionIds.length - 1}`,
    );
  }
  if (annotation.targetId != null && annotation.targetId !== targetId) {
    throw wrong(
      `the token at position ${position} is ${targetId} ${JSON.stringify(tokenizer.token(targetId))}, not ` +
        `${annotation.targetId}`,
      "give the position of the wrong token",
    );
  }
  if (contrast === null) throw wrong("there is no contrast", "give the right token, or exclude the case");
  const contrastId = "id" in contrast ? contrast.id : tokenizer.single(contrast.text, `${where} (contrast.text)`);
  if (!Number.isInteger(contrastId) || contrastId < 0 || contrastId >= vocabulary) {
    throw wrong(`contrast is ${contrastId}, and the model has ${vocabulary} token ids`, "give an id of this model");
  }
  if (contrastId === targetId) {
    throw wrong(
      `the contrast is the token that stands there, ${JSON.stringify(tokenizer.token(targetId))}`,
      "give another token",
    );
  }
  return { position, targetId, contrastId };
}
