/** Reads what a study's pairs gave on the members of its series. */
import { and, type Column, count, desc, eq, inArray, type SQL, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { InputError } from "../../gpu/mod.ts";
import { modelSeries, studies, studyPairs } from "../../schema/tables/analysis_tables.ts";
import type { SeriesKind, SeriesMember } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { StudyPointRow, StudyPointsRequest, StudySourceRow } from "../../schema/services/studies.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { CLEAR_DELTA, type StudyNumber, type StudySummary, summariseStudy, verdictOf } from "./summary.ts";

export interface StudyRow {
  readonly id: number;
  readonly name: string;
  readonly rule: typeof studies.$inferSelect.rule;
  readonly series: string;
  readonly kind: SeriesKind;
  readonly members: readonly SeriesMember[];
}

/** The study that the condition names, with its series; undefined when there is none. */
export async function readStudy(db: Database, condition: SQL): Promise<StudyRow | undefined> {
  const [row] = await db.select({
    id: studies.id,
    name: studies.name,
    rule: studies.rule,
    series: modelSeries.name,
    kind: modelSeries.kind,
    members: modelSeries.members,
  }).from(studies).innerJoin(modelSeries, eq(modelSeries.id, studies.seriesId)).where(condition);
  return row;
}

/** The member with a label. Throws InputError when there is none. */
export function memberOf({ members, series }: StudyRow, label: string | undefined, otherwise: number): SeriesMember {
  const found = label === undefined ? members.at(otherwise) : members.find((member) => member.label === label);
  if (found) return found;
  throw new InputError(
    `the series ${series} has no member ${JSON.stringify(label)}`,
    "label",
    `give one of: ${members.map((member) => member.label).join(", ")}`,
  );
}

export interface SourcedSummary extends StudySummary {
  readonly sources: readonly StudySourceRow[];
}

/** The summary of a study, first against last member when nothing is said. Throws InputError for unknown labels. */
export async function readStudySummary(
  db: Database,
  study: StudyRow,
  { x, y, seed }: { readonly x: string | undefined; readonly y: string | undefined; readonly seed: number },
): Promise<SourcedSummary> {
  const two = [memberOf(study, x, 0), memberOf(study, y, -1)] as const;
  const [pairs] = await db.select({ count: count() }).from(studyPairs).where(eq(studyPairs.studyId, study.id));
  const numbers = await readNumbers(db, study);
  const summary = summariseStudy(numbers, study.members, two, { pairs: pairs?.count ?? 0, seed });
  return { ...summary, sources: await readSources(db, study) };
}

/** Whose failures a study's pairs are, most pairs first: its numbers mean little without the way they were chosen. */
async function readSources(db: Database, study: StudyRow): Promise<StudySourceRow[]> {
  const rows = await db.select({
    modelId: models.id,
    name: models.name,
    pairs: count(),
    clear: sql<number>`(count(*) filter (where ${tokenPairs.delta} > ${sql.raw(String(CLEAR_DELTA))}))::int`,
  }).from(studyPairs)
    .innerJoin(tokenPairs, eq(tokenPairs.id, studyPairs.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, failureCases.modelId))
    .where(eq(studyPairs.studyId, study.id)).groupBy(models.id).orderBy(desc(count()), models.name);
  return rows.map(({ modelId, name, pairs, clear }) => ({
    model: study.members.find((member) => member.modelId === modelId)?.label ?? name,
    pairs,
    clear,
  }));
}

/** One row for each pair of the study and member that it was attributed on, by pair. */
export async function readNumbers(db: Database, study: StudyRow): Promise<StudyNumber[]> {
  const rows = await db.select({
    tokenPairId: attributions.tokenPairId,
    modelId: attributions.modelId,
    delta: attributions.logitDifference,
    instruction: attributions.instructionSum,
    query: attributions.querySum,
    answer: attributions.answerSum,
    special: attributions.specialSum,
  }).from(studyPairs)
    .innerJoin(attributions, eq(attributions.tokenPairId, studyPairs.tokenPairId))
    .where(and(
      eq(studyPairs.studyId, study.id),
      eq(attributions.rule, study.rule),
      inArray(attributions.modelId, study.members.map(({ modelId }) => modelId)),
    )).orderBy(studyPairs.tokenPairId);
  return rows.map(({ tokenPairId, modelId, delta, instruction, query, answer, special }) => ({
    tokenPairId,
    modelId,
    delta,
    segments: instruction === null || query === null || answer === null || special === null
      ? null
      : { instruction, query, answer, special },
  }));
}

/** A page of the scatter, by pair: those that both members have. One statement. */
export async function readPoints(
  db: Database,
  study: StudyRow,
  { x, y, verdict, after, before, limit, backwards }: StudyPointsRequest,
): Promise<StudyPointRow[]> {
  const [first, second] = [memberOf(study, x, 0), memberOf(study, y, -1)];
  const [one, other] = [alias(attributions, "x"), alias(attributions, "y")];
  const clear = sql.raw(String(CLEAR_DELTA));
  const isCorrected = sql`(${one.logitDifference} > ${clear} and ${other.logitDifference} < -${clear})`;
  const isNot = sql`${other.logitDifference} > ${clear}`;
  const wanted = verdict === undefined ? undefined : {
    corrected: isCorrected,
    not_corrected: isNot,
    undecided: sql`not ${isCorrected} and not ${isNot}`,
  }[verdict];
  const rows = await db.select({
    tokenPairId: studyPairs.tokenPairId,
    failureCaseId: failureCases.id,
    key: failureCases.key,
    benchmark: failureCases.benchmark,
    targetText: tokenPairs.targetText,
    contrastText: tokenPairs.contrastText,
    xAttributionId: one.id,
    yAttributionId: other.id,
    x: one.logitDifference,
    y: other.logitDifference,
  }).from(studyPairs)
    .innerJoin(tokenPairs, eq(tokenPairs.id, studyPairs.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(one, ofMember(one, study, first))
    .innerJoin(other, ofMember(other, study, second))
    .where(and(
      eq(studyPairs.studyId, study.id),
      wanted,
      after === undefined ? undefined : sql`${studyPairs.tokenPairId} > ${after}`,
      before === undefined ? undefined : sql`${studyPairs.tokenPairId} < ${before}`,
    ))
    .orderBy(backwards ? sql`${studyPairs.tokenPairId} desc` : studyPairs.tokenPairId)
    .limit(limit);
  return rows.map((row) => ({ ...row, verdict: verdictOf(row.x, row.y) }));
}

function ofMember(
  table: { readonly tokenPairId: Column; readonly rule: Column; readonly modelId: Column },
  study: StudyRow,
  member: SeriesMember,
): SQL | undefined {
  return and(
    eq(table.tokenPairId, studyPairs.tokenPairId),
    eq(table.rule, study.rule),
    eq(table.modelId, member.modelId),
  );
}
