/**
 * Imports a large log through a real server, kills the server half-way with SIGKILL, starts it again, and looks at what
 * is stored: every answer once, every failure once, and how much memory the server took.
 */
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { count, countDistinct, eq, sql } from "drizzle-orm";
import { failureCases, jobs, responses } from "../../schema/tables/tables.ts";
import { addModel } from "../../server/models/add_model.ts";
import { migrateDatabase, openDatabase } from "../../server/database/database.ts";
import { ROOT } from "../../server/base/settings.ts";
import { memoryOf, type Running, startProcess } from "./processes.ts";
import { type SampleLog, writeSampleLog } from "./sample_log.ts";

const SOURCE = join(
  ROOT,
  "test",
  "data",
  "lm_eval",
  "Qwen__Qwen2.5-0.5B-Instruct-GPTQ-Int4",
  "samples_ifeval_2026-11-22T07-11-21.660952.jsonl",
);
const MODEL = join(ROOT, "models", "demo-1m");

/** The server, which imports itself; it needs no worker. */
const startServer = (databaseUrl: string, folder: string): Promise<Running> =>
  startProcess(["serve", "--no-worker"], {
    PORT: "0",
    DATABASE_URL: databaseUrl,
    CULPRIT_HOME: join(folder, "home"),
    CULPRIT_MODELS: folder,
  });

export interface ImportOutcome {
  readonly log: SampleLog;
  /** Share of the file that was stored when the server was killed. */
  readonly killedAt: number;
  /** Largest resident memory of the server, which imports itself; before and after the kill. */
  readonly peakBytes: readonly [number, number];
  readonly seconds: number;
  readonly report: typeof jobs.$inferSelect.report;
  readonly status: string;
  readonly stored: {
    readonly responses: number;
    readonly keys: number;
    readonly failed: number;
    readonly cases: number;
    readonly linked: number;
  };
}

/** `databaseUrl` is an empty database, `folder` an empty folder for the log and the server's home. */
export async function importLargeLog(databaseUrl: string, folder: string, bytes: number): Promise<ImportOutcome> {
  const path = join(folder, "samples_ifeval_2026-01-01T00-00-00.000000.jsonl");
  const log = await writeSampleLog(SOURCE, path, bytes);
  await migrateDatabase(databaseUrl);
  const connection = openDatabase(databaseUrl);
  const { db } = connection;
  const started = performance.now();
  let server: Running | undefined;
  try {
    await addModel(db, MODEL, undefined);
    server = await startServer(databaseUrl, folder);
    await askForImport(server.address, path);
    const half = await untilDone(db, (done, total) => total > 0 && done >= total / 2);
    const before = await memoryOf(server.pid, "VmHWM");
    server.child.kill("SIGKILL");
    await server.ended;
    const [killed] = await db.select({ done: jobs.done, total: jobs.total }).from(jobs);

    server = await startServer(databaseUrl, folder);
    await untilDone(db, () => false);
    const after = await memoryOf(server.pid, "VmHWM");
    const [job] = await db.select().from(jobs);
    return {
      log,
      killedAt: (killed?.done ?? half.done) / (killed?.total || 1),
      peakBytes: [before, after],
      seconds: (performance.now() - started) / 1000,
      report: job?.report ?? null,
      status: job?.status ?? "missing",
      stored: await storedRows(db),
    };
  } finally {
    server?.child.kill("SIGKILL");
    await server?.ended;
    await connection.close();
  }
}

type Db = ReturnType<typeof openDatabase>["db"];

/** Resolves when the import ended, or when `enough` says so. */
async function untilDone(db: Db, enough: (done: number, total: number) => boolean) {
  for (;;) {
    const [job] = await db.select({ status: jobs.status, done: jobs.done, total: jobs.total }).from(jobs);
    if (job && (enough(job.done, job.total) || !["queued", "running"].includes(job.status))) return job;
    await wait(20);
  }
}

async function storedRows(db: Db): Promise<ImportOutcome["stored"]> {
  const [all] = await db.select({
    responses: count(),
    keys: countDistinct(responses.key),
    failed: sql<number>`count(*) filter (where not ${responses.passed})::int`,
  }).from(responses);
  const [cases] = await db.select({ cases: count() }).from(failureCases);
  const [linked] = await db.select({ linked: countDistinct(failureCases.responseId) }).from(failureCases)
    .innerJoin(responses, eq(responses.id, failureCases.responseId));
  return { ...all!, ...cases!, ...linked! };
}

async function askForImport(address: string, path: string): Promise<void> {
  const query = `mutation ($path: String!) {
    importFailureCases(input: { path: $path, from: LM_EVAL, model: "demo-1m" }) {
      __typename ... on InputError { message }
    }
  }`;
  const response = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables: { path } }),
  });
  const answer = await response.text();
  if (!answer.includes('"Job"')) throw new Error(`The import was refused: ${answer}`);
}

/** What does not hold of an outcome; empty when all does. */
export function faultsOf(outcome: ImportOutcome, mostBytes: number): string[] {
  const { log, stored, report, status, peakBytes, killedAt } = outcome;
  const expected = {
    responses: log.lines,
    keys: log.lines,
    failed: log.failing,
    cases: log.failing,
    linked: log.failing,
  };
  const faults: string[] = [];
  if (status !== "completed") faults.push(`the job is ${status}`);
  if (!(killedAt >= 0.5 && killedAt < 1)) faults.push(`it was killed at ${killedAt}`);
  for (const [name, value] of Object.entries(expected)) {
    const found = stored[name as keyof typeof stored];
    if (found !== value) faults.push(`${name}: ${found} instead of ${value}`);
  }
  if (report?.lines !== log.lines || report.inserted !== log.lines || report.unchanged !== 0) {
    faults.push(`the report counts ${report?.lines} lines, ${report?.inserted} added, ${report?.unchanged} unchanged`);
  }
  if (report?.failedCount !== 0) faults.push(`${report?.failedCount} lines failed`);
  for (const peak of peakBytes) {
    if (!(peak < mostBytes)) faults.push(`the server took ${Math.round(peak / 2 ** 20)} MiB`);
  }
  return faults;
}
