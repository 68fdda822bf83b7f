/** What is asked of series and studies: the same token pairs attributed on every member of a series. */
import { and, eq, inArray, sql } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { addPairTasks, type SelectedPair } from "../jobs/pair_job.ts";
import { InputError, type Rule } from "../../gpu/mod.ts";
import { studies, studyPairs } from "../../schema/tables/analysis_tables.ts";
import type { StudyInput, StudyPairs } from "../../schema/tables/analysis_values.ts";
import type { AddModelSeriesRequest, RunStudyRequest } from "../../schema/services/studies.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { StudyMovementRow, StudyPointRow, StudyPointsRequest } from "../../schema/services/studies.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { among } from "../base/among.ts";
import type { Transaction } from "../database/database.ts";
import { CLEAN_DELTA } from "../cases/clean_delta.ts";
import { criterionPairs } from "../../schema/tables/criterion_pairs.ts";
import { type CreatedJob, insertJob } from "../jobs/jobs.ts";
import { modelByName } from "../models/find_model.ts";
import { readMovements } from "./movement.ts";
import { readPoints, readStudy, readStudySummary, type SourcedSummary, type StudyRow } from "./numbers.ts";
import { checkTokenizers, findSeries, type MemberModel, membersOf, storeSeries } from "./series.ts";

const ROWS_AT_ONCE = 1000;

/** A job that was stored, and its study. */
export interface CreatedStudy extends CreatedJob {
  readonly studyId: number;
}

/**
 * Stores a study, or goes on with the one of that name, and a job of what is missing: pairs that were attributed on a
 * member stay. Throws InputError for a series that is not there, a name that another study has, pairs of another
 * tokenizer, and for no pairs.
 */
export async function createStudyJob(db: Database, boss: PgBoss, request: RunStudyRequest): Promise<CreatedStudy> {
  return await db.transaction(async (tx) => {
    const series = await findSeries(tx, request.series, "series");
    const members = await membersOf(tx, series);
    const study = await storeStudy(tx, series.id, request.name ?? `${series.name} ${request.rule}`, request.rule);
    const { pairs } = request;
    const modelIds = members.map(({ modelId }) => modelId);
    const input: StudyInput = { kind: "study", studyId: study.id, rule: request.rule, modelIds, pairs };
    const job = await insertJob(tx, input, request.idempotencyKey);
    if (!job.created) return { ...job, studyId: study.id };
    const added = pairs ?? (study.created ? { benchmark: null, model: null } : null);
    if (added !== null) await addPairs(tx, study.id, await selectPairs(tx, added, members));
    await addTasks(tx, boss, job.id, input);
    await tx.update(studies).set({ jobId: job.id }).where(eq(studies.id, study.id));
    return { ...job, studyId: study.id };
  });
}

async function storeStudy(tx: Transaction, seriesId: number, name: string, rule: Rule) {
  const [added] = await tx.insert(studies).values({ seriesId, rule, name })
    .onConflictDoNothing({ target: studies.name }).returning({ id: studies.id });
  if (added) return { id: added.id, created: true };
  const [known] = await tx.select().from(studies).where(eq(studies.name, name));
  if (known?.seriesId === seriesId && known.rule === rule) return { id: known.id, created: false };
  throw new InputError(
    `another series or rule has the study ${JSON.stringify(name)}`,
    "name",
    "give this study a name of its own",
  );
}

/** Row ids of the pairs, which must be spelled by the members' tokenizer. */
async function selectPairs(tx: Transaction, wanted: StudyPairs, members: readonly MemberModel[]): Promise<number[]> {
  const condition = "tokenPairIds" in wanted ? among(tokenPairs.id, wanted.tokenPairIds) : and(
    criterionPairs,
    sql`${tokenPairs.delta} > ${CLEAN_DELTA}`,
    wanted.benchmark === null ? undefined : eq(failureCases.benchmark, wanted.benchmark),
    wanted.model === null ? inArray(models.id, members.map(({ modelId }) => modelId)) : eq(models.name, wanted.model),
  );
  const rows = await tx.select({ id: tokenPairs.id, name: models.name, tokenizerHash: models.tokenizerHash })
    .from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, failureCases.modelId))
    .where(condition).orderBy(tokenPairs.id);
  if ("tokenPairIds" in wanted) {
    const known = new Set(rows.map(({ id }) => id));
    const missing = wanted.tokenPairIds.find((id) => !known.has(id));
    if (missing !== undefined) {
      throw new InputError(`there is no token pair ${missing}`, "tokenPairIds", "give ids that another query returned");
    }
  }
  if (rows.length === 0) {
    throw new InputError(
      "no clean token pair fits",
      "selection",
      "import or search failures of a member, or name the model that they are of",
    );
  }
  const strangers = rows.filter(({ tokenizerHash }) => tokenizerHash !== members[0]!.model.tokenizerHash);
  checkTokenizers([members[0]!.model, ...strangers.slice(0, 1)], "tokenPairIds");
  return rows.map(({ id }) => id);
}

async function addPairs(tx: Transaction, studyId: number, ids: readonly number[]): Promise<void> {
  for (let from = 0; from < ids.length; from += ROWS_AT_ONCE) {
    await tx.insert(studyPairs)
      .values(ids.slice(from, from + ROWS_AT_ONCE).map((tokenPairId) => ({ studyId, tokenPairId })))
      .onConflictDoNothing();
  }
}

/** A task for every pair on every member, member after member; those with an attribution are done. */
async function addTasks(tx: Transaction, boss: PgBoss, jobId: string, input: StudyInput): Promise<void> {
  const { studyId, rule, modelIds } = input;
  const pairs: SelectedPair[] = [];
  for (const modelId of modelIds) {
    const rows = await tx.select({ tokenPairId: studyPairs.tokenPairId, attributionId: attributions.id })
      .from(studyPairs)
      .leftJoin(
        attributions,
        and(
          eq(attributions.tokenPairId, studyPairs.tokenPairId),
          eq(attributions.rule, rule),
          eq(attributions.modelId, modelId),
        ),
      )
      .where(eq(studyPairs.studyId, studyId)).orderBy(studyPairs.tokenPairId);
    for (const row of rows) pairs.push({ ...row, modelId });
  }
  await addPairTasks(tx, boss, jobId, input, pairs);
}

/** Stores a series of models that were added; gives its row id. */
export async function addModelSeries(db: Database, { name, kind, members }: AddModelSeriesRequest): Promise<number> {
  const found = [];
  for (const { model, label, position } of members) {
    found.push({ model: await modelByName(db, model, "members"), label, position });
  }
  return (await storeSeries(db, { name, kind, members: found }, "members")).id;
}

async function studyOf(db: Database, id: number): Promise<StudyRow> {
  const study = await readStudy(db, eq(studies.id, id));
  if (study) return study;
  throw new InputError(`there is no study ${id}`, "study", "give an id that another query returned");
}

export async function studySummary(
  db: Database,
  id: number,
  request: Parameters<typeof readStudySummary>[2],
): Promise<SourcedSummary> {
  return await readStudySummary(db, await studyOf(db, id), request);
}

export async function studyPoints(db: Database, id: number, request: StudyPointsRequest): Promise<StudyPointRow[]> {
  return await readPoints(db, await studyOf(db, id), request);
}

/** What changes from one member to each other. Throws InputError for a study or label that is not there. */
export async function studyMovements(
  db: Database,
  id: number,
  request: Parameters<typeof readMovements>[2],
): Promise<StudyMovementRow[]> {
  return await readMovements(db, await studyOf(db, id), request);
}
