/** Asks for preference exports, describes and downloads them. */
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { InputError } from "../../gpu/mod.ts";
import type { AnalysisInput } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { ExportPreferencesRequest } from "../../schema/services/preferences.ts";
import type { PreferenceExportRow } from "../../schema/services/preferences.ts";
import { jobs } from "../../schema/tables/tables.ts";
import type { CreatedJob } from "../jobs/jobs.ts";
import type { ModelReader } from "../models/reading.ts";
import { createPairJob, selectPairs } from "../jobs/pair_job.ts";
import { fileOf, readRows } from "./read.ts";
import { PREFERENCE_FORMATS } from "./rows.ts";
import { WEIGHT_CHOICES } from "./weights.ts";

/** Stores a job that weighs the tokens of each pair; weights that are stored are kept. */
export async function createPreferenceJob(
  db: Database,
  boss: PgBoss,
  request: ExportPreferencesRequest,
): Promise<CreatedJob> {
  const { formula, idempotencyKey } = request;
  const pairs = await selectPairs(db, request.tokenPairIds, undefined);
  const tokenPairIds = pairs.map(({ tokenPairId }) => tokenPairId);
  return await createPairJob(db, boss, { kind: "export_preferences", tokenPairIds, formula }, pairs, idempotencyKey);
}

type PreferenceInput = Extract<AnalysisInput, { kind: "export_preferences" }>;

async function inputOf(db: Database, jobId: string): Promise<PreferenceInput | undefined> {
  const [job] = await db.select({ input: jobs.input }).from(jobs).where(eq(jobs.id, jobId));
  return job?.input.kind === "export_preferences" ? job.input : undefined;
}

/** What a job can export now. Throws InputError when it is no such job. */
export async function describePreferences(
  db: Database,
  reader: ModelReader,
  jobId: string,
): Promise<PreferenceExportRow> {
  const input = await inputOf(db, jobId);
  if (!input) throw new InputError(`the job ${jobId} exports no preferences`, "preferences", "ask exportPreferences");
  const options = { format: "trl-weighted", weights: "relevance", seed: 1 } as const;
  const { rows, pairs, leftOut } = await readRows({ db, reader }, input.tokenPairIds, input.formula, options);
  return {
    jobId,
    formula: input.formula,
    pairs,
    rows: rows.length,
    leftOut: Object.entries(leftOut).map(([reason, count]) => ({ reason, count })),
  };
}

const PATH = /^\/preferences\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/([a-z-]+)\.(jsonl|parquet)$/;

/** Answers `/preferences/JOB/FORMAT.jsonl` with the rows as a file; undefined for other paths. */
export async function downloadPreferences(
  db: Database,
  reader: ModelReader,
  url: URL,
): Promise<Response | undefined> {
  const [, jobId, name, kind] = PATH.exec(url.pathname) ?? [];
  const format = PREFERENCE_FORMATS.find((one) => one === name);
  if (jobId === undefined || format === undefined) return undefined;
  const asked = url.searchParams.get("weights") ?? "relevance";
  const weights = WEIGHT_CHOICES.find((one) => one === asked);
  const seed = Number(url.searchParams.get("seed") ?? 1);
  if (weights === undefined || !Number.isSafeInteger(seed)) {
    return new Response(`weights is one of ${WEIGHT_CHOICES.join(", ")}, seed a whole number\n`, { status: 400 });
  }
  const input = await inputOf(db, jobId);
  if (!input) return new Response("There is no such export\n", { status: 404 });
  const options = { format, weights, seed };
  const rows = await readRows({ db, reader }, input.tokenPairIds, input.formula, options);
  return new Response(fileOf(rows, options, kind as "jsonl" | "parquet"), {
    headers: {
      "content-type": kind === "jsonl" ? "application/jsonl; charset=utf-8" : "application/vnd.apache.parquet",
      "content-disposition": `attachment; filename="${format}.${kind}"`,
    },
  });
}
