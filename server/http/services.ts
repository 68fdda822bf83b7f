/** What mutations and subscriptions do: the domain's verbs over database, queue and files. */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { InputError, UnavailableError } from "../../gpu/mod.ts";
import type { AnnotateRequest } from "../../schema/services/annotations.ts";
import type { AttributeRequest } from "../../schema/services/attributions.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { ImportRequest } from "../../schema/services/imports.ts";
import type { Services } from "../../schema/services/services.ts";
import { benchmarks, failureCases, models } from "../../schema/tables/tables.ts";
import type { ImportChoices } from "../../schema/tables/values.ts";

import { createExplainJob, createGenerateJob } from "../ask/ask_job.ts";
import { addModel } from "../models/add_model.ts";
import { createFetchJob } from "../fetching/fetch_model.ts";
import { locateAllowed } from "../models/locate_allowed.ts";
import { type ModelReader, ownReader } from "../models/reading.ts";
import { annotate, type ChosenToken, READ_CHOICE } from "../cases/annotate.ts";
import { annotationAgreement } from "../cases/annotation_agreement.ts";
import { annotationPrompt } from "../cases/annotation_prompt.ts";
import { createObjectiveJob } from "../attributions/objective_job.ts";
import { createDiagnoseJob } from "../diagnosis/diagnose_job.ts";
import { versionOf } from "../diagnosis/thresholds.ts";
import { setSegments } from "../marking/edit_segments.ts";
import { storable } from "../cases/place_case.ts";
import { SHOW_TOKENS } from "../cases/shown_tokens.ts";
import { unpacked } from "./access/bounded_gunzip.ts";
import { confinedPath } from "../base/confined_path.ts";
import type { Connection } from "../database/database.ts";
import { createGraphJob } from "../graphs/graph_job.ts";
import { uploadFolder } from "../jobs/uploads.ts";
import { homeId } from "../base/home.ts";
import { createAttributeJob } from "../attributions/attribute_job.ts";
import { createImportJob } from "../import/import_job.ts";
import { cancelJob } from "../jobs/jobs.ts";
import { createMarkJob } from "../marking/mark_job.ts";
import { createAblationJob, summariseAblations } from "../ablation/ablation_job.ts";
import { createChosenJob, createMaskingJob, summariseMasking } from "../masking/masking_job.ts";
import { createPreferenceJob, describePreferences } from "../preferences/preference_job.ts";
import { listWorkers } from "../jobs/list_workers.ts";
import { hubReference, isHere, tellingAbsent } from "../jobs/model_place.ts";
import { planWork } from "../planning/plan_work.ts";
import type { Planner } from "../planning/planner.ts";
import { labelAgreement } from "../diagnosis/label_agreement.ts";
import { createAnnotatedJob, createCollectJob, createPairSearchJob } from "../search/search_job.ts";
import { addModelSeries, createStudyJob, studyMovements, studyPoints, studySummary } from "../studies/study_job.ts";
import { createTraceJob } from "../traces/trace_job.ts";
import type { Settings } from "../base/settings.ts";
import type { JobWatcher } from "../jobs/watch_job.ts";

export interface ServiceParts {
  readonly settings: Settings;
  readonly connection: Connection;
  readonly boss: PgBoss;
  readonly watcher: JobWatcher;
  /** Undefined where workers run elsewhere, on adapters of their own. */
  readonly planner?: Planner | undefined;
  /** Reads models' files; this process where nobody else waits for it. */
  readonly reader?: ModelReader;
}

export function createServices(
  { settings, connection, boss, watcher, planner, reader: anyReader = ownReader() }: ServiceParts,
): Services {
  const { db } = connection;
  const reader = tellingAbsent(db, anyReader);
  return {
    addModel: async ({ directory, name, ...how }) => {
      const located = await locateAllowed(settings, directory, "directory", how).catch(shown);
      return (await addModel(db, located.path, name ?? located.name, reader)).id;
    },
    modelPlace: async (model) => ({ isHere: await isHere(db, model), hub: hubReference(model) }),
    fetchModel: async (request) => (await createFetchJob(settings, await homeId(settings), db, boss, request)).id,
    importFailureCases: async (request) =>
      (await importFailureCases({ settings, connection, boss, watcher }, request)).id,
    attribute: async (request: AttributeRequest) => (await createAttributeJob(db, boss, request)).id,
    runMasking: async (request) => (await createMaskingJob(db, boss, request)).id,
    maskTokens: async (tokenPairId, positions, replacement, rolloutTokens) =>
      (await createChosenJob(db, boss, tokenPairId, { chosen: positions, replacement, rolloutTokens })).id,
    summariseMasking: (condition, budget, seed) => summariseMasking(db, condition, budget, seed),
    runAblation: async (request) => (await createAblationJob(db, boss, request)).id,
    summariseAblations: (condition, seed) => summariseAblations(db, condition, seed),
    explainObjective: async (request) => (await createObjectiveJob(db, boss, request)).id,
    trace: async (request) => (await createTraceJob(db, boss, request)).id,
    buildGraph: async (request) => (await createGraphJob(db, boss, request)).id,
    addModelSeries: (request) => addModelSeries(db, request),
    runStudy: async (request) => (await createStudyJob(db, boss, request)).id,
    summariseStudy: (id, request) => studySummary(db, id, request),
    studyPoints: (id, request) => studyPoints(db, id, request),
    studyMovements: (id, request) => studyMovements(db, id, request),
    exportPreferences: async (request) => (await createPreferenceJob(db, boss, request)).id,
    describePreferences: (jobId) => describePreferences(db, reader, jobId),
    diagnose: async (request) => (await createDiagnoseJob(db, boss, request)).id,
    markInstructions: async (request) => (await createMarkJob(db, boss, request)).id,
    diagnosisVersion: () => versionOf(),
    labelAgreement: (request) => labelAgreement(db, request),
    annotateCase: (id, request) => annotateCase(db, boss, reader, id, request),
    annotationAgreement: (benchmark) => annotationAgreement(db, benchmark),
    annotationPrompt: (id) => annotationPrompt(db, id, reader),
    setSegments: async (id, ranges) => {
      await setSegments(db, id, ranges);
      return id;
    },
    showTokens: async (directory, ids) =>
      (await reader.read(SHOW_TOKENS, directory, { ids })).map((token) => ({ ...token, text: storable(token.text) })),
    generate: async (request) => (await createGenerateJob(db, boss, reader, request)).id,
    explain: (request) => createExplainJob(db, boss, reader, request),
    collectFailures: async (request) => (await createCollectJob(settings, db, boss, reader, request)).id,
    findTokenPairs: async (request) => (await createPairSearchJob(db, boss, request)).id,
    cancelJob: async (id) => {
      await cancelJob(db, id);
      return id;
    },
    listWorkers: () => listWorkers(db),
    planWork: async (request) => {
      if (planner) return await planWork(db, planner, request);
      throw new InputError(
        "no worker runs beside this server",
        "plan",
        "ask where one runs: npx culprit plan --help",
      );
    },
    watchJob: (id, after) => watcher.watch(id, after),
  };
}

/** What was said and the job that computes the pair are stored together. */
async function annotateCase(
  db: Database,
  boss: PgBoss,
  reader: ModelReader,
  failureCaseId: number,
  request: AnnotateRequest,
): Promise<number> {
  const [model] = await db.select({ id: models.id, directory: models.directory, vocabulary: models.vocabulary })
    .from(models).innerJoin(failureCases, eq(failureCases.modelId, models.id)).where(
      eq(failureCases.id, failureCaseId),
    );
  if (!model) {
    throw new InputError(`there is no failure case ${failureCaseId}`, "failureCaseId", "name one that is stored");
  }
  const { settle, ...annotation } = request;
  const { directory, vocabulary } = model;
  const choose = (chosen: ChosenToken) => reader.read(READ_CHOICE, directory, { ...chosen, vocabulary });
  const options = { choose, where: "annotateCase", settle };
  return await db.transaction(async (tx) => {
    const stored = await annotate(tx, failureCaseId, annotation, options);
    if (annotation.decision === "pair") await createAnnotatedJob(tx, boss, model.id, failureCaseId);
    return stored.id;
  });
}

async function importFailureCases(parts: ServiceParts, request: ImportRequest): Promise<{ readonly id: string }> {
  const { settings, connection: { db }, boss } = parts;
  const { file, path, idempotencyKey } = request;
  const choices = await confinedChoices(settings, db, request.choices ?? { from: "auto" });
  if ((file === undefined) === (path === undefined)) {
    throw new InputError("it takes exactly one of the two", "file, path", "give one of them");
  }
  if (path !== undefined) {
    const real = await confinedPath(settings, path, "path");
    return await createImportJob(
      db,
      boss,
      await homeId(settings),
      { kind: "import", path: real, name: basename(real), uploadHash: null, choices },
      idempotencyKey,
    );
  }
  const copy = join(await uploadFolder(settings.home), `${crypto.randomUUID()}.jsonl`);
  const hash = createHash("sha256");
  const hashed = async function* (parts: AsyncIterable<Uint8Array>) {
    for await (const part of parts) {
      hash.update(part);
      yield part;
    }
  };
  const name = file!.name || "upload";
  const packed = Readable.fromWeb(file!.stream() as never);
  await pipeline(unpacked(packed, name), hashed, createWriteStream(copy, { mode: 0o600 })).catch(async (error) => {
    await rm(copy, { force: true });
    throw error;
  });
  const input = { kind: "import", path: copy, name, uploadHash: hash.digest("hex"), choices } as const;
  const job = await createImportJob(db, boss, await homeId(settings), input, idempotencyKey).catch(async (error) => {
    await rm(copy, { force: true });
    throw error;
  });
  if (!job.created) await rm(copy, { force: true });
  return job;
}

/** The same choices with the path of the items, which are a benchmark's by name or a file that may be read. */
async function confinedChoices(settings: Settings, db: Database, choices: ImportChoices): Promise<ImportChoices> {
  if (choices.items === undefined) return choices;
  const [named] = await db.select({ path: benchmarks.path }).from(benchmarks).where(eq(benchmarks.name, choices.items));
  return { ...choices, items: named?.path ?? await confinedPath(settings, choices.items, "items") };
}

/** A hub that is away is told to who asked, as their own mistakes are: both have a mend. */
function shown(error: unknown): never {
  throw error instanceof UnavailableError ? new InputError(error.what, error.where, error.mend) : error;
}
