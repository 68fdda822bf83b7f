/**
 * Places an open failure case: chooses the position of the first wrong token, so that prompt and completion before it
 * become the case's tokens, and stores the token pair.
 */
import { and, eq, sql } from "drizzle-orm";
import type { Tokenizer } from "../../gpu/mod.ts";
import { failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import type { Exclusion } from "../../schema/tables/values.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import type { Transaction } from "../database/database.ts";
import type { Recovery } from "./recovery.ts";
import { CLEAN_DELTA } from "./clean_delta.ts";
import { segmentsOf } from "./segments.ts";

/** The columns of a case that follow from its largest delta. */
export function statusOf(
  delta: number,
): { readonly status: "clean" | "excluded"; readonly exclusion: Exclusion | null } {
  return delta > CLEAN_DELTA
    ? { status: "clean", exclusion: null }
    : { status: "excluded", exclusion: "delta_too_small" };
}

/** Notes another pair's delta with its case: lists sort by the largest, and one clean pair makes the case clean. */
export async function raiseDelta(tx: Transaction, failureCaseId: number, delta: number): Promise<void> {
  const largest = sql`greatest(${failureCases.delta}, ${delta}::float8)`;
  const clean = sql`${largest} > ${CLEAN_DELTA}`;
  await tx.update(failureCases).set({
    delta: largest,
    status: sql`case when ${clean} then 'clean'::case_status else 'excluded'::case_status end`,
    exclusion: sql`case when ${clean} then null else 'delta_too_small' end`,
    exclusionNote: null,
  }).where(eq(failureCases.id, failureCaseId));
}

export type FailureCaseRow = typeof failureCases.$inferSelect;
/** A token pair as search and annotators find it: its case, position and hash follow from where it is placed. */
export type FoundPair = Omit<
  typeof tokenPairs.$inferInsert,
  "id" | "failureCaseId" | "position" | "contentHash" | "createdAt"
>;

export interface PlacedCase {
  /** The case itself, or its sibling `key@position`. */
  readonly failureCaseId: number;
  readonly tokenPairId: number;
  /** False when this very pair was stored before. */
  readonly created: boolean;
}

/**
 * Places a case at `position`, counted from the completion's first token, and stores the pair with the target there.
 * A case that is placed elsewhere and has pairs stays as it is: a sibling with the key `key@position` is made, or found.
 * The status follows from the delta: clean above 1, else excluded as `delta_too_small`.
 * `tokenizer` is that of the case's model; `reviewer` names the person who decided, where one did.
 * Throws RangeError for a position outside the completion, or a target that is not the token there.
 */
export async function placeCase(
  tx: Transaction,
  row: FailureCaseRow,
  position: number,
  pair: FoundPair,
  options: { readonly tokenizer: Tokenizer; readonly reviewer?: string },
): Promise<PlacedCase> {
  const { tokenizer, reviewer } = options;
  if (!(position >= 0 && position < row.completionIds.length)) {
    throw new RangeError(`Position ${position} is outside the completion of ${row.completionIds.length} tokens`);
  }
  if (row.completionIds[position] !== pair.targetId) {
    throw new RangeError(`The token at position ${position} is ${row.completionIds[position]}, not ${pair.targetId}`);
  }
  // Whoever places the same case at the same time waits here.
  const [locked] = await tx.select().from(failureCases).where(eq(failureCases.id, row.id)).for("update");
  if (!locked) throw new Error(`Failure case ${row.id} is gone`);
  const tokens = row.promptTokens + position;
  const there = locked.tokenCount === tokens;
  const [placed] = there ? [] : await tx.select({ id: tokenPairs.id }).from(tokenPairs)
    .where(eq(tokenPairs.failureCaseId, row.id)).limit(1);
  const placement = there ? undefined : placementOf(locked, position, tokenizer);
  const failureCaseId = placed ? await siblingOf(tx, locked, position, placement!) : row.id;
  if (!placed && placement) {
    await tx.update(failureCases).set(placement).where(eq(failureCases.id, row.id));
  }
  const content = {
    target: [pair.targetId, pair.targetLogit],
    contrast: [pair.contrastId, pair.contrastLogit, pair.contrastRank],
    candidates: pair.candidates,
  };
  const placedPair = { ...pair, failureCaseId, position: tokens, contentHash: canonicalHash(content) };
  const { id: tokenPairId, created } = await storePair(tx, placedPair);
  // Whoever asks for a pair that is there already asks for a case that was left out to count again.
  if (created || reviewer !== undefined) await raiseDelta(tx, failureCaseId, pair.delta);
  if (reviewer !== undefined) {
    await tx.update(failureCases).set({ reviewer }).where(eq(failureCases.id, failureCaseId));
  }
  return { failureCaseId, tokenPairId, created };
}

/** Stores a pair, or finds the one of the same case and tokens that was stored before, which stays as it is. */
export async function storePair(
  tx: Transaction,
  pair: Omit<typeof tokenPairs.$inferInsert, "id" | "createdAt">,
): Promise<{ readonly id: number; readonly created: boolean }> {
  const { failureCaseId, targetId, contrastId } = tokenPairs;
  const [added] = await tx.insert(tokenPairs).values(pair)
    .onConflictDoNothing({ target: [failureCaseId, targetId, contrastId] }).returning({ id: tokenPairs.id });
  if (added) return { id: added.id, created: true };
  const [there] = await tx.select({ id: tokenPairs.id }).from(tokenPairs).where(and(
    eq(failureCaseId, pair.failureCaseId),
    eq(targetId, pair.targetId),
    eq(contrastId, pair.contrastId),
  ));
  if (!there) throw new Error("A token pair that was in the way cannot be read");
  return { id: there.id, created: false };
}

/** Places a case at the pair that was found for it. Throws as `placeCase`. */
export async function placeRecovery(
  tx: Transaction,
  row: FailureCaseRow,
  { position, response, target, contrast, contrastRank, delta, source, candidates }: Recovery,
  options: { readonly tokenizer: Tokenizer; readonly reviewer?: string },
): Promise<PlacedCase> {
  const completionIds = [...response];
  if (completionIds.length > row.completionIds.length) {
    // An imported response has no token that ended it; the model's own is its end.
    await tx.update(failureCases).set({ completionIds }).where(eq(failureCases.id, row.id));
  }
  const { tokenizer } = options;
  return await placeCase(tx, { ...row, completionIds }, position, {
    targetId: target.id,
    targetText: storable(tokenizer.token(target.id)),
    targetLogit: target.logit,
    contrastId: contrast.id,
    contrastText: storable(tokenizer.token(contrast.id)),
    contrastLogit: contrast.logit,
    contrastRank,
    delta,
    source,
    candidates: candidates.map((one) => ({
      ...one,
      text: storable(one.text),
      completion: one.completion === null ? null : storable(one.completion),
    })),
  }, options);
}

/** Leaves a case out, with its reason. A case that is clean keeps its pairs, so that the decision can be undone. */
export async function excludeCase(
  tx: Transaction,
  failureCaseId: number,
  exclusion: Exclusion,
  options: { readonly note?: string; readonly reviewer?: string } = {},
): Promise<void> {
  const { note = null, reviewer } = options;
  await tx.update(failureCases)
    .set({ status: "excluded", exclusion, exclusionNote: note, ...(reviewer === undefined ? {} : { reviewer }) })
    .where(eq(failureCases.id, failureCaseId));
}

type Placement = Pick<
  FailureCaseRow,
  "prefix" | "inputIds" | "tokenTexts" | "segments" | "editedSegments" | "tokenCount"
>;

function placementOf(row: FailureCaseRow, position: number, tokenizer: Tokenizer): Placement {
  const prefixIds = row.completionIds.slice(0, position);
  const inputIds = [...row.inputIds.slice(0, row.promptTokens), ...prefixIds];
  const segments = segmentsOf(tokenizer, inputIds, row.promptTokens, row.instructionPhrases);
  return {
    // A prefix may end within a character: its text then ends before it.
    prefix: tokenizer.decode(prefixIds, { continues: true }).replace(/\uFFFD+$/, ""),
    inputIds,
    tokenTexts: tokenTextsOf(tokenizer, inputIds),
    segments,
    editedSegments: row.editedSegments === null
      ? null
      : row.editedSegments.slice(0, row.promptTokens) + segments.slice(row.promptTokens),
    tokenCount: inputIds.length,
  };
}

/** How tokens are shown, as PostgreSQL can store it. */
export function tokenTextsOf(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  return ids.map((id) => storable(tokenizer.token(id)));
}

/** Text as PostgreSQL can store it. */
export const storable = (text: string): string => text.replaceAll("\0", "\u2400");

async function siblingOf(
  tx: Transaction,
  row: FailureCaseRow,
  position: number,
  placement: Placement,
): Promise<number> {
  const { id: _id, createdAt: _createdAt, ...content } = row;
  const key = `${row.key}@${position}`;
  const [added] = await tx.insert(failureCases).values({
    ...content,
    ...placement,
    key,
    delta: null,
    status: "open",
    exclusion: null,
    exclusionNote: null,
    contentHash: canonicalHash({ sibling: row.contentHash, position }),
  }).onConflictDoNothing({ target: [failureCases.modelId, failureCases.key] }).returning({ id: failureCases.id });
  if (added) return added.id;
  const [other] = await tx.select({ id: failureCases.id }).from(failureCases)
    .where(and(eq(failureCases.modelId, row.modelId), eq(failureCases.key, key)));
  if (!other) throw new Error("A failure case that was in the way cannot be read");
  return other.id;
}
