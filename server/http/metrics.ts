/** What `/metrics` tells Prometheus: requests, operations, the queue, jobs and the worker. */
import process from "node:process";
import { sql } from "drizzle-orm";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Database } from "../../schema/tables/database.ts";
import type { WorkerState } from "../worker/supervisor.ts";
import { liveWorkers } from "../jobs/worker_registry.ts";

export interface Metrics {
  /** Notes an answered request. `route` is one of few words. */
  request(route: string, status: number, seconds: number): void;
  /** Notes an executed GraphQL operation. */
  operation(kind: string, failed: boolean, seconds: number): void;
  /** Opens a stream of events; call the result when it ends. */
  stream(): () => void;
  /** All of it as Prometheus reads it. */
  print(): Promise<Response>;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
/** How long counts of the tables serve, in milliseconds: scrapes cost the database little, however many there are. */
const KEEP_MS = 5000;

export function createMetrics(db: Database, workerState: () => WorkerState | undefined): Metrics {
  const registers = [new Registry()];
  const requests = new Histogram({
    name: "culprit_http_request_seconds",
    help: "Time to answer requests, until the answer begins.",
    labelNames: ["route", "status"],
    buckets: SECONDS,
    registers,
  });
  const operations = new Histogram({
    name: "culprit_graphql_operation_seconds",
    help: "Time to execute GraphQL operations.",
    labelNames: ["kind", "failed"],
    buckets: SECONDS,
    registers,
  });
  const streams = new Gauge({ name: "culprit_streams", help: "Streams of events that are open.", registers });
  const scrapeErrors = new Counter({
    name: "culprit_scrape_errors_total",
    help: "Scrapes that the database did not answer.",
    registers,
  });
  new Gauge({
    name: "culprit_resident_bytes",
    help: "Resident memory of the server process.",
    registers,
    collect() {
      this.set(process.memoryUsage().rss);
    },
  });
  const refreshTables = tableMetrics(db, registers, () => scrapeErrors.inc());
  const refreshWorker = workerMetrics(workerState, registers);
  return {
    request: (route, status, seconds) => requests.observe({ route, status: String(status) }, seconds),
    operation: (kind, failed, seconds) => operations.observe({ kind, failed: String(failed) }, seconds),
    stream: () => {
      streams.inc();
      let open = true;
      return () => {
        if (open) streams.dec();
        open = false;
      };
    },
    print: async () => {
      await refreshTables();
      refreshWorker();
      const [registry] = registers as [Registry];
      return new Response(await registry.metrics(), {
        headers: { "content-type": registry.contentType, "cache-control": "no-store" },
      });
    },
  };
}

/** Queue and jobs, read from the tables. A database that is away leaves the last counts, and says so. */
function tableMetrics(db: Database, registers: Registry[], onError: () => void): () => Promise<void> {
  const up = new Gauge({ name: "culprit_database_up", help: "1 while the database answers.", registers });
  const tasks = new Gauge({
    name: "culprit_queue_tasks",
    help: "Tasks of a kind in the queue, as pg-boss last counted them.",
    labelNames: ["queue", "state"],
    registers,
  });
  const workers = new Gauge({
    name: "culprit_workers",
    help: "Workers that live, on all machines.",
    labelNames: ["adapter"],
    registers,
  });
  const jobs = new Gauge({ name: "culprit_jobs", help: "Jobs.", labelNames: ["kind", "status"], registers });
  const seconds = new Gauge({
    name: "culprit_job_seconds_total",
    help: "Time from start to end of all jobs that ended.",
    labelNames: ["kind", "status"],
    registers,
  });
  const waiting = new Gauge({
    name: "culprit_job_oldest_seconds",
    help: "Age of the oldest job that has not ended; 0 when there is none.",
    registers,
  });
  let readAt = -Infinity;
  return async () => {
    if (performance.now() - readAt < KEEP_MS) return;
    try {
      const queues = await db.execute<{ name: string; queued: number; deferred: number; active: number }>(sql`
        select split_part(name, '/', 1) as name, sum(queued_count) as queued, sum(deferred_count) as deferred,
          sum(active_count) as active
        from pgboss.queue group by 1`);
      const live = await liveWorkers(db);
      const rows = await db.execute<{ kind: string; status: string; count: number; seconds: number; oldest: number }>(
        sql`
        select kind, status, count(*)::int as count,
          coalesce(sum(extract(epoch from finished_at - started_at)), 0)::float8 as seconds,
          coalesce(max(extract(epoch from now() - created_at)) filter (where finished_at is null), 0)::float8 as oldest
        from jobs group by kind, status`,
      );
      for (const { name, queued, deferred, active } of queues) {
        tasks.set({ queue: name, state: "waiting" }, Number(queued));
        tasks.set({ queue: name, state: "deferred" }, Number(deferred));
        tasks.set({ queue: name, state: "active" }, Number(active));
      }
      workers.reset();
      for (const [adapter, own] of Map.groupBy(live, (worker) => worker.adapter)) workers.set({ adapter }, own.length);
      jobs.reset();
      seconds.reset();
      for (const row of rows) {
        jobs.set({ kind: row.kind, status: row.status }, row.count);
        seconds.set({ kind: row.kind, status: row.status }, row.seconds);
      }
      waiting.set(Math.max(0, ...rows.map(({ oldest }) => oldest)));
      up.set(1);
      readAt = performance.now();
    } catch {
      up.set(0);
      onError();
    }
  };
}

function workerMetrics(workerState: () => WorkerState | undefined, registers: Registry[]): () => void {
  const ready = new Gauge({
    name: "culprit_worker_ready",
    help: "1 while this server's own worker is ready to work, on this adapter.",
    labelNames: ["adapter"],
    registers,
  });
  const memory = new Gauge({
    name: "culprit_worker_gpu_bytes",
    help: "Device memory that the worker's buffers take.",
    registers,
  });
  const restarts = new Gauge({ name: "culprit_worker_restarts", help: "Times that the worker died.", registers });
  return () => {
    ready.reset();
    const state = workerState();
    // Without a worker of its own the server has nothing to say about workers.
    if (state === undefined) return;
    ready.set({ adapter: state.kind === "ready" ? state.adapter : "none" }, state.kind === "ready" ? 1 : 0);
    memory.set(state.kind === "ready" ? state.gpuBytes ?? 0 : 0);
    restarts.set(state.restarts ?? 0);
  };
}
