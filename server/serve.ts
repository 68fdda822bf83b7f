/** The server process: database, queue, worker, HTTP, all started and stopped together. */
import process from "node:process";
import type { Context, Services } from "../schema/services/services.ts";
import { type Connection, openDatabase, startDatabase } from "./database/database.ts";
import { blameTasks } from "./jobs/blame.ts";
import { startConsumer } from "./jobs/consumer.ts";
import { startFailedTasks } from "./jobs/failed_tasks.ts";
import { createHandler } from "./http/http.ts";
import { listen } from "./http/listen.ts";
import { homeId } from "./base/home.ts";
import { performFetch } from "./fetching/fetch_model.ts";
import { createPlanner } from "./planning/planner.ts";
import { createModelReader } from "./reading/model_reader.ts";
import { queueName, startQueue } from "./jobs/queue.ts";
import { createServices } from "./http/services.ts";
import { isLoopback, type Settings } from "./base/settings.ts";
import { IMPORTER, startSupervisor } from "./worker/supervisor.ts";
import { watchWaitingJobs } from "./jobs/waiting_jobs.ts";
import { startJobWatcher } from "./jobs/watch_job.ts";

export interface Server {
  /** Address to open in a browser. */
  readonly address: string;
  readonly connection: Connection;
  readonly services: Services;
  /** Resolves when the worker refuses its settings; its reason stands on standard error. */
  readonly refused: Promise<void>;
  /** Ends requests, worker, queue and database, in this order. */
  stop(): Promise<void>;
}

/** Starts the server. `worker: false` leaves the work to workers that were started elsewhere. */
export async function startServer(settings: Settings, options: { readonly worker: boolean }): Promise<Server> {
  const closing: (() => Promise<void>)[] = [];
  /** What is ended first, all at once: whoever interrupts a server does not wait for one after another. */
  const working: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(working.splice(0).map((close) => close()));
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const database = await startDatabase(settings);
    closing.push(() => database.stop());
    const connection = openDatabase(database.url);
    closing.push(() => connection.close());
    const boss = await startQueue(database.url);
    closing.push(() => boss.stop({ graceful: false }));
    const watcher = await startJobWatcher(connection);
    closing.push(() => watcher.stop());
    const failed = await startFailedTasks(connection, boss);
    closing.push(() => failed.stop());
    const importing = startSupervisor(database.url, {
      program: IMPORTER,
      environment: { ...process.env, CULPRIT_HOME: settings.home },
    });
    working.push(() => importing.stop());
    const reader = createModelReader();
    working.push(() => reader.stop());
    const ownFetches = queueName("fetch", { home: await homeId(settings) });
    const fetches = await startConsumer(
      connection,
      boss,
      "fetch",
      (attempt) => performFetch(settings, connection, boss, attempt, { reader }),
      // They are to come into the cache of the machine that was asked.
      { serves: (queue) => queue === ownFetches },
    );
    working.push(() => fetches.stop());
    const { promise: refused, resolve: onRefusal } = Promise.withResolvers<void>();
    const supervisor = options.worker
      ? startSupervisor(database.url, {
        onRefusal,
        onFall: (tasks, reason) => blameTasks(connection, boss, tasks, reason),
      })
      : undefined;
    if (supervisor) working.push(() => supervisor.stop());
    const waiting = watchWaitingJobs(connection, supervisor !== undefined);
    closing.push(() => waiting.stop());
    const planner = options.worker ? createPlanner() : undefined;
    if (planner) working.push(() => planner.stop());

    const services = createServices({ settings, connection, boss, watcher, planner, reader });
    const context: Context = { db: connection.db, services };
    const handler = createHandler({ settings, context, reader, workerState: () => supervisor?.state() });
    const http = await listen(settings.host, settings.port, handler);
    working.push(async () => {
      // Streams end with their watchers; whatever still hangs then is cut.
      await watcher.stop();
      await http.stop(SHUTDOWN_MS);
    });
    return { address: addressOf(settings, http.port), connection, services, refused, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const SHUTDOWN_MS = 3000;

function addressOf({ host }: Settings, port: number): string {
  const name = isLoopback(host) ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${port}`;
}
