/** Jobs that run a model over a benchmark, or search token pairs: one task each, done by a worker. */
import type { PgBoss } from "pg-boss";
import { InputError } from "../../gpu/mod.ts";
import type { CollectFailuresRequest, FindTokenPairsRequest } from "../../schema/services/searches.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { CollectInput, PairSearchInput } from "../../schema/tables/search_values.ts";
import { findBenchmark, isShipped } from "../benchmarks/benchmarks.ts";
import { promptTemplateNamed } from "../benchmarks/prompt_templates.ts";
import { confinedPath } from "../base/confined_path.ts";
import { enqueue } from "../jobs/enqueue.ts";
import { modelByName } from "../models/find_model.ts";
import type { ModelReader } from "../models/reading.ts";
import { CHECK_THINKING } from "../models/thinking.ts";
import { type CreatedJob, insertJob } from "../jobs/jobs.ts";
import type { Transaction } from "../database/database.ts";
import type { Settings } from "../base/settings.ts";

/** Stores a job that runs a model over a benchmark. Throws InputError for what is not there, or cannot think. */
export async function createCollectJob(
  settings: Settings,
  db: Database,
  boss: PgBoss,
  reader: ModelReader,
  request: CollectFailuresRequest,
): Promise<CreatedJob> {
  const { model, benchmark, limit, seed, maxTokens, batch, thinkingTokens, idempotencyKey } = request;
  const promptTemplate = promptTemplateNamed(request.promptTemplate, "promptTemplate");
  const isPath = /[./\\]/.test(benchmark);
  const path = isPath ? await confinedPath(settings, benchmark, "benchmark") : benchmark;
  const found = await modelByName(db, model, "model");
  const file = await findBenchmark(db, path, "benchmark", reader);
  if (thinkingTokens !== undefined) {
    await reader.read(CHECK_THINKING, found.directory, { model: found.name, where: "thinkingTokens" });
  }
  // Said here, since a worker on another machine reads a copy of the file.
  const template = promptTemplate ?? (isShipped(file.path) ? "plain" : null);
  const asking = {
    limit,
    maxTokens,
    batch,
    ...(seed === undefined ? {} : { seed }),
    ...(thinkingTokens === undefined ? {} : { thinkingTokens }),
    ...(template === null ? {} : { promptTemplate: template }),
  };
  const input = { kind: "collect", modelId: found.id, benchmarkId: file.id, ...asking } as const;
  return await createSearchJob(db, boss, input, idempotencyKey);
}

/** Stores a job that searches token pairs. Throws InputError for a model that is not there, or a sibling that cannot be. */
export async function createPairSearchJob(
  db: Database,
  boss: PgBoss,
  request: FindTokenPairsRequest,
): Promise<CreatedJob> {
  const { model, sibling, idempotencyKey, ...rest } = request;
  const found = await modelByName(db, model, "model");
  const other = sibling === null ? null : await modelByName(db, sibling, "sibling");
  if (other && other.tokenizerHash !== found.tokenizerHash) {
    throw new InputError(
      `${other.name} has another tokenizer than ${found.name}`,
      "sibling",
      "give a model of the same family, whose tokens have the same ids",
    );
  }
  const input = { kind: "find_pairs", modelId: found.id, siblingId: other?.id ?? null, ...rest } as const;
  return await createSearchJob(db, boss, input, idempotencyKey);
}

/** Stores a job that computes the pair that annotators chose for a case, with what was said in one transaction. */
export async function createAnnotatedJob(
  tx: Transaction,
  boss: PgBoss,
  modelId: number,
  failureCaseId: number,
): Promise<CreatedJob> {
  const input = {
    kind: "find_pairs",
    modelId,
    siblingId: null,
    benchmarks: null,
    alternatives: 10,
    positions: null,
    positionRule: "recovering",
    batch: 256,
    failureCaseId,
  } as const;
  // Somebody waits for it.
  return await insertSearchJob(tx, boss, input, undefined, { small: true });
}

async function createSearchJob(
  db: Database,
  boss: PgBoss,
  input: CollectInput | PairSearchInput,
  idempotencyKey: string | undefined,
): Promise<CreatedJob> {
  return await db.transaction((tx) => insertSearchJob(tx, boss, input, idempotencyKey, { small: false }));
}

async function insertSearchJob(
  tx: Transaction,
  boss: PgBoss,
  input: CollectInput | PairSearchInput,
  idempotencyKey: string | undefined,
  size: { readonly small: boolean },
): Promise<CreatedJob> {
  const job = await insertJob(tx, input, idempotencyKey);
  if (!job.created) return job;
  await enqueue(tx, boss, "search", [{ data: { jobId: job.id }, modelIds: modelsOf(input) }], size);
  return job;
}

/** Ids of the models that a search needs. */
export function modelsOf(input: CollectInput | PairSearchInput): number[] {
  return [input.modelId, ...input.kind === "find_pairs" && input.siblingId !== null ? [input.siblingId] : []];
}
