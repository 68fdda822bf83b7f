/** Fetches a hub's model as a job, and adds it: its progress is seen while it comes, and it survives a restart. */
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import {
  describeBytes,
  downloadModel,
  type HubReference,
  InputError,
  type LocateOptions,
  parseReference,
  UnavailableError,
} from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { jobs } from "../../schema/tables/tables.ts";
import type { JobInput } from "../../schema/tables/values.ts";
import type { Settings } from "../base/settings.ts";
import type { Connection } from "../database/database.ts";
import type { Attempt } from "../jobs/consumer.ts";
import { enqueueOn } from "../jobs/enqueue.ts";
import { type CreatedJob, failJob, finishJob, insertJob, lockJob, saveState, startJob } from "../jobs/jobs.ts";
import { type FetchTask, inside } from "../jobs/queue.ts";
import { addModel } from "../models/add_model.ts";
import type { ModelReader } from "../models/reading.ts";
import { DOWNLOADS_OFF } from "../models/locate_allowed.ts";

type FetchInput = Extract<JobInput, { kind: "fetch_model" }>;

/** How often a job says how far it is, in milliseconds. */
const TELL_MS = 1000;
/** Jobs count in numbers that hold no more than 2 * 10^9: bytes would not fit. */
const MEGABYTE = 1e6;

/** Stores a job that fetches a model into this home's cache. Throws InputError for what no hub could have. */
export async function createFetchJob(
  settings: Settings,
  home: string,
  db: Database,
  boss: PgBoss,
  { model, name, idempotencyKey }: {
    readonly model: string;
    readonly name: string | undefined;
    readonly idempotencyKey: string | undefined;
  },
): Promise<CreatedJob> {
  if (parseReference(model) === undefined) {
    throw new InputError(
      `${JSON.stringify(model)} is no hub's id`,
      "model",
      "give ORG/NAME, ORG/NAME@REVISION or ORG/NAME:FILE.gguf; folders and files are added with addModel",
    );
  }
  if (!settings.downloads) {
    throw new InputError("this server fetches no models", "model", DOWNLOADS_OFF);
  }
  return await db.transaction(async (tx) => {
    const job = await insertJob(tx, { kind: "fetch_model", model, name: name ?? null }, idempotencyKey);
    if (job.created) await enqueueOn(tx, boss, "fetch", { home }, { jobId: job.id });
    return job;
  });
}

/** Performs such a job. What arrived is kept when it ends before its time. */
export async function performFetch(
  settings: Pick<Settings, "hub">,
  { db }: Connection,
  boss: PgBoss,
  attempt: Attempt<FetchTask>,
  { reader, ...options }: LocateOptions & { readonly reader?: ModelReader } = {},
): Promise<void> {
  const { jobId } = attempt.task;
  const [job] = await db.select({ input: jobs.input }).from(jobs).where(eq(jobs.id, jobId));
  const input = job?.input;
  if (input?.kind !== "fetch_model" || !(await startJob(db, jobId))) {
    await boss.complete(attempt.queue, attempt);
    return;
  }
  const ended = new AbortController();
  const teller = tellEvery(TELL_MS, (state, isNew) => tell(db, jobId, state, isNew, ended));
  try {
    const path = await downloadModel(parseReference(input.model) as HubReference, {
      ...options,
      settings: settings.hub,
      signal: AbortSignal.any([attempt.signal, ended.signal]),
      onProgress: teller.update,
    });
    await teller.end();
    const added = await addModel(db, path, nameOf(input), reader);
    await db.transaction(async (tx) => {
      const { done, total } = teller.last();
      const state = { done: megabytes(done), total: megabytes(total), message: `${added.name} is there` };
      if (await lockJob(tx, jobId) === "running") await finishJob(tx, jobId, state);
      await boss.complete(attempt.queue, attempt, null, inside(tx));
    });
  } catch (error) {
    await teller.end();
    if (attempt.signal.aborted) throw error;
    if (error instanceof InputError) await failJob(db, jobId, "BAD_INPUT", error.message);
    else if (error instanceof UnavailableError) await failJob(db, jobId, "UNAVAILABLE", error.message);
    else if (!ended.signal.aborted) throw error;
    await boss.complete(attempt.queue, attempt);
  }
}

const nameOf = ({ name, model }: FetchInput): string => name?.trim() || model;
const megabytes = (bytes: number): number => Math.ceil(bytes / MEGABYTE);

interface Bytes {
  readonly done: number;
  readonly total: number;
}

/** Writes down how far it is; ends the work where the job was cancelled. */
async function tell(
  db: Database,
  jobId: string,
  { done, total }: Bytes,
  isNew: boolean,
  ended: AbortController,
): Promise<void> {
  await db.transaction(async (tx) => {
    if (await lockJob(tx, jobId) !== "running") return ended.abort(new Error("the job has ended"));
    if (!isNew) return;
    const message = `${describeBytes(done)} of ${describeBytes(total)}`;
    await saveState(tx, jobId, { done: megabytes(done), total: megabytes(total), message });
  });
}

/** Passes on the latest of many updates, one after another. */
function tellEvery(milliseconds: number, work: (state: Bytes, isNew: boolean) => Promise<void>) {
  let latest: Bytes = { done: 0, total: 0 };
  let told: Bytes = latest;
  let busy: Promise<void> | undefined;
  const timer = setInterval(() => {
    if (busy) return;
    const isNew = latest !== told;
    told = latest;
    // A database that is away for a moment: the next one tells.
    busy = work(told, isNew).catch(() => {}).finally(() => busy = undefined);
  }, milliseconds);
  return {
    update: (state: Bytes) => void (latest = state),
    last: () => latest,
    end: async () => {
      clearInterval(timer);
      await busy;
    },
  };
}
